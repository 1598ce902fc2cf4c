"""Subjects of `evaluate registration`: case folders with exact truth, and the real coronary phantom."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.projection import camera_from_projection_matrix
from engines.anatomy.cases.case import load_case
from engines.anatomy.files.centerline_file import load_centerlines
from engines.anatomy.placement import moved_centerlines, read_placement
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.dsa import minip
from engines.angiography.files.open_run import open_run
from engines.evaluation.registration.subject import Subject, true_pose, turned_and_moved
from engines.evaluation.registration.trial_tasks import Source
from engines.registration.run_view import view_of_run
from engines.segmentation.run_memory import subtracted_for
from engines.segmentation.segmenter import load_segmenter, model_for_kind

_SAME_PLACE_MM = 0.5  # tolerance for two runs of a beating heart, which are aligned to the heart


def case_subjects(
    folder: Path | str, *, backend: str = "auto", biplane: bool = False, runs: int | None = None
) -> list[Subject]:
    """Every recording of a case that has a truth file `truth/<recording>.json`.

    Args:
        runs: largest number of recordings; None for all.
        biplane: take the first two such recordings that show the same vessels as one pair instead.

    Raises:
        InputError: the folder is no case, no recording has a truth file, or no two can be registered jointly.
    """
    case = load_case(folder)
    model = case.vessel_model()
    segmenter = load_segmenter(model_for_kind(case.kind, case.field_of_view), backend=backend)
    subjects = []
    for recording in case.recordings:
        truth = case.folder / "truth" / f"{recording.path.stem}.json"
        if not truth.is_file() or len(subjects) == runs:
            continue
        view = view_of_run(recording.path, segmenter, case_kind=case.kind)
        view = replace(view, image=_minip(recording.path, case.kind))
        pose = true_pose(truth, view.frame, view.geometry)
        subjects.append(
            Subject(case=case.id, run=recording.path.stem, view=view, model=model, true_isocentre_from_lps=pose)
        )
    if not subjects:
        raise InputError(f"{case.folder}: no recording with a truth file truth/<recording>.json; use a simulated case")
    return [_pair(subjects, str(case.folder))] if biplane else subjects


def _minip(path: Path, case_kind: str) -> np.ndarray | None:
    """The run's subtracted MinIP for intensity stages; None for a heart, which moves too much to be subtracted."""
    run = open_run(path)
    shown = subtracted_for(run, case_kind)
    return None if shown is run and run.kind != "dsa" else minip(shown).pixels


def _pair(subjects: list[Subject], folder: str) -> Subject:
    if len(subjects) < 2:
        raise InputError(f"{folder}: has one recording with truth; --biplane needs two at different angles")
    first, second = subjects[:2]
    apart_mm = float(
        np.linalg.norm(
            first.true_isocentre_from_lps.apply(first.vessel_points_mm())
            - second.true_isocentre_from_lps.apply(first.vessel_points_mm()),
            axis=1,
        ).mean()
    )
    if apart_mm > _SAME_PLACE_MM:
        raise InputError(
            f"{folder}: the patient moved by {apart_mm:.1f} mm between {first.run} and {second.run}; "
            "a pair needs one true pose: leave out --biplane"
        )
    return _joined(first, second)


def _joined(first: Subject, second: Subject) -> Subject:
    return replace(
        first,
        run=f"{first.run}+{second.run}",
        second=second.view,
        second_isocentre_from_lps=second.true_isocentre_from_lps,
    )


def phantom_subjects(folder: Path, *, backend: str = "auto", biplane: bool = False) -> list[Subject]:
    """The views of `placement.json`; its poses were fitted to the pictures, so they are a reference, not the truth.

    Args:
        biplane: take every two views as a pair instead. The table moved in between, so each view has its own pose.

    Raises:
        InputError: the folder is not the phantom's.
    """
    try:
        placement = json.loads((folder / "placement.json").read_text(encoding="utf-8"))
        projections = {name: np.array(view["projection_px_from_lps_mm"]) for name, view in placement["views"].items()}
        centerlines = folder / str(placement["model"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: no phantom folder, placement.json cannot be used ({error!r})") from error
    lps_from_model = read_placement(folder / "placement.json")
    model = VesselModel(centerlines=moved_centerlines(load_centerlines(centerlines), lps_from_model))
    segmenter = load_segmenter("coronary", backend=backend)
    subjects = []
    for name, matrix in projections.items():
        view = view_of_run(folder / f"{name}.dcm", segmenter, case_kind="coronary")
        subjects.append(
            Subject(
                case="phantom",
                run=name,
                view=view,
                model=model,
                true_isocentre_from_lps=_pose(matrix, view.geometry),
                reference="placement",
            )
        )
    return [_joined(*pair) for pair in itertools.combinations(subjects, 2)] if biplane else subjects


def wrong_model_subjects(folder: Path | str, other: Path | str, *, backend: str = "auto") -> list[Subject]:
    """The recordings of a case with another case's model, placed where the own model lies."""
    stranger = load_case(other)
    model = stranger.vessel_model()
    found = []
    for subject in case_subjects(folder, backend=backend):
        own, true = subject.model.centroid_mm(), subject.true_isocentre_from_lps
        # Same orientation, with its centre at the own model's centre.
        there = true.apply(own[None])[0] - true.apply(model.centroid_mm()[None])[0]
        pose = turned_and_moved(true, model.centroid_mm(), np.eye(3), there)
        found.append(replace(subject, model=model, model_of=stranger.id, true_isocentre_from_lps=pose))
    return found


def sources(
    cases: list[str],
    phantoms: list[Path],
    *,
    backend: str = "auto",
    biplane: bool = False,
    runs: int | None = None,
) -> list[Source]:
    """The name and loader of each folder, for `evaluate`."""
    of_case = partial(case_subjects, backend=backend, biplane=biplane, runs=runs)
    of_phantom = partial(phantom_subjects, backend=backend, biplane=biplane)
    return [
        *((Path(case).name, partial(of_case, case)) for case in cases),
        *((phantom.name, partial(of_phantom, phantom)) for phantom in phantoms),
    ]


def wrong_anatomy_sources(cases: list[str], *, backend: str = "auto") -> list[Source]:
    """Each case with the model of the next case of its kind; the last case gets the first one's.

    Raises:
        InputError: a case cannot be read, or it is the only one of its kind.
    """
    kinds: dict[str, list[str]] = {}
    for case in cases:
        kinds.setdefault(load_case(case).kind, []).append(case)
    found: list[Source] = []
    for kind, same in kinds.items():
        if len(same) < 2:
            raise InputError(f"--wrong-anatomy: {same[0]} is the only {kind} case; give another patient of that kind")
        for case, other in zip(same, [*same[1:], same[0]], strict=True):
            name = f"{Path(case).name} with the model of {Path(other).name}"
            found.append((name, partial(wrong_model_subjects, case, other, backend=backend)))
    return found


def _pose(matrix: np.ndarray, geometry: CArmGeometry) -> RigidPose:
    return geometry.camera_from_isocentre().inverse() @ camera_from_projection_matrix(matrix, geometry.intrinsics_px())
