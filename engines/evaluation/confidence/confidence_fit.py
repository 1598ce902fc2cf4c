"""Fit the confidence model on simulated registrations with known error.

    python -m engines.evaluation.confidence.confidence_fit samples.jsonl... [--keep OLD.json] [--kinds thick...]
        [--out confidence.json] [--figure reliability.png]

The samples are lines of `engines.evaluation.confidence.confidence_samples` (cold, warm) and of `filled_samples` beside
it (filled). Thresholds and the figures in the file's provenance come from fits that left out the judged patient.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from calibration.store import write_json
from engines.evaluation.confidence.confidence_samples import OTHER_ANATOMY_MM
from engines.evaluation.confidence.logistic_fit import (
    RENDERED,
    RIGHT_MM,
    Sample,
    confidence_of,
    fit_logistic,
    read_samples,
    stated_errors_mm,
)
from engines.evaluation.confidence.reliability_diagram import write_reliability_panels
from engines.evaluation.registration.figures import Calibration, reliability_of

# Share of wrong registrations that must lie below the threshold of acceptance, and of registrations with another
# patient's model that must lie below the threshold of rejection.
_KNOWN_WRONG = 0.95
_OTHERS_REJECTED = 0.99
# The same for acceptance where rendering finds a pose; tracking only follows what was accepted before.
_OTHERS_NOT_ACCEPTED = {"filled": 0.99, "thick": 0.99}
_ACCEPT_WITHIN = (0.7, 0.985)
# A rejected tracking step causes a cold start, although a cold start has confirmed the pose already: reject less.
_REJECT_WITHIN = {
    "cold": (0.4, 0.7), "warm": (0.2, 0.4), "filled": (0.2, 0.6), "thick": (0.2, 0.6), "thick_tracked": (0.2, 0.4),
}  # fmt: skip

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
# other basin helps too (Brier score 0.036 for 0.039), but a warm step has no other basins.
FILLED_FEATURES = (
    "fine",
    "clear",
    "middle",
    "sharp",
    "turn_sharp",
    "filled_share",
    "prior_distance",
    "edge_share",
    "fine * edge_share",
    "sharp * edge_share",
    "turn_sharp * edge_share",
)
# A thick vessel's own width decides how much a small move costs; relative to the model's own loss it says far more.
THICK_FEATURES = ("fine", "keen", "turn_keen", "prior_distance", "loose")
THICK_TRACKED_FEATURES = ("fine", "keen", "turn_keen", "loose")
NAMES = {
    "cold": COLD_FEATURES, "warm": WARM_FEATURES, "filled": FILLED_FEATURES, "thick": THICK_FEATURES,
    "thick_tracked": THICK_TRACKED_FEATURES,
}  # fmt: skip


def held_out_confidence(
    samples: Sequence[Sample], names: Sequence[str], groups: Sequence[str] | None = None
) -> Float[np.ndarray, " n"]:
    """Of each sample, by a fit that saw nothing of its group: its patient where none are given."""
    return _held_out(samples, names, groups, confidence_of)


def _held_out(
    samples: Sequence[Sample],
    names: Sequence[str],
    groups: Sequence[str] | None,
    judged: Callable[[dict, Sequence[Sample]], Float[np.ndarray, " n"]],
) -> Float[np.ndarray, " n"]:
    group = np.array([s.patient for s in samples] if groups is None else groups)
    found = np.empty(len(samples))
    for left_out in np.unique(group):
        seen = [s for s, name in zip(samples, group, strict=True) if name != left_out]
        unseen = [s for s, name in zip(samples, group, strict=True) if name == left_out]
        found[group == left_out] = judged(fit_logistic(seen, names), unseen)
    return found


def held_out_errors_mm(
    samples: Sequence[Sample], names: Sequence[str], groups: Sequence[str] | None = None
) -> Float[np.ndarray, " n"]:
    """The stated error of each sample, by a fit that saw nothing of its group, as in `held_out_confidence`."""
    return _held_out(samples, names, groups, stated_errors_mm)


def error_honesty(
    samples: Sequence[Sample], stated_mm: Float[np.ndarray, " n"], among: Bool[np.ndarray, " n"]
) -> dict[str, float]:
    """Stated over true error, at the median and at the 90th percentile of both; 1 is honest."""
    true_mm = np.array([s.error_mm for s in samples])[among]
    if not len(true_mm):
        return {}
    return {
        f"error_stated_over_true_{share:.0%}": round(
            float(np.quantile(stated_mm[among], share) / np.quantile(true_mm, share)), 2
        )
        for share in (0.5, 0.9)
    }


def thresholds(samples: Sequence[Sample], confidence: Float[np.ndarray, " n"]) -> dict[str, float]:
    """The confidences from which to accept and below which to reject; between them a person decides."""
    error = np.array([s.error_mm for s in samples])
    wrong, other = confidence[error >= RIGHT_MM], confidence[error >= OTHER_ANATOMY_MM]
    kind = samples[0].kind
    low, high = _ACCEPT_WITHIN
    accept = float(np.quantile(wrong, _KNOWN_WRONG)) if len(wrong) else low
    if len(other) and kind in _OTHERS_NOT_ACCEPTED:
        accept = max(accept, float(np.quantile(other, _OTHERS_NOT_ACCEPTED[kind])))
    accept = float(np.clip(accept, low, high))
    least, most = _REJECT_WITHIN[kind]
    reject = float(np.clip(np.quantile(other, _OTHERS_REJECTED), least, most)) if len(other) else least
    return {"accept": accept, "reject": min(reject, accept)}


def scores(
    samples: Sequence[Sample], confidence: Float[np.ndarray, " n"], limits: dict[str, float]
) -> dict[str, float]:
    """Brier score, and the shares of verdicts on wrong, right and other patients' registrations."""
    error = np.array([s.error_mm for s in samples])
    right, other = error < RIGHT_MM, error >= OTHER_ANATOMY_MM
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
        own = np.array([s.error_mm < OTHER_ANATOMY_MM for s in of_kind])
        found |= error_honesty(of_kind, held_out_errors_mm(of_kind, names), own & (confidence >= limits["reject"]))
        provenance |= {f"{kind}_{name}": value for name, value in found.items()}
        content[kind] = fit_logistic(of_kind, names) | limits
        if kind not in RENDERED:
            continue
        if len({s.defect for s in of_kind}) > 1:
            defects = [s.defect for s in of_kind]
            by_defect = held_out_confidence(of_kind, names, defects)
            without = scores(of_kind, by_defect, limits) | error_honesty(
                of_kind, held_out_errors_mm(of_kind, names, defects), own & (by_defect >= limits["reject"])
            )
            provenance |= {f"{kind}_defect_out_{k}": v for k, v in without.items()}
        provenance[f"{kind}_cases"] = ", ".join(sorted({s.patient for s in of_kind}))
        provenance[f"{kind}_samples"] = len(of_kind)
    others = [s for s in samples if s.kind not in RENDERED]
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


