"""Fit the confidence model on simulated registrations with known error.

    python -m engines.evaluation.confidence.confidence_fit samples.jsonl... [--keep OLD.json] [--out confidence.json]

The samples are lines of `engines.evaluation.confidence.confidence_samples` (cold, warm) and of `filled_samples` beside
it (filled). Thresholds and the figures in the file's provenance come from fits that left out the judged patient.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from calibration.store import write_json
from engines.evaluation.confidence.confidence_samples import OTHER_ANATOMY_MM

_RIGHT_MM = 5.0
_RIDGE = 0.01
# Share of wrong registrations that must lie below the threshold of acceptance, and of registrations with another
# patient's model that must lie below the threshold of rejection.
_KNOWN_WRONG = 0.95
_OTHERS_REJECTED = 0.99
_ACCEPT_WITHIN = (0.7, 0.985)
# A rejected tracking step causes a cold start, although a cold start has confirmed the pose already: reject less.
_REJECT_WITHIN = {"cold": (0.4, 0.7), "warm": (0.2, 0.4), "filled": (0.2, 0.6)}

WARM_FEATURES = (
    "score",
    "image_explained",
    "model_explained",
    "residual_mm",
    "image_decimetres",
    "prior_distance",
    "depth_sigma_cm",
    "tight",
    "edge_share",
    "score * edge_share",
    "score * image_decimetres",
    "residual_mm * edge_share",
    "residual_mm * image_decimetres",
    "depth_sigma_cm * edge_share",
    "depth_sigma_cm * image_decimetres",
)
# Little visible vessel fits many models; then the distance from the start and the support of the pose count more.
COLD_FEATURES = (
    *WARM_FEATURES,
    "basin_share",
    "runner_up",
    "sharp",
    "turn_sharp",
    "chance",
    "scarce",
    "prior_distance * scarce",
    "depth_sigma_cm * scarce",
    "runner_up * scarce",
    "basin_share * scarce",
    "residual_mm * scarce",
    "turn_sharp * scarce",
    "chance * scarce",
)


# Thin vessels and thick ones are told apart by how much of the picture's features are edges. The margin over the best
# other basin and the filled share were tried as well: patients left out were judged no better with them.
FILLED_FEATURES = (
    "fine",
    "clear",
    "middle",
    "sharp",
    "turn_sharp",
    "prior_distance",
    "edge_share",
    "fine * edge_share",
    "sharp * edge_share",
    "turn_sharp * edge_share",
)
NAMES = {"cold": COLD_FEATURES, "warm": WARM_FEATURES, "filled": FILLED_FEATURES}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One simulated registration.

    Args:
        patient: samples of one patient are left out together.
        defect: of the model, "" for none; left out together in a second look.
        features: by name, as in `ConfidenceFeatures.values`.
    """

    kind: str
    patient: str
    features: dict[str, float]
    error_mm: float
    depth_error_mm: float
    defect: str = ""


def read_samples(paths: Sequence[Path]) -> list[Sample]:
    """The samples in all lines of the files."""
    lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Sample(
            kind=line["kind"],
            patient=line["case"],
            features=line["features"],
            error_mm=line["error_mm"],
            depth_error_mm=line["depth_error_mm"],
            defect=line.get("defect", ""),
        )
        for line in lines
    ]


def table(samples: Sequence[Sample], names: Sequence[str]) -> Float[np.ndarray, "n k"]:
    """The features, one row per sample; "a * b" is a product."""
    return np.array([[math.prod(s.features[part] for part in name.split(" * ")) for name in names] for s in samples])


def fit_logistic(samples: Sequence[Sample], names: Sequence[str]) -> dict:
    """Coefficients of one kind of registration."""
    x = table(samples, names)
    error = np.clip([s.error_mm for s in samples], 0.05, 100.0)
    right = (error < _RIGHT_MM).astype(float)
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    design = np.column_stack([np.clip((x - mean) / scale, -4, 4), np.ones(len(x))])

    def loss(weights: Float[np.ndarray, " k"]) -> tuple[float, Float[np.ndarray, " k"]]:
        logit = design @ weights
        value = np.logaddexp(0, logit).mean() - (right * logit).mean() + 0.5 * _RIDGE * (weights[:-1] ** 2).sum()
        slope = design.T @ (1 / (1 + np.exp(-logit)) - right) / len(right)
        slope[:-1] += _RIDGE * weights[:-1]
        return value, slope

    weights = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    near = right > 0.5
    ridge = 0.05 * near.sum() * np.diag([1.0] * (design.shape[1] - 1) + [0.0])
    log_error = np.linalg.solve(design[near].T @ design[near] + ridge, design[near].T @ np.log(error[near]))
    # Regression of the logarithm predicts a typical error; shift it to the mean, which is what is stated.
    log_error[-1] += np.log(error[near].mean() / np.exp(design[near] @ log_error).mean())
    lost = error[(right < 0.5) & (error < OTHER_ANATOMY_MM)]
    good = [s for s in samples if s.error_mm < _RIGHT_MM]
    depth = [s.depth_error_mm / max(10.0 * s.features["depth_sigma_cm"], 0.5) for s in good]
    return {
        "features": list(names),
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "weights": weights[:-1].tolist(),
        "bias": float(weights[-1]),
        "error_weights": log_error[:-1].tolist(),
        "error_bias": float(log_error[-1]),
        "wrong_mm": float(lost.mean()) if len(lost) else 2 * _RIGHT_MM,
        "depth_factor": float(np.clip(np.quantile(depth, 0.68), 0.3, 5.0)) if depth else 1.0,
    }


