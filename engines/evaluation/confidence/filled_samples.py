"""Simulated registrations judged by rendering, for fitting their confidence: one line of JSON each.

    python -m engines.evaluation.confidence.filled_samples CASE_DIR... --made DIR --out samples.jsonl
        [--seed 0] [--per-run 16] [--only CASE_ID...]

Pictures are the run's fullest moment, others of it, also while it fills and washes out, and, of a head, its MinIP; as
they are or spoilt. Models are the patient's own or another's, of every form that people have (`MODEL_FORMS`). Starts
are the header, drawn nearby, or drawn far away. Another's model is searched for; the own is also fitted from near the
truth, and from far off, where it has to end in a wrong place (`forced`). Of thick vessels each pose is followed by a
second line: a step of tracking from a little beside it, in the same picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engines.anatomy.vessel_model import VesselModel
from engines.angiography.files.open_run import open_run
from engines.evaluation.confidence.confidence_samples import OTHER_ANATOMY_MM, Patient, read_patient
from engines.evaluation.confidence.model_defects import DEFECTS, centerlines_only, spoilt_contrast, surface_only
from engines.evaluation.registration.metrics import projection_error_mm
from engines.evaluation.registration.protocols import PROTOCOLS, drawn_pose
from engines.evaluation.registration.subject import StartSpread, true_pose, turned_and_moved
from engines.registration.alignment.levenberg_marquardt import SCALES, PosePrior, moved
from engines.registration.confidence import judged_as_thick
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_features import FilledFeatures, edge_share, filled_features
from engines.registration.filling.filled_stage import filled_start, is_solid
from engines.registration.filling.filled_step import FilledTracker, prior_of_step
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.run_view import other_views_of_run, view_of_run
from engines.registration.view import RegistrationView
from engines.segmentation.segmenter import load_segmenter, model_for_kind

_OWN_SHARE, _DEFECT_SHARE, _SPOILT_SHARE = 0.6, 0.6, 0.6
# Labels as simulated, also with a defect; extracted from the CTA; without labels, as tubes or as a filled surface.
MODEL_FORMS = {"labels": 0.4, "extracted": 0.3, "centerlines": 0.15, "surface": 0.15}
# How the own model is found: as a registration does, or fitted from near the truth, or from far off.
_HOW = {"search": 0.4, "near": 0.35, "off": 0.25}
_NEAR = StartSpread(rotation_deg=2.0, in_plane_mm=3.0, depth_mm=8.0)
_OFF, _OFF_STARTS = StartSpread(rotation_deg=14.0, in_plane_mm=35.0, depth_mm=30.0), 4
_STEP_RAD, _STEP_MM = 0.018, 1.5  # from the found pose to where tracking goes on; standard deviations
_OTHERS = 2  # moments of a run besides its fullest, of those that tell most, and of those around it
_AROUND = 5  # frames
_STARTS: dict[str, StartSpread | None] = {
    "header": None,
    "near": PROTOCOLS["messy"],
    "normal": StartSpread(),
    "wide": StartSpread(rotation_deg=12.0, in_plane_mm=30.0, depth_mm=40.0),
}


def records_of(
    patient: Patient, others: Sequence[Patient], *, per_run: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Registrations of every recording that has a truth; empty where its contrast is not told from what was there."""
    case = patient.case
    segmenter = load_segmenter(model_for_kind(case.kind, case.field_of_view))
    for recording in case.recordings:
        truth = case.folder / "truth" / f"{recording.path.stem}.json"
        if not truth.is_file():
            continue
        first = view_of_run(recording.path, segmenter, case_kind=case.kind)
        rest = other_views_of_run(recording.path, segmenter, case_kind=case.kind, than=first.frame)
        last = open_run(recording.path).frame_count - 1
        around = np.clip(first.frame + rng.integers(-_AROUND, _AROUND + 1, _OTHERS), 0, last)
        beside = [
            view_of_run(recording.path, segmenter, frame=int(frame), case_kind=case.kind) for frame in np.unique(around)
        ]
        views = [first, first, *list(rest)[:_OTHERS], *beside]
        if case.kind == "evt":
            views.append(view_of_run(recording.path, segmenter, frame="minip", case_kind=case.kind))
        views = [view for view in views if view.contrast is not None]
        for _ in range(per_run if views else 0):
            view = views[int(rng.integers(len(views)))]
            own = rng.uniform() < _OWN_SHARE or not others
            whose = patient if own else others[int(rng.integers(len(others)))]
            form, used = _of_some_form(whose, rng)
            spoilt = rng.uniform() < _SPOILT_SHARE
            seen = spoilt_contrast(view, rng) if spoilt else view
            how = str(rng.choice(list(_HOW), p=list(_HOW.values()))) if own else "search"
            about = {"case": case.id, "run": recording.path.stem, "frame": seen.frame}
            about |= {"model": "own" if own else "other", "defect": form, "spoilt": spoilt, "how": how}
            for record in _registration(seen, used, patient.model, truth, own=own, how=how, rng=rng):
                yield about | record


