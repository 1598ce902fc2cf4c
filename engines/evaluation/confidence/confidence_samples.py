"""Make simulated registrations with known error for fitting the confidence; each is one line of JSON.

    python -m engines.evaluation.confidence.confidence_samples CASE_DIR... --made DIR --out samples.jsonl
        [--seed 0] [--per-run 12]

Half of the pictures are the network's segmentations of several moments of a run. The others are such segmentations or
exact masks, degraded by missing parts, false curves and holes. Models are the patient's own, as simulated or as
extracted from the CTA, or another patient's. Starts are the header's, drawn nearby, or drawn far away.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.pose import RigidPose
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.files.open_run import open_run
from engines.evaluation.registration.metrics import projection_error_mm
from engines.evaluation.registration.protocols import PROTOCOLS, drawn_pose
from engines.evaluation.registration.subject import StartSpread, drawn_start, true_pose, turned_and_moved
from engines.registration.alignment.agreement import agreement
from engines.registration.alignment.cold_start import cold_start
from engines.registration.alignment.levenberg_marquardt import align
from engines.registration.confidence import ConfidenceFeatures
from engines.registration.engine import cold_features
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.networks.network_proposal import network_proposer
from engines.registration.run_view import other_views_of_run, view_of_run
from engines.registration.tracking.filled_tree import filled_tree
from engines.registration.tracking.track import tracking_prior, warm_features
from engines.registration.view import RegistrationView
from engines.segmentation.segmenter import Segmenter, load_segmenter, model_for_kind
from engines.simulation.training_patients.spoilt_masks import spoilt_segmentation

OTHER_ANATOMY_MM = 100.0  # error that is stated for a registration with another patient's model
_LABELS = {"evt": (1,), "tavi": (3, 4), "coronary": (1,)}
_CLASSES = {"evt": ("artery", "aorta"), "tavi": ("aorta", "artery"), "coronary": ()}
_MADE_KINDS = ("evt", "tavi")  # kinds whose vessels are extracted well enough for registration
MODEL_SHARES = {"own": 0.4, "own made": 0.25, "other": 0.22, "other made": 0.13}
_PICTURES = {"network": 0.5, "network, spoilt": 0.2, "exact, spoilt": 0.3}
_STARTS: dict[str, StartSpread | None] = {
    "header": None,
    "near": PROTOCOLS["messy"],
    "normal": StartSpread(),
    "far": PROTOCOLS["paper001"],
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """A case with its models by origin: as simulated, and extracted from the CTA where possible."""

    case: Case
    model: VesselModel
    made: VesselModel | None


def read_patient(folder: Path, made: Path, *, make: bool) -> Patient:
    """Read a case and, if `make`, the model from its CTA, which is made once."""
    case = load_case(folder)
    if case.kind not in _MADE_KINDS or not make:
        return Patient(case=case, model=case.vessel_model(), made=None)
    target = made / case.id
    extracted = load_case(target) if target.exists() else create_case(target, case.kind, cta=folder / "cta.nii.gz",
                                                                      case_id=case.id)  # fmt: skip
    return Patient(case=case, model=case.vessel_model(), made=extracted.vessel_model())


def records_of_patient(
    patient: Patient, others: Sequence[Patient], *, per_run: int, shares: dict[str, float], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Cold and warm registrations of every recording that has labels and truth."""
    case = patient.case
    segmenter = load_segmenter(model_for_kind(case.kind, case.field_of_view))
    for recording in case.recordings:
        truth = case.folder / "truth" / f"{recording.path.stem}.json"
        if not truth.is_file():
            continue
        views = _network_views(recording.path, segmenter, case.kind)
        exact = _exact_views(recording.path, truth, case.kind, rng)
        for _ in range(per_run):
            picture = str(rng.choice(list(_PICTURES), p=list(_PICTURES.values())))
            view = next(exact) if picture == "exact, spoilt" else views[int(rng.choice(len(views)))]
            if picture == "network, spoilt":
                view = replace(view, vessel=spoilt_segmentation(view.vessel > view.threshold, rng))
            origin, used = _drawn_model(patient, others, shares, rng)
            about = {"case": case.id, "run": recording.path.stem, "picture": picture, "model": origin}
            for record in _registrations(view, used, patient.model, origin, truth, rng):
                yield about | record


def _drawn_model(
    patient: Patient, others: Sequence[Patient], shares: dict[str, float], rng: np.random.Generator
) -> tuple[str, VesselModel]:
    weight = np.array(list(shares.values()))
    origin = str(rng.choice(list(shares), p=weight / weight.sum()))
    whose = patient if origin.startswith("own") else others[int(rng.integers(len(others)))]
    if not origin.endswith("made") or whose.made is None:
        return origin.split()[0], whose.model
    return origin, whose.made


