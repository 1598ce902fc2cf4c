"""Fit the confidence of registrations on simulated ones whose error is known.

    python -m engines.evaluation.confidence_fit CASE_DIR... [--seed 0] [--per-run 16] [--out confidence.json]

Segmentations are the exact masks, spoilt: whole branches missing, false curves, holes, any phase of the bolus, now and
then another patient's model. So right and wrong registrations both occur, as the fit needs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize

from calibration.store import write_json
from engines.anatomy.case import Case, load_case
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.open_run import open_run
from engines.evaluation.registration_metrics import projection_error_mm
from engines.evaluation.registration_subject import StartSpread, drawn_start, true_pose
from engines.registration.agreement import agreement
from engines.registration.cold_start import cold_start
from engines.registration.confidence import FEATURE_NAMES
from engines.registration.engine import cold_features
from engines.registration.image_features import prepare_view
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.lm import align
from engines.registration.prepared_model import PreparedModel
from engines.registration.projected_model import RigidState
from engines.registration.track import filled_system, tracking_prior, warm_features
from engines.registration.view import RegistrationView

_LABELS = {"evt": (1,), "tavi": (3, 4), "coronary": (1,)}
_CLASSES = {"evt": ("artery", "aorta"), "tavi": ("aorta", "artery"), "coronary": ()}
_RIGHT_MM = 5.0
_RIDGE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One simulated registration."""

    kind: str
    group: int
    features: Float[np.ndarray, " k"]
    error_mm: float
    depth_error_mm: float
    depth_sigma_mm: float


