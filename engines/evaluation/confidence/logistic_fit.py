"""A logistic model of "right" and a log-linear one of the error, fitted on registrations with known error."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from engines.evaluation.confidence.confidence_samples import OTHER_ANATOMY_MM
from engines.registration.confidence import judged_as_thick

RIGHT_MM = 5.0
RENDERED = ("filled", "thick", "thick_tracked")  # kinds that the rendering of the vessels has judged
_RIDGE, _FILLED_RIDGE = 0.01, 0.005  # patients left out were judged best with these


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One simulated registration.

    Args:
        patient: samples of one patient are left out together.
        defect: of the model, "" for none; left out together in a second look.
        features: by name, as in `ConfidenceFeatures.values`.
        forced: begun so far off that it had to end in a wrong place; it tells nothing of how often that happens.
    """

    kind: str
    patient: str
    features: dict[str, float]
    error_mm: float
    depth_error_mm: float
    defect: str = ""
    forced: bool = False


def read_samples(paths: Sequence[Path]) -> list[Sample]:
    """The samples in all lines of the files."""
    lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Sample(
            kind=_kind_of(line),
            patient=line["case"],
            features=line["features"],
            error_mm=line["error_mm"],
            depth_error_mm=line["depth_error_mm"],
            defect=line.get("defect", ""),
            forced=line.get("forced", False),
        )
        for line in lines
    ]


def _kind_of(line: dict) -> str:
    """Rendered registrations are judged apart where the vessels are thick; only then is tracking judged otherwise."""
    if line["kind"] == "tracked":
        return "thick_tracked"
    if line["kind"] != "filled":
        return line["kind"]
    features = line["features"]
    return "thick" if judged_as_thick(features["edge_share"], solid=features["solid"] > 0) else "filled"


def table(samples: Sequence[Sample], names: Sequence[str]) -> Float[np.ndarray, "n k"]:
    """The features, one row per sample; "a * b" is a product."""
    return np.array([[math.prod(s.features[part] for part in name.split(" * ")) for name in names] for s in samples])


def fit_logistic(samples: Sequence[Sample], names: Sequence[str]) -> dict:
    """Coefficients of one kind of registration."""
    x = table(samples, names)
    error = np.clip([s.error_mm for s in samples], 0.05, 100.0)
    right = (error < RIGHT_MM).astype(float)
    ridge = _FILLED_RIDGE if samples[0].kind in RENDERED else _RIDGE
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    design = np.column_stack([np.clip((x - mean) / scale, -4, 4), np.ones(len(x))])

    def loss(weights: Float[np.ndarray, " k"]) -> tuple[float, Float[np.ndarray, " k"]]:
        logit = design @ weights
        value = np.logaddexp(0, logit).mean() - (right * logit).mean() + 0.5 * ridge * (weights[:-1] ** 2).sum()
        slope = design.T @ (1 / (1 + np.exp(-logit)) - right) / len(right)
        slope[:-1] += ridge * weights[:-1]
        return value, slope

    weights = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    near = right > 0.5
    error_ridge = 0.05 * near.sum() * np.diag([1.0] * (design.shape[1] - 1) + [0.0])
    log_error = np.linalg.solve(design[near].T @ design[near] + error_ridge, design[near].T @ np.log(error[near]))
    # Regression of the logarithm predicts a typical error; shift it to the mean, which is what is stated.
    log_error[-1] += np.log(error[near].mean() / np.exp(design[near] @ log_error).mean())
    found = np.array([not s.forced for s in samples]) & (right < 0.5)
    lost = error[found & (error < OTHER_ANATOMY_MM)]
    good = [s for s in samples if s.error_mm < RIGHT_MM]
    depth = [s.depth_error_mm / max(10.0 * s.features["depth_sigma_cm"], 0.5) for s in good]
    return {
        "features": list(names),
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "weights": weights[:-1].tolist(),
        "bias": float(weights[-1]),
        "error_weights": log_error[:-1].tolist(),
        "error_bias": float(log_error[-1]),
        "wrong_mm": float(lost.mean()) if len(lost) else 2 * RIGHT_MM,
        # Half a registration more: none among so many does not mean never.
        "own_share": (len(lost) + 0.5) / (int(found.sum()) + 0.5),
        "depth_factor": float(np.clip(np.quantile(depth, 0.68), 0.3, 5.0)) if depth else 1.0,
    }


def confidence_of(fitted: dict, samples: Sequence[Sample]) -> Float[np.ndarray, " n"]:
    x = np.clip((table(samples, fitted["features"]) - fitted["mean"]) / fitted["scale"], -4, 4)
    return 1 / (1 + np.exp(-(x @ fitted["weights"] + fitted["bias"])))


def stated_errors_mm(fitted: dict, samples: Sequence[Sample]) -> Float[np.ndarray, " n"]:
    """As `engines.registration.confidence` states them."""
    x = np.clip((table(samples, fitted["features"]) - fitted["mean"]) / fitted["scale"], -4, 4)
    if_right = np.exp(np.clip(x @ fitted["error_weights"] + fitted["error_bias"], -3.0, 5.0))
    confidence = confidence_of(fitted, samples)
    lost = (1.0 - confidence) * fitted["own_share"]
    share_lost = lost / (confidence + lost)
    return (1.0 - share_lost) * if_right + share_lost * np.maximum(fitted["wrong_mm"], if_right)