def confidence_of(fitted: dict, samples: Sequence[Sample]) -> Float[np.ndarray, " n"]:
    x = np.clip((table(samples, fitted["features"]) - fitted["mean"]) / fitted["scale"], -4, 4)
    return 1 / (1 + np.exp(-(x @ fitted["weights"] + fitted["bias"])))


def held_out_confidence(
    samples: Sequence[Sample], names: Sequence[str], groups: Sequence[str] | None = None
) -> Float[np.ndarray, " n"]:
    """Of each sample, by a fit that saw nothing of its group: its patient where none are given."""
    group = np.array([s.patient for s in samples] if groups is None else groups)
    confidence = np.empty(len(samples))
    for left_out in np.unique(group):
        seen = [s for s, name in zip(samples, group, strict=True) if name != left_out]
        confidence[group == left_out] = confidence_of(
            fit_logistic(seen, names), [s for s, name in zip(samples, group, strict=True) if name == left_out]
        )
    return confidence


def thresholds(samples: Sequence[Sample], confidence: Float[np.ndarray, " n"]) -> dict[str, float]:
    """The confidences from which to accept and below which to reject; between them a person decides."""
    error = np.array([s.error_mm for s in samples])
    wrong, other = confidence[error >= _RIGHT_MM], confidence[error >= OTHER_ANATOMY_MM]
    low, high = _ACCEPT_WITHIN
    accept = float(np.clip(np.quantile(wrong, _KNOWN_WRONG), low, high)) if len(wrong) else low
    least, most = _REJECT_WITHIN[samples[0].kind]
    reject = float(np.clip(np.quantile(other, _OTHERS_REJECTED), least, most)) if len(other) else least
    return {"accept": accept, "reject": min(reject, accept)}


def scores(
    samples: Sequence[Sample], confidence: Float[np.ndarray, " n"], limits: dict[str, float]
) -> dict[str, float]:
    """Brier score, and the shares of verdicts on wrong, right and other patients' registrations."""
    error = np.array([s.error_mm for s in samples])
    right, other = error < _RIGHT_MM, error >= OTHER_ANATOMY_MM
    accepted, rejected = confidence >= limits["accept"], confidence < limits["reject"]

    def share_of(which: np.ndarray, among: np.ndarray) -> float:
        return round(float(which[among].mean()), 4) if among.any() else 1.0

    return {
        "brier": round(float(((confidence - right) ** 2).mean()), 4),
        "wrong_not_accepted": share_of(~accepted, ~right),
        "right_accepted": share_of(accepted, right),
        "right_rejected": share_of(rejected, right),
        "other_patients_accepted": share_of(accepted, other),
        "other_patients_rejected": share_of(rejected, other),
        "share_right": round(float(right.mean()), 4),
    }


def confidence_model(samples: Sequence[Sample], kept: dict | None = None) -> dict:
    """The content of confidence.json.

    Args:
        kept: an earlier content; kinds of which there are no samples are taken over from it.
    """
    content: dict = {"version": 2}
    provenance: dict = dict((kept or {}).get("provenance", {}))
    for kind, names in NAMES.items():
        of_kind = [s for s in samples if s.kind == kind]
        if not of_kind:
            content |= {kind: kept[kind]} if kept is not None else {}
            continue
        confidence = held_out_confidence(of_kind, names)
        limits = thresholds(of_kind, confidence)
        found = scores(of_kind, confidence, limits)
        provenance |= {f"{kind}_{name}": value for name, value in found.items()}
        content[kind] = fit_logistic(of_kind, names) | limits
        if kind != "filled":
            continue
        if len({s.defect for s in of_kind}) > 1:
            by_defect = held_out_confidence(of_kind, names, [s.defect for s in of_kind])
            provenance |= {f"filled_defect_out_{k}": v for k, v in scores(of_kind, by_defect, limits).items()}
        provenance["filled_cases"] = ", ".join(sorted({s.patient for s in of_kind}))
        provenance["filled_samples"] = len(of_kind)
    others = [s for s in samples if s.kind != "filled"]
    if others:
        provenance |= {
            "source": "simulated cases: networks' masks, also spoilt, and spoilt exact ones; models as simulated, from "
            "the CTA and of other patients (engines.evaluation.confidence.confidence_samples); figures of patients "
            "left out",
            "cases": ", ".join(sorted({s.patient for s in others})),
            "samples": len(others),
        }
    content["provenance"] = provenance
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="+", type=Path)
    parser.add_argument("--keep", type=Path, help="confidence.json whose other kinds are kept")
    parser.add_argument("--out", type=Path, default=Path("confidence.json"))
    options = parser.parse_args()
    kept = None if options.keep is None else json.loads(options.keep.read_text(encoding="utf-8"))
    content = confidence_model(read_samples(options.samples), kept)
    write_json(options.out, content)
    print(json.dumps(content["provenance"], indent=1))


if __name__ == "__main__":
    main()
