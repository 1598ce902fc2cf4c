"""May the answer be trusted without a person's look? Signs, a calibrated probability, and flags that say why not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from engines.ivus.fusion import Fusion

# What to do about each flag, for people.
FLAGS = {
    "FEW_LANDMARKS": "hardly any side branch or calcification was matched; check place and turn by eye",
    "AMBIGUOUS_ROTATION": "the turn about the vessel is not settled; compare a side branch in both pictures",
    "AMBIGUOUS_POSITION": "other places along the vessel fit nearly as well; look through the candidates",
    "INCOMPLETE_CENTERLINE": "frames lie beyond the given centerline; extend it and run again",
    "WRONG_BRANCH": "frames would lie where the CT shows no such lumen; check that the line follows the imaged vessel",
    "GUIDEWIRE_HEAVY": "wires or shadows hide much of the wall",
    "LOW_CONTRAST": "the CT shows little contrast in the vessel, or the frames hardly any difference",
    "GATING_DOUBTFUL": "no clear heart beat was found; positions may jump by the heart's motion",
    "SCALE_CONFLICT": "the length of the pullback agrees only at the edge of what a device may be off",
    "HANDEDNESS_CONFLICT": "the mirrored pullback fits nearly as well",
    "OSTIUM_UNCERTAIN": "which end of the centerline is the ostium is not clear; give radii or turn it",
    "WITH_MANUAL_HELP": "a person helped by hand; scrub through and compare the side branches before you accept",
    "NO_SELF_CHECK": "the published method does not judge its own answer; compare side branches in both pictures",
    "UNCERTAIN": "the calibrated probability is below the limit; look through the candidates",
}
_LEFT_LINE = (
    "the given line turns into a side branch at {at:.0f} mm; the vessel was followed on in the CT: see whether it is "
    "the imaged one, or draw the line along it"
)
_LEAST_MASS, _TURNED_MASS = 0.9, 0.15
_NEAR_LINE_MM = 2.0  # beyond the line and yet unflagged
_LEAST_IN_LUMEN, _USUAL_IN_LUMEN = 0.9, 0.95  # a faint scan hides the contrast of some places
_SEVERAL_BRANCHES, _LEAST_AGREEMENT = 3, 0.2
_SIGNS = ("mass", "place_mass", "evidence", "landmarks", "size_correlation", "agreement", "in_lumen", "ostium",
          "way_share", "on_line")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustModel:
    """A logistic model of "the answer is right", fitted on validation seeds.

    Args:
        weights, centre, spread: one a sign, in the order of `_SIGNS`.
        limit: confidence below which the answer is flagged.
    """

    weights: tuple[float, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    intercept: float
    limit: float

    def confidence(self, signs: dict[str, float]) -> float:
        values = (np.array([signs[name] for name in _SIGNS]) - self.centre) / self.spread
        return float(1.0 / (1.0 + np.exp(-(self.intercept + float(np.dot(values, self.weights))))))


def sign_names() -> tuple[str, ...]:
    return _SIGNS


def load_trust_model() -> TrustModel:
    text = files("assets").joinpath("models/ivus_trust.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    return TrustModel(
        weights=tuple(stored["weights"]), centre=tuple(stored["centre"]), spread=tuple(stored["spread"]),
        intercept=stored["intercept"], limit=stored["limit"],
    )  # fmt: skip


def advice(name: str, fusion: Fusion) -> str:
    """What a flag of this answer means, and behind a semicolon what to do."""
    if name == "WRONG_BRANCH" and fusion.course.left_mm is not None:
        return _LEFT_LINE.format(at=fusion.course.left_mm)
    return FLAGS[name]


def input_flags(signs: dict[str, float]) -> tuple[str, ...]:
    """What lies in the input, whatever the method."""
    found = {
        "INCOMPLETE_CENTERLINE": signs["outside_given_mm"] > _NEAR_LINE_MM,
        "GUIDEWIRE_HEAVY": signs["hidden"] > 0.35,
        "LOW_CONTRAST": signs["contrast_hu"] < 150.0,
        "GATING_DOUBTFUL": signs["gating_doubtful"] > 0.5,
        "OSTIUM_UNCERTAIN": signs["ostium"] < 1.0,
    }
    return tuple(name for name, there in found.items() if there)


def flags_of(signs: dict[str, float], confidence: float, limit: float) -> tuple[str, ...]:
    """Flags in a fixed order; () only where the answer may be trusted.

    What lies in the input is always told. What the search is unsure of is told where the confidence is below the
    limit: above it, few landmarks were enough.
    """
    found = dict.fromkeys(input_flags(signs), True)
    # A line that was left is not too short; it is another vessel's, and that is told instead.
    if signs["on_line"] < 0.5:
        found |= {"INCOMPLETE_CENTERLINE": False, "WRONG_BRANCH": True}
    if signs["in_lumen"] < _LEAST_IN_LUMEN or signs["way_share"] < _LEAST_MASS:
        found["WRONG_BRANCH"] = True
    # A calcification alone can look like a sure match; several side branches that the CT does not show there speak
    # against it.
    if signs["branches_seen"] >= _SEVERAL_BRANCHES and signs["branch_agreement"] < _LEAST_AGREEMENT:
        found["AMBIGUOUS_POSITION"] = True
    # Where the search itself puts a tenth elsewhere, no confidence makes up for it.
    turned = signs["place_mass"] - signs["mass"] > _TURNED_MASS
    if signs["mass"] < _LEAST_MASS:
        found["AMBIGUOUS_ROTATION" if turned else "AMBIGUOUS_POSITION"] = True
    if confidence < limit:
        found |= {
            "FEW_LANDMARKS": signs["landmarks"] < 2.5,
            "AMBIGUOUS_ROTATION": turned,
            "AMBIGUOUS_POSITION": found.get("AMBIGUOUS_POSITION", False) or signs["place_mass"] < 0.75,
            "WRONG_BRANCH": found.get("WRONG_BRANCH", False)
            or signs["size_correlation"] < 0.0
            or signs["in_lumen"] < _USUAL_IN_LUMEN,
            "SCALE_CONFLICT": signs["edge"] > 0.5 and signs["size_correlation"] < 0.5,
            "HANDEDNESS_CONFLICT": signs["mirror"] > 0.1,
        }
    flags = [name for name in FLAGS if found.get(name, False)]
    if confidence < limit and not flags:
        flags = ["UNCERTAIN"]
    return tuple(flags)
