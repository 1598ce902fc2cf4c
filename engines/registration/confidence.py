"""The probability that a registration is right, computed from how it was found and how it fits.

A logistic model on a handful of features, fitted on simulated registrations whose error is known
(`engines.evaluation.confidence.confidence_fit`); the coefficients and their origin are stored in
assets/models/confidence.json.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from calibration.errors import InputError
from engines.registration.filling.filled_features import FILLED_NAMES, FilledFeatures
from engines.registration.registration import RegistrationStatus

# One short curve fits many patients, so with little visible vessel a rival pose is reason enough to ask a person.
_LITTLE_DM = 2.0
RIVAL = 0.8  # share of the winner's score that makes another pose a rival
# Renderings were fitted to 20 cm of vessel and more. On the first drops of a bolus (five simulated heads, 6 to 17 cm) a
# stump was found 100 mm off with a confidence up to 0.96, in 6 of 8 searches; from 22 cm on, 14 of 14 were within 6 mm.
ENOUGH_DM = 2.0
# Share of edges from which vessels count as thick, as an aorta's (0.66 to 0.93) and not a head's (at most 0.33).
THICK = 0.5

ConfidenceKind = Literal["cold", "warm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceFeatures:
    """The inputs of the confidence model; all are dimensionless and within a few units of zero.

    Args:
        score, image_explained, model_explained, residual_mm, tight, edge_share: see `Agreement`.
        image_decimetres: length of segmented vessel, at most 10.
        basin_share, runner_up: see `ColdStart`; 1 and 0 for a tracking step.
        prior_distance: distance from the start in standard deviations, at most 6.
        depth_sigma_cm: standard deviation along the beam, at most 10.
        sharp, turn_sharp, chance: see `Sharpness`; 0 for a tracking step, which has no time for it.
    """

    score: float
    image_explained: float
    model_explained: float
    residual_mm: float
    image_decimetres: float
    basin_share: float
    runner_up: float
    prior_distance: float
    depth_sigma_cm: float
    tight: float
    edge_share: float
    sharp: float = 0.0
    turn_sharp: float = 0.0
    chance: float = 0.0

    def values(self) -> dict[str, float]:
        """The features by name; `scarce` is near 1 if almost no vessel is visible and falls with every decimetre."""
        return asdict(self) | {"scarce": 1.0 / (1.0 + self.image_decimetres)}

    def vector(self, names: Sequence[str]) -> Float[np.ndarray, " k"]:
        """The named features; "a * b" is a product of two, because a good fit means more if more vessel is visible."""
        values = self.values()
        return np.array([math.prod(values[part] for part in name.split(" * ")) for name in names], dtype=np.float64)


FEATURE_NAMES = (*(field.name for field in fields(ConfidenceFeatures)), "scarce")


class Features(Protocol):
    """What a fitted model reads by name."""

    def vector(self, names: Sequence[str]) -> Float[np.ndarray, " k"]: ...


class _Logistic(BaseModel):
    model_config = ConfigDict(extra="forbid")
    features: list[str]
    mean: list[float]
    scale: list[float]
    weights: list[float]
    bias: float
    error_weights: list[float]  # for log(expected error in mm) of a right registration
    error_bias: float
    wrong_mm: float  # mean error of a wrong registration with the patient's own model
    own_share: float = 1.0  # of the wrong registrations fitted on, those with the patient's own model
    depth_factor: float  # measured over stated standard deviation along the beam
    accept: float
    reject: float


class ConfidenceModel(BaseModel):
    """The file assets/models/confidence.json."""

    model_config = ConfigDict(extra="forbid")
    version: Literal[2] = 2
    cold: _Logistic
    warm: _Logistic
    filled: _Logistic  # cold, and judged by rendering: its features are `FilledFeatures`
    thick: _Logistic  # the same for thick vessels
    thick_tracked: _Logistic  # a step of tracking by rendering, thick vessels
    provenance: dict[str, str | float | int | list[int] | list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    status: RegistrationStatus
    confidence: float
    expected_error_mm: float
    depth_sigma_mm: float


@functools.cache
def load_confidence_model() -> ConfidenceModel:
    """The shipped coefficients.

    Raises:
        InputError: the file is missing or was written for other features.
    """
    source = importlib.resources.files("assets") / "models" / "confidence.json"
    try:
        model = ConfidenceModel.model_validate(json.loads(source.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: no usable confidence model ({error}); install the program again") from error
    rendered = (model.filled, model.thick, model.thick_tracked)
    known = ((model.cold, FEATURE_NAMES), (model.warm, FEATURE_NAMES))
    for fitted, names in (*known, *((fit, FILLED_NAMES) for fit in rendered)):
        named = {part for name in fitted.features for part in name.split(" * ")}
        if unknown := sorted(named - set(names)):
            raise InputError(f"{source}: fitted for features {unknown}, this version computes {names}")
    return model


def is_ambiguous(features: ConfidenceFeatures) -> bool:
    """Whether so little vessel is visible that a rival pose may be right, however well this one fits."""
    return features.image_decimetres < _LITTLE_DM and features.runner_up > RIVAL


def judge(features: ConfidenceFeatures, kind: ConfidenceKind, depth_sigma_mm: float) -> Verdict:
    """Confidence, expected error and status of a registration with these features."""
    model = load_confidence_model()
    return _judged(features, model.cold if kind == "cold" else model.warm, depth_sigma_mm, is_ambiguous(features))


def judge_filled(features: FilledFeatures, depth_sigma_mm: float, *, tracked: bool = False) -> Verdict:
    """The same where the rendering of the vessels has judged the pose.

    Args:
        tracked: a step's pose is a little off the fine picture's best, and `keen` is measured over larger moves.
    """
    seen = min(1.0, features.image_decimetres / ENOUGH_DM)
    model = load_confidence_model()
    thick = model.thick_tracked if tracked else model.thick
    fitted = thick if judged_as_thick(features.edge_share, solid=features.solid) else model.filled
    return _judged(features, fitted, depth_sigma_mm, seen < 1.0, times=seen**2)


def judged_as_thick(edge_share: float, *, solid: bool) -> bool:
    """Whether a fit of its own decides; tubes about an aorta's centerlines fit too badly to be keen anywhere."""
    return solid and edge_share > THICK


def _judged(
    features: Features, fitted: _Logistic, depth_sigma_mm: float, ambiguous: bool, *, times: float = 1.0
) -> Verdict:
    scaled = np.clip((features.vector(fitted.features) - fitted.mean) / fitted.scale, -4.0, 4.0)
    confidence = float(1.0 / (1.0 + np.exp(-np.clip(scaled @ fitted.weights + fitted.bias, -30.0, 30.0))))
    confidence *= times
    if_right = float(np.exp(np.clip(scaled @ fitted.error_weights + fitted.error_bias, -3.0, 5.0)))
    # Another patient's model has no error in mm, and among the samples it was far more frequent than in a room: the
    # stated error is that of the patient's own model.
    lost = (1.0 - confidence) * fitted.own_share
    share_lost = lost / (confidence + lost)
    expected = (1.0 - share_lost) * if_right + share_lost * max(fitted.wrong_mm, if_right)
    status: RegistrationStatus = "accepted" if confidence >= fitted.accept and not ambiguous else "caution"
    if confidence < fitted.reject:
        status = "rejected"
    return Verdict(
        status=status,
        confidence=confidence,
        expected_error_mm=expected,
        depth_sigma_mm=depth_sigma_mm * fitted.depth_factor,
    )
