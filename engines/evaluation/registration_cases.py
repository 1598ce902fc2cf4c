"""Subjects of `evaluate registration`: case folders with exact truth, and the real coronary phantom."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.projection import camera_from_projection_matrix
from engines.anatomy.case import load_case
from engines.anatomy.centerline_file import load_centerlines
from engines.anatomy.vessel_model import Branch, CenterlineTree, VesselModel
from engines.evaluation.registration import Subject, true_pose
from engines.registration.run_view import view_of_run
from engines.segmentation.segmenter import load_segmenter, model_for_kind


def case_subjects(folder: Path | str, *, backend: str = "auto") -> list[Subject]:
    """Every recording of a case whose truth lies in `truth/<recording>.json`.

    Raises:
        InputError: no case, or none of its recordings has a truth file.
    """
    case = load_case(folder)
    model = case.vessel_model()
    segmenter = load_segmenter(model_for_kind(case.kind), backend=backend)
    subjects = []
    for recording in case.recordings:
        truth = case.folder / "truth" / f"{recording.path.stem}.json"
        if not truth.is_file():
            continue
        view = view_of_run(recording.path, segmenter, case_kind=case.kind)
        pose = true_pose(truth, view.frame, view.geometry)
        subjects.append(
            Subject(case=case.id, run=recording.path.stem, view=view, model=model, true_isocentre_from_lps=pose)
        )
    if not subjects:
        raise InputError(f"{case.folder}: no recording with a truth file truth/<recording>.json; use a simulated case")
    return subjects


def phantom_subjects(folder: Path, *, backend: str = "auto") -> list[Subject]:
    """The views of `placement.json`; its poses were fitted to the pictures and are a reference, not a truth.

    Raises:
        InputError: the folder is not that of the phantom.
    """
    try:
        placement = json.loads((folder / "placement.json").read_text(encoding="utf-8"))
        model_to_lps = np.array(placement["model_to_lps"], dtype=np.float64)
        projections = {name: np.array(view["projection_px_from_lps_mm"]) for name, view in placement["views"].items()}
        centerlines = folder / str(placement["model"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: no phantom folder, placement.json cannot be used ({error!r})") from error
    model = VesselModel(centerlines=_moved(load_centerlines(centerlines), model_to_lps))
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
    return subjects


def sources(
    cases: list[str], phantoms: list[Path], *, backend: str = "auto"
) -> list[tuple[str, Callable[[], list[Subject]]]]:
    """Name and loader of each folder, for `evaluate`."""
    loaders: list[tuple[str, Callable[[], list[Subject]]]] = []
    for case in cases:
        loaders.append((Path(case).name, lambda case=case: case_subjects(case, backend=backend)))
    for phantom in phantoms:
        loaders.append((phantom.name, lambda phantom=phantom: phantom_subjects(phantom, backend=backend)))
    return loaders


def _pose(matrix: np.ndarray, geometry: CArmGeometry) -> RigidPose:
    return geometry.camera_from_isocentre().inverse() @ camera_from_projection_matrix(matrix, geometry.intrinsics_px())


def _moved(tree: CenterlineTree, target_from_source: np.ndarray) -> CenterlineTree:
    rotation, move = target_from_source[:3, :3], target_from_source[:3, 3]
    return CenterlineTree(
        branches=tuple(
            Branch(
                points_mm=branch.points_mm @ rotation.T + move,
                radius_mm=branch.radius_mm,
                name=branch.name,
                vessel_class=branch.vessel_class,
                parent=branch.parent,
            )
            for branch in tree.branches
        )
    )