def _network_views(path: Path, segmenter: Segmenter, kind: str) -> list[RegistrationView]:
    """Views of the fullest moment, counted twice as it is used most, and of other moments that `register` would try."""
    first = view_of_run(path, segmenter, case_kind=kind)
    others = list(other_views_of_run(path, segmenter, case_kind=kind, than=first.frame))
    return [first, first, *others[:2]]


def _exact_views(path: Path, truth: Path, kind: str, rng: np.random.Generator) -> Iterator[RegistrationView]:
    with np.load(truth.with_name(f"{truth.stem}_labels.npz")) as stored:
        labels = stored[stored.files[0]]
    filled, run = np.isin(labels, _LABELS[kind]), open_run(path)
    amount = filled.sum(axis=(1, 2))
    while True:
        # Mostly well-filled frames, sometimes any frame.
        shown = np.flatnonzero(amount > rng.choice([0.6, 0.6, 0.1]) * amount.max())
        frame = int(rng.choice(shown))
        yield RegistrationView(
            file=path.name,
            sop_instance_uid="",
            frame=frame,
            geometry=run.geometry(frame),
            vessel=spoilt_segmentation(filled[frame], rng),
            branch_classes=_CLASSES[kind],
        )


def _registrations(
    view: RegistrationView, used: VesselModel, model: VesselModel, origin: str, truth: Path, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    prepared = PreparedModel.of(used, branch_classes=view.branch_classes)
    ready = prepare_view(view, edges=prepared.has_thick)
    true = true_pose(truth, view.frame, view.geometry)
    near = true if origin.startswith("own") else _in_its_place(true, model, used)
    assert model.centerlines is not None
    points = model.centerlines.points_mm()

    def record(kind: str, start: str, state: RigidState, features: ConfidenceFeatures) -> dict[str, Any]:
        projection, exact = view.geometry.projection(state.pose(prepared)), view.geometry.projection(true)
        error_mm = projection_error_mm(projection, exact, points, view.geometry)
        depth = projection.project(points)[1] - exact.project(points)[1]
        return {
            "kind": kind,
            "start": start,
            "error_mm": error_mm if origin.startswith("own") and np.isfinite(error_mm) else OTHER_ANATOMY_MM,
            "depth_error_mm": float(np.abs(depth).mean()),
            "features": features.values(),
        }

    start = str(rng.choice(list(_STARTS)))
    spread, init = _STARTS[start], radiological_start()
    if spread is not None:
        init = start_near(drawn_pose(near, used, view.geometry, spread, rng))
    prior = init.prior(prepared, 1, 0.0)
    cold = cold_start(prepared, [ready], prior, propose=network_proposer([view], prepared))
    if cold is not None:
        yield record("cold", start, cold.alignment.state, cold_features(cold, [ready], prior))
    reach = rng.choice([0.5, 2.0, 6.0])
    little = StartSpread(rotation_deg=0.5 * reach, in_plane_mm=1.5 * reach, depth_mm=2.0 * reach)
    few = ready.thinned(280)
    last = RigidState.of(drawn_start(near, prepared.pivot_mm, view.geometry, little, rng), prepared)
    small = filled_tree(last, prepared, [few])
    warm_prior = tracking_prior(last)
    warm = align(last, small, [few], warm_prior, scales_mm=(4.0, 2.0, 1.0), iterations=4)
    features = warm_features(agreement(warm.state, small, [few]), warm, [few], warm_prior)
    yield record("warm", f"{reach:g} sigma", warm.state, features)


def _in_its_place(true: RigidPose, model: VesselModel, used: VesselModel) -> RigidPose:
    """The pose that places another patient's model like the own one: same orientation, same centre."""
    own, middle = model.centroid_mm(), used.centroid_mm()
    there = true.apply(own[None])[0] - true.apply(middle[None])[0]
    return turned_and_moved(true, middle, np.eye(3), there)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", type=Path)
    parser.add_argument("--made", type=Path, required=True, help="folder for the models made from the CTAs")
    parser.add_argument("--make", type=int, default=4, help="so many cases of a kind get a model from their CTA")
    parser.add_argument("--models", nargs="+", choices=list(MODEL_SHARES), default=list(MODEL_SHARES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-run", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("samples.jsonl"))
    options = parser.parse_args(arguments)
    options.made.mkdir(parents=True, exist_ok=True)
    shares = {name: MODEL_SHARES[name] for name in options.models}
    patients: list[Patient] = []
    for folder in options.cases:
        kind = load_case(folder).kind
        like = sum(p.case.kind == kind for p in patients)
        patients.append(read_patient(folder, options.made, make=like < options.make))
    with options.out.open("w", encoding="utf-8") as out:
        for number, patient in enumerate(patients):
            others = [p for p in patients if p.case.kind == patient.case.kind and p is not patient]
            rng = np.random.default_rng([options.seed, number])
            for record in records_of_patient(patient, others, per_run=options.per_run, shares=shares, rng=rng):
                out.write(json.dumps(record) + "\n")
            out.flush()
            print(f"[{number + 1}/{len(patients)}] {patient.case.id}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
