"""Fit the confidence of registrations on simulated ones whose error is known.

    python -m engines.evaluation.confidence_fit CASE_DIR... [--seed 0] [--per-run 16] [--out confidence.json]

Half of the pictures are what the network segments, as it is or spoilt; half are exact masks of any phase of the bolus,
spoilt: parts missing, false curves, holes. Three models in ten are another patient's, so that right and wrong
registrations both occur, as the fit needs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize

from calibration.store import write_json
from engines.anatomy.case import Case, load_case
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.open_run import open_run
from engines.evaluation.registration_cases import case_subjects
from engines.evaluation.registration_metrics import projection_error_mm
from engines.evaluation.registration_subject import StartSpread, Subject, drawn_start, true_pose
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
_RIDGE = 0.01
_OTHER_ANATOMY_MM = 100.0  # set as the error of a registration of another patient's model
# Share of the wrong ones below the threshold of acceptance, and of the other patients' below that of rejection.
_KNOWN_WRONG = 0.95
_ACCEPT_FROM = 0.7
_REJECT_WITHIN = (0.4, 0.7)
_OTHER_SHARE = 0.3
_OWN_SHARE = 0.5  # of the pictures: the network's masks; the others are exact masks, spoilt


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
    for subject in case_subjects(case.folder):
        truth = case.folder / "truth" / f"{subject.run}.json"
        for view in _pictures(case, subject, truth, per_run, rng):
            used = others[int(rng.integers(len(others)))] if others and rng.uniform() < _OTHER_SHARE else model
            found += _samples(view, used, model, truth, group, rng)
    return found


def _pictures(
    case: Case, subject: Subject, truth: Path, count: int, rng: np.random.Generator
) -> Iterator[RegistrationView]:
    """The network's mask, as it is or spoilt, and spoilt exact masks of other frames."""
    with np.load(truth.with_name(f"{truth.stem}_labels.npz")) as stored:
        labels = stored[stored.files[0]]
    filled = np.isin(labels, _LABELS[case.kind])
    amount, own = filled.sum(axis=(1, 2)), subject.view
    recording = next(r.path for r in case.recordings if r.path.stem == subject.run)
    run = open_run(recording)
    for _ in range(count):
        if rng.uniform() < _OWN_SHARE:
            spoil = rng.uniform() < 0.5
            yield replace(own, vessel=spoilt(own.vessel > own.threshold, rng)) if spoil else own
            continue
        # Mostly well filled frames, now and then any.
        shown = np.flatnonzero(amount > rng.choice([0.6, 0.6, 0.1]) * amount.max())
        frame = int(rng.choice(shown))
        yield RegistrationView(
            file=recording.name,
            sop_instance_uid="",
            frame=frame,
            geometry=run.geometry(frame),
            vessel=spoilt(filled[frame], rng),
            branch_classes=_CLASSES[case.kind],
        )


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
        error = projection_error_mm(projection, exact, points, view.geometry) if used is model else _OTHER_ANATOMY_MM
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
    """Coefficients of one kind of registration."""
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
    near = right > 0.5
    ridge = 0.05 * near.sum() * np.diag([1.0] * (design.shape[1] - 1) + [0.0])
    log_error = np.linalg.solve(design[near].T @ design[near] + ridge, design[near].T @ np.log(error[near]))
    # The regression of a logarithm gives a middle value; what is stated is the mean.
    log_error[-1] += np.log(error[near].mean() / np.exp(design[near] @ log_error).mean())
    lost = error[(right < 0.5) & (error < _OTHER_ANATOMY_MM)]
    good = [s for s in samples if s.error_mm < _RIGHT_MM]
    depth = [s.depth_error_mm / max(s.depth_sigma_mm, 0.5) for s in good]
    return {
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
    x = np.clip((np.array([s.features for s in samples]) - fitted["mean"]) / fitted["scale"], -4, 4)
    return 1 / (1 + np.exp(-(x @ fitted["weights"] + fitted["bias"])))


def held_out_confidence(samples: Sequence[Sample]) -> Float[np.ndarray, " n"]:
    """Of each sample, by a fit that saw nothing of its case."""
    groups = np.array([s.group for s in samples])
    confidence = np.empty(len(samples))
    for group in np.unique(groups):
        fitted = fit_logistic([s for s in samples if s.group != group])
        confidence[groups == group] = confidence_of(fitted, [s for s in samples if s.group == group])
    return confidence


def thresholds(samples: Sequence[Sample], confidence: Float[np.ndarray, " n"]) -> dict[str, float]:
    """From where on to accept, and below which to reject."""
    error = np.array([s.error_mm for s in samples])
    wrong, other = confidence[error >= _RIGHT_MM], confidence[error >= _OTHER_ANATOMY_MM]
    accept = max(_ACCEPT_FROM, float(np.quantile(wrong, _KNOWN_WRONG)) if len(wrong) else _ACCEPT_FROM)
    low, high = _REJECT_WITHIN
    reject = float(np.clip(np.quantile(other, _KNOWN_WRONG), low, high)) if len(other) else low
    return {"accept": min(accept, 0.985), "reject": reject}


def scores(samples: Sequence[Sample], confidence: Float[np.ndarray, " n"], accept: float) -> dict[str, float]:
    """Brier score, and how often wrong is accepted and right is not."""
    right = np.array([s.error_mm < _RIGHT_MM for s in samples])
    accepted = confidence >= accept
    return {
        "brier": round(float(((confidence - right) ** 2).mean()), 4),
        "wrong_not_accepted": round(float((~accepted[~right]).mean()), 4) if (~right).any() else 1.0,
        "right_not_accepted": round(float((~accepted[right]).mean()), 4) if right.any() else 0.0,
        "share_right": round(float(right.mean()), 4),
    }


def confidence_model(samples: Sequence[Sample], cases: Sequence[str], seed: int) -> dict:
    """The content of confidence.json; thresholds and figures come from fits that left out the case they judge."""
    content: dict = {"version": 1, "features": list(FEATURE_NAMES)}
    held_out: dict[str, float] = {}
    for kind in ("cold", "warm"):
        of_kind = [s for s in samples if s.kind == kind]
        confidence = held_out_confidence(of_kind)
        limits = thresholds(of_kind, confidence)
        found = scores(of_kind, confidence, limits["accept"])
        held_out |= {f"{kind}_{name}": value for name, value in found.items()}
        content[kind] = fit_logistic(of_kind) | limits
    content["provenance"] = {
        "source": "simulated cases, the network's masks and spoilt exact ones (engines.evaluation.confidence_fit)",
        "cases": ", ".join(cases),
        "seed": seed,
        "samples": len(samples),
        **held_out,
    }
    return content


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
    content = confidence_model(samples, [case.id for case in cases], options.seed)
    write_json(options.out, content)
    print(json.dumps(content["provenance"], indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
