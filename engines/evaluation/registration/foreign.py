"""Runs that another generator made: a folder of patients with named masks and of runs with exact truth and starts.

    PATIENT/masks/NAME.nii.gz          one structure a file
    PATIENT/scored_points_lps_mm.csv   points on which errors are measured
    RUN/xa.dcm  RUN/truth.json         `patient`, `frame_argument`, `scored_frame`,
                                       `frames[i].projection_px_from_lps_mm`
    RUN/starts/NN.json                 POSE.json files to start from

A patient's name begins with the kind of its case: evt0, tavi1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.projection import camera_from_projection_matrix
from engines.anatomy.cases.case import CaseKind
from engines.evaluation.registration.foreign_model import ModelSource, foreign_model
from engines.evaluation.registration.subject import DrawnStart, Subject, turned_and_moved
from engines.evaluation.registration.trial_tasks import Source
from engines.registration.initial_pose import InitialPose, radiological_start, start_from_file, start_near
from engines.registration.run_view import view_of_run
from engines.segmentation.segmenter import load_segmenter, model_for_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRun:
    """A run of the folder, as its `truth.json` names it."""

    folder: Path
    patient: str
    frame: int | Literal["minip"]
    scored_frame: int


def kind_of_patient(name: str) -> CaseKind:
    """Raises InputError where the name begins with no kind of case."""
    for kind in get_args(CaseKind):
        if name.startswith(kind):
            return kind
    raise InputError(f"patient {name}: expected a name that begins with {', '.join(get_args(CaseKind))}; rename it")


def foreign_runs(folder: Path) -> list[ForeignRun]:
    """The runs of a folder, by name.

    Raises:
        InputError: none there, or a truth file that cannot be used.
    """
    found = []
    for truth in sorted(folder.glob("*/truth.json")):
        try:
            told = json.loads(truth.read_text(encoding="utf-8"))
            frame = "minip" if told["frame_argument"] == "minip" else int(told["frame_argument"])
            run = ForeignRun(
                folder=truth.parent, patient=told["patient"], frame=frame, scored_frame=int(told["scored_frame"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{truth}: cannot be used ({error!r}); patient, frame_argument, scored_frame?") from error
        found.append(run)
    if not found:
        raise InputError(f"{folder}: holds no RUN/truth.json; choose a folder of runs with truth")
    return found


def foreign_sources(
    folder: Path,
    *,
    backend: str = "auto",
    wrong_anatomy: bool = False,
    made_from: ModelSource = "masks",
    only: tuple[str, ...] = (),
) -> list[Source]:
    """One source a patient; with `wrong_anatomy` also each patient's runs with the model of the next of its kind.

    Args:
        made_from: what `case create` makes the models from.
        only: these patients alone; empty for all.

    Raises:
        InputError: no runs, or no patient of a run.
    """
    patients = sorted({run.patient for run in foreign_runs(folder)})
    if unknown := sorted(set(only) - set(patients)):
        raise InputError(f"{folder}: has no patient {', '.join(unknown)}; there are {', '.join(patients)}")
    chosen = [name for name in patients if not only or name in only]
    for patient in chosen:
        if made_from == "cta" and not (folder / patient / "cta.nii.gz").is_file():
            raise InputError(f"{folder / patient}: has no cta.nii.gz; put the CTA there, or leave out --model cta")
        if made_from != "cta" and not (folder / patient / "masks").is_dir():
            raise InputError(f"{folder / patient}: has no folder masks; put one mask a structure there")
    subjects = partial(foreign_subjects, folder, backend=backend, made_from=made_from)
    said = "" if made_from == "masks" else f", model from {made_from}"
    found: list[Source] = [(f"{name}{said}", partial(subjects, name)) for name in chosen]
    for name in chosen if wrong_anatomy else []:
        same = [other for other in patients if kind_of_patient(other) == kind_of_patient(name)]
        other = same[(same.index(name) + 1) % len(same)]
        if other != name:
            found.append((f"{name} with the model of {other}{said}", partial(subjects, name, model_of=other)))
    return found


def foreign_subjects(
    folder: Path, patient: str, *, backend: str = "auto", model_of: str = "", made_from: ModelSource = "masks"
) -> list[Subject]:
    """A patient's runs, with the model that its data (or another patient's) make and the starts that lie beside.

    Raises:
        InputError: a file is missing or cannot be used.
    """
    kind = kind_of_patient(patient)
    model = foreign_model(folder / (model_of or patient), kind, made_from)
    own = foreign_model(folder / patient, kind, made_from) if model_of else model
    points = _points(folder / patient / "scored_points_lps_mm.csv")
    segmenter = load_segmenter(model_for_kind(kind, "upper"), backend=backend)
    subjects = []
    for run in foreign_runs(folder):
        if run.patient != patient:
            continue
        view = view_of_run(run.folder / "xa.dcm", segmenter, frame=run.frame, case_kind=kind)
        true = pose_of_foreign_run(run, view.geometry, run.scored_frame)
        starts = _starts(run, view.geometry)
        if model_of:
            middle = model.centroid_mm()
            there = true.apply(own.centroid_mm()[None])[0] - true.apply(middle[None])[0]
            true = turned_and_moved(true, middle, np.eye(3), there)
            starts = [_moved(start, middle, there) for start in starts]
        subjects.append(
            Subject(
                case=patient,
                run=run.folder.name,
                view=view,
                model=model,
                true_isocentre_from_lps=true,
                model_of=model_of,
                scored_points_mm=None if model_of else points,
                starts=tuple(starts),
            )
        )
    return subjects


def _points(path: Path) -> Float[np.ndarray, "n 3"]:
    try:
        points = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no points x,y,z in LPS mm ({error}); one a line") from error
    if points.shape[1] != 3 or not len(points):
        raise InputError(f"{path}: has {points.shape[1]} columns, expected x,y,z in LPS mm")
    return points


def pose_of_foreign_run(run: ForeignRun, geometry: CArmGeometry, frame: int) -> RigidPose:
    """isocentre_from_lps of one frame, by the run's `truth.json`."""
    told = json.loads((run.folder / "truth.json").read_text(encoding="utf-8"))
    matrix = np.array(told["frames"][frame]["projection_px_from_lps_mm"])
    return geometry.camera_from_isocentre().inverse() @ camera_from_projection_matrix(matrix, geometry.intrinsics_px())


def _starts(run: ForeignRun, geometry: CArmGeometry) -> list[DrawnStart]:
    files = sorted((run.folder / "starts").glob("*.json"))
    given = [DrawnStart(number=n, init=start_from_file(file, geometry)) for n, file in enumerate(files)]
    return [DrawnStart(number=-1, init=radiological_start()), *given]


def _moved(start: DrawnStart, middle_mm: np.ndarray, there_mm: np.ndarray) -> DrawnStart:
    pose = start.init.isocentre_from_lps
    if pose is None:
        return start
    init: InitialPose = start_near(turned_and_moved(pose, middle_mm, np.eye(3), there_mm), name=start.init.name)
    return replace(start, init=init)