def reliability(samples: Sequence[Sample]) -> dict[str, Calibration]:
    """By title: each kind with patients left out, and with whole forms of the model left out where they are known."""
    found = {}
    for kind, names in NAMES.items():
        of_kind = [s for s in samples if s.kind == kind]
        right = np.array([s.error_mm < RIGHT_MM for s in of_kind])
        groups = {"patients": [s.patient for s in of_kind], "forms": [s.defect for s in of_kind]}
        for left_out, names_of in groups.items():
            if len(set(names_of)) > 1:
                stated = held_out_confidence(of_kind, names, names_of)
                found[f"{kind}, {left_out} left out"] = reliability_of(stated, right)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="+", type=Path)
    parser.add_argument("--keep", type=Path, help="confidence.json whose other kinds are kept")
    parser.add_argument("--kinds", nargs="*", choices=list(NAMES), default=list(NAMES), help="fit these alone")
    parser.add_argument("--out", type=Path, default=Path("confidence.json"))
    parser.add_argument("--figure", type=Path, help="PNG of the confidences in tenths against the share right")
    options = parser.parse_args()
    kept = None if options.keep is None else json.loads(options.keep.read_text(encoding="utf-8"))
    samples = [sample for sample in read_samples(options.samples) if sample.kind in options.kinds]
    content = confidence_model(samples, kept)
    write_json(options.out, content)
    if options.figure is not None:
        write_reliability_panels(options.figure, reliability(samples))
    print(json.dumps(content["provenance"], indent=1))


if __name__ == "__main__":
    main()
