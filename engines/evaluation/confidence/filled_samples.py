"""Simulated registrations judged by rendering, for fitting their confidence: one line of JSON each.

    python -m engines.evaluation.confidence.filled_samples CASE_DIR... --made DIR --out samples.jsonl
        [--seed 0] [--per-run 16] [--only CASE_ID...]

Pictures are the run's fullest moment, others of it and, of a head, its MinIP; as they are or spoilt. Models are the
patient's own or another's, of every form that people have (`MODEL_FORMS`). Starts are the header, drawn nearby, or
drawn far away.
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
from engines.evaluation.confidence.confidence_samples import OTHER_ANATOMY_MM, Patient, read_patient
from engines.evaluation.confidence.model_defects import DEFECTS, centerlines_only, spoilt_contrast, surface_only
from engines.evaluation.registration.metrics import projection_error_mm
from engines.evaluation.registration.protocols import PROTOCOLS, drawn_pose
from engines.evaluation.registration.subject import StartSpread, true_pose, turned_and_moved
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.filling.filled_features import filled_features
from engines.registration.filling.filled_stage import filled_start
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.run_view import other_views_of_run, view_of_run
from engines.registration.view import RegistrationView
from engines.segmentation.segmenter import load_segmenter, model_for_kind

_OWN_SHARE, _DEFECT_SHARE, _SPOILT_SHARE = 0.6, 0.6, 0.6
# Labels as simulated, also with a defect; extracted from the CTA; without labels, as tubes or as a filled surface.
MODEL_FORMS = {"labels": 0.4, "extracted": 0.3, "centerlines": 0.15, "surface": 0.15}
_OTHERS = 2  # moments of a run besides its fullest
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
        views = [first, first, *list(rest)[:_OTHERS]]
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
            record = _registration(seen, used, patient.model, truth, own=own, rng=rng)
            about = {"case": case.id, "run": recording.path.stem, "model": "own" if own else "other"}
            about |= {"defect": form, "spoilt": spoilt}
            if record:
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
    view: RegistrationView, used: VesselModel, model: VesselModel, truth: Path, *, own: bool, rng: np.random.Generator
) -> dict[str, Any]:
    prepared = PreparedModel.of(used, branch_classes=view.branch_classes)
    ready = prepare_view(view, edges=prepared.has_thick)
    true = true_pose(truth, view.frame, view.geometry)
    near = true
    if not own:
        there = true.apply(model.centroid_mm()[None])[0] - true.apply(used.centroid_mm()[None])[0]
        near = turned_and_moved(true, used.centroid_mm(), np.eye(3), there)
    start = str(rng.choice(list(_STARTS)))
    spread, init = _STARTS[start], radiological_start()
    if spread is not None:
        init = start_near(drawn_pose(near, used, view.geometry, spread, rng))
    prior = init.prior(prepared, 1, 0.0)
    found = filled_start(prepared, [view], [ready], prior)
    if found is None:
        return {}
    assert model.centerlines is not None
    points = model.centerlines.points_mm()
    projection = view.geometry.projection(found.fit.state.pose(prepared))
    exact = view.geometry.projection(true)
    error_mm = projection_error_mm(projection, exact, points, view.geometry)
    depth = projection.project(points)[1] - exact.project(points)[1]
    return {
        "kind": "filled",
        "start": start,
        "error_mm": error_mm if own and np.isfinite(error_mm) else OTHER_ANATOMY_MM,
        "depth_error_mm": float(np.abs(depth).mean()),
        "features": filled_features(found, [ready], prior).values(),
    }


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