def spoilt(mask: Bool[np.ndarray, "r c"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """A segmentation such as a network might give: parts missing, curves that are none, ragged edges."""
    rows, columns = mask.shape
    result = mask.astype(np.float32)
    for _ in range(rng.integers(0, 8)):
        size = rng.uniform(0.03, 0.2) * rows
        centre = (int(rng.uniform(0, columns)), int(rng.uniform(0, rows)))
        axes = (int(size), int(size * rng.uniform(0.3, 1)))
        cv2.ellipse(result, centre, axes, rng.uniform(0, 180), 0, 360, 0.0, -1)
    for _ in range(rng.integers(0, 6)):
        at, heading, line = rng.uniform(0, rows, 2), rng.uniform(0, 2 * np.pi), []
        for _ in range(rng.integers(8, 50)):
            heading += rng.normal(0, 0.15)
            at = at + 6 * np.array([np.cos(heading), np.sin(heading)])
            line.append(at)
        points = np.rint(np.array(line)).astype(np.int32)[:, None]
        cv2.polylines(result, [points], isClosed=False, color=1.0, thickness=int(rng.integers(2, 8)))
    ragged = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 3.0)
    return np.clip(cv2.GaussianBlur(result, (0, 0), 1.0) + 0.6 * ragged * rng.uniform(0, 2), 0.0, 1.0)


def samples_of_case(
    case: Case, others: Sequence[VesselModel], *, group: int, per_run: int, rng: np.random.Generator
) -> list[Sample]:
    """Cold and warm registrations of every recording that has labels and truth."""
    model, found = case.vessel_model(), []
    for recording in case.recordings:
        truth = case.folder / "truth" / f"{recording.path.stem}.json"
        with np.load(truth.with_name(f"{recording.path.stem}_labels.npz")) as stored:
            labels = stored[stored.files[0]]
        filled = np.isin(labels, _LABELS[case.kind])
        run, amount = open_run(recording.path), filled.sum(axis=(1, 2))
        for _ in range(per_run):
            # Mostly well filled frames, now and then any.
            shown = np.flatnonzero(amount > rng.choice([0.6, 0.6, 0.1]) * amount.max())
            frame = int(rng.choice(shown))
            geometry = run.geometry(frame)
            view = RegistrationView(
                file=recording.path.name,
                sop_instance_uid="",
                frame=frame,
                geometry=geometry,
                vessel=spoilt(filled[frame], rng),
                branch_classes=_CLASSES[case.kind],
            )
            used = others[int(rng.integers(len(others)))] if others and rng.uniform() < 0.12 else model
            found += _samples(view, used, model, truth, group, rng)
    return found


def _samples(
    view: RegistrationView, used: VesselModel, model: VesselModel, truth: Path, group: int, rng: np.random.Generator
) -> list[Sample]:
    prepared = PreparedModel.of(used, branch_classes=view.branch_classes)
    ready = prepare_view(view, edges=prepared.has_thick)
    true = true_pose(truth, view.frame, view.geometry)
    points = PreparedModel.of(model, branch_classes=view.branch_classes).points_mm

    def sample(kind: str, state: RigidState, features, sigma_mm: float) -> Sample:
        projection, exact = view.geometry.projection(state.pose(prepared)), view.geometry.projection(true)
        depth = float(np.abs((projection.project(points)[1] - exact.project(points)[1]).mean()))
        error = projection_error_mm(projection, exact, points, view.geometry) if used is model else 100.0
        return Sample(
            kind=kind,
            group=group,
            features=features.vector(),
            error_mm=error,
            depth_error_mm=depth,
            depth_sigma_mm=sigma_mm,
        )

    result = []
    wide = StartSpread(rotation_deg=8.0, in_plane_mm=20.0, depth_mm=25.0)
    start = radiological_start()
    if rng.uniform() < 0.7:
        start = start_near(drawn_start(true, prepared.pivot_mm, view.geometry, wide, rng))
    prior = start.prior(prepared, 1, 0.0)
    cold = cold_start(prepared, [ready], prior)
    if cold is not None:
        features = cold_features(cold, [ready], prior)
        result.append(sample("cold", cold.alignment.state, features, 10.0 * features.depth_sigma_cm))
    reach = rng.choice([0.5, 2.0, 6.0])
    near = StartSpread(rotation_deg=0.5 * reach, in_plane_mm=1.5 * reach, depth_mm=2.0 * reach)
    few = ready.thinned(280)
    last = RigidState.of(drawn_start(true, prepared.pivot_mm, view.geometry, near, rng), prepared)
    small = filled_system(last, prepared, [few])
    warm_prior = tracking_prior(last)
    warm = align(last, small, [few], warm_prior, scales_mm=(4.0, 2.0, 1.0), iterations=4)
    features = warm_features(agreement(warm.state, small, [few]), warm, [few], warm_prior)
    result.append(sample("warm", warm.state, features, 10.0 * features.depth_sigma_cm))
    return result


def fit_logistic(samples: Sequence[Sample]) -> dict:
    """Coefficients of one kind of registration, with thresholds for accepting and rejecting."""
    x = np.array([s.features for s in samples])
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
    ridge = 0.05 * len(x) * np.diag([1.0] * (design.shape[1] - 1) + [0.0])
    log_error = np.linalg.solve(design.T @ design + ridge, design.T @ np.log(error))
    confidence = 1 / (1 + np.exp(-design @ weights))
    wrong = confidence[right < 0.5]
    accept = max(0.85, float(np.quantile(wrong, 0.97)) if len(wrong) else 0.85)
    good = [s for s in samples if s.error_mm < _RIGHT_MM]
    depth = [s.depth_error_mm / max(s.depth_sigma_mm, 0.5) for s in good]
    return {
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "weights": weights[:-1].tolist(),
        "bias": float(weights[-1]),
        "error_weights": log_error[:-1].tolist(),
        "error_bias": float(log_error[-1]),
        "depth_factor": float(np.clip(np.quantile(depth, 0.68), 0.3, 5.0)) if depth else 1.0,
        "accept": min(accept, 0.985),
        "reject": 0.4,
    }


def confidence_of(fitted: dict, samples: Sequence[Sample]) -> Float[np.ndarray, " n"]:
    x = np.clip((np.array([s.features for s in samples]) - fitted["mean"]) / fitted["scale"], -4, 4)
    return 1 / (1 + np.exp(-(x @ fitted["weights"] + fitted["bias"])))


def scores(fitted: dict, samples: Sequence[Sample]) -> dict[str, float]:
    """Brier score, and how often wrong is accepted and right is not."""
    p = confidence_of(fitted, samples)
    right = np.array([s.error_mm < _RIGHT_MM for s in samples])
    accepted = p >= fitted["accept"]
    return {
        "brier": round(float(((p - right) ** 2).mean()), 4),
        "wrong_not_accepted": round(float((~accepted[~right]).mean()), 4) if (~right).any() else 1.0,
        "right_not_accepted": round(float((~accepted[right]).mean()), 4) if right.any() else 0.0,
        "share_right": round(float(right.mean()), 4),
    }


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-run", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("confidence.json"))
    options = parser.parse_args(arguments)
    cases = [load_case(folder) for folder in options.cases]
    models = [case.vessel_model() for case in cases]
    samples: list[Sample] = []
    for group, case in enumerate(cases):
        others = [m for m, other in zip(models, cases, strict=True) if other.kind == case.kind and other is not case]
        rng = np.random.default_rng([options.seed, group])
        samples += samples_of_case(case, others, group=group, per_run=options.per_run, rng=rng)
        print(f"[{group + 1}/{len(cases)}] {case.id}: {len(samples)} samples", file=sys.stderr, flush=True)
    content: dict = {"version": 1, "features": list(FEATURE_NAMES)}
    held_out: dict[str, float] = {}
    for kind in ("cold", "warm"):
        of_kind = [s for s in samples if s.kind == kind]
        even, odd = ([s for s in of_kind if s.group % 2 == parity] for parity in (0, 1))
        if even and odd:
            held_out |= {f"{kind}_{name}": value for name, value in scores(fit_logistic(even), odd).items()}
        content[kind] = fit_logistic(of_kind)
    content["provenance"] = {
        "source": "simulated cases with spoilt exact masks (engines.evaluation.confidence_fit)",
        "cases": ", ".join(case.id for case in cases),
        "seed": options.seed,
        "samples": len(samples),
        **held_out,
    }
    write_json(options.out, content)
    print(json.dumps(content["provenance"], indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