def _of_some_form(whose: Patient, rng: np.random.Generator) -> tuple[str, VesselModel]:
    """A model and what it is: "" for labels without a defect."""
    form = str(rng.choice(list(MODEL_FORMS), p=list(MODEL_FORMS.values())))
    if form == "extracted" and whose.made is not None:
        return form, whose.made
    if form == "centerlines":
        return form, centerlines_only(whose.model, rng)
    if form == "surface":
        return form, surface_only(whose.model, rng)
    if rng.uniform() > _DEFECT_SHARE:
        return "", whose.model
    defect = str(rng.choice(list(DEFECTS)))
    return defect, DEFECTS[defect](whose.model, rng)


def _registration(
    view: RegistrationView,
    used: VesselModel,
    model: VesselModel,
    truth: Path,
    *,
    own: bool,
    how: str,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """The registration, and a step of tracking after it."""
    prepared = PreparedModel.of(used, branch_classes=view.branch_classes)
    ready = prepare_view(view, edges=prepared.has_thick)
    true = true_pose(truth, view.frame, view.geometry)
    near = true
    if not own:
        there = true.apply(model.centroid_mm()[None])[0] - true.apply(used.centroid_mm()[None])[0]
        near = turned_and_moved(true, used.centroid_mm(), np.eye(3), there)

    def begun(spread: StartSpread) -> PosePrior:
        return start_near(drawn_pose(near, used, view.geometry, spread, rng)).prior(prepared, 1, 0.0)

    start = str(rng.choice(list(_STARTS)))
    spread = _STARTS[start]
    prior = radiological_start().prior(prepared, 1, 0.0) if spread is None else begun(spread)
    also: list[RigidState] = []
    if how != "search":
        also = [begun(_NEAR).state] if how == "near" else [begun(_OFF).state for _ in range(_OFF_STARTS)]
    found = filled_start(prepared, [view], [ready], prior, also=also, searched=how == "search")
    if found is None:
        return
    assert model.centerlines is not None
    points = model.centerlines.points_mm()
    exact = view.geometry.projection(true)

    def record(kind: str, state: RigidState, features: FilledFeatures) -> dict[str, Any]:
        projection = view.geometry.projection(state.pose(prepared))
        error_mm = projection_error_mm(projection, exact, points, view.geometry)
        depth = projection.project(points)[1] - exact.project(points)[1]
        return {
            "kind": kind,
            "start": start,
            "forced": how == "off",
            "error_mm": error_mm if own and np.isfinite(error_mm) else OTHER_ANATOMY_MM,
            "depth_error_mm": float(np.abs(depth).mean()),
            "features": features.values(),
        }

    yield record("filled", found.fit.state, filled_features(found, [ready], prior))
    tracker = FilledTracker.of(prepared)
    if tracker is None or not judged_as_thick(edge_share([ready]), solid=is_solid(prepared)):
        return
    nudge = np.array([*rng.normal(0.0, _STEP_RAD, 3), *rng.normal(0.0, _STEP_MM, 2), 0.0]) / SCALES
    beside = moved(found.fit.state, nudge, [ready])
    step = tracker.step(view, ready, beside, prior_of_step(beside))
    if step is not None:
        yield record("tracked", step.state, step.features)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-run", type=int, default=16)
    parser.add_argument("--made", type=Path, required=True, help="folder for the cases made from the CTAs, once each")
    parser.add_argument("--only", nargs="*", default=[], help="ids of cases; the others only lend their models")
    parser.add_argument("--out", type=Path, default=Path("samples.jsonl"))
    options = parser.parse_args(arguments)
    patients = [read_patient(folder, options.made, make=True) for folder in options.cases]
    with options.out.open("w", encoding="utf-8") as out:
        for number, patient in enumerate(patients):
            if options.only and patient.case.id not in options.only:
                continue
            others = [p for p in patients if p.case.kind == patient.case.kind and p is not patient]
            rng = np.random.default_rng([options.seed, number])
            for record in records_of(patient, others, per_run=options.per_run, rng=rng):
                out.write(json.dumps(record) + "\n")
                out.flush()
            print(f"[{number + 1}/{len(patients)}] {patient.case.id}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
