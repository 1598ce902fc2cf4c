"""Pictures to judge overlays on: the fullest moment of a run, or its late phase, when vessels empty again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.cases.case import load_case
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.dsa import minip
from engines.angiography.files.open_run import open_run
from engines.evaluation.registration.foreign import foreign_runs, foreign_subjects, kind_of_patient, pose_of_foreign_run
from engines.evaluation.registration.subject import Subject, true_pose
from engines.registration.residuals.class_residuals import SeenVessels
from engines.registration.run_view import MINIP_FRAME, subtracted_for, view_of_run
from engines.segmentation.segmentation import Segmentation
from engines.segmentation.segmenter import Segmenter, load_segmenter, model_for_kind

Phase = Literal["full", "late"]
LATE_FRAMES = 3  # of a run, spread from after its fullest moment to its end
_FILLED_SHARE = 0.004  # of the picture; with less the live room judges nothing

PoseOf = Callable[[int, CArmGeometry], RigidPose]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedView:
    """One picture with its true pose.

    Args:
        subject: with the view of this very picture, for the program's own confidence.
        seen: vessels by class, as the live room compares them.
    """

    subject: Subject
    seen: SeenVessels

    @property
    def name(self) -> str:
        return f"{self.subject.run} frame {self.subject.view.frame}"


def views_of_case(folder: Path | str, phase: Phase, *, backend: str = "auto") -> Iterator[JudgedView]:
    """Of every recording that has a truth file; of a beating heart only frames at rest."""
    case = load_case(folder)
    model = case.vessel_model()
    segmenter = load_segmenter(model_for_kind(case.kind, case.field_of_view), backend=backend)
    for recording in case.recordings:
        truth = case.folder / "truth" / f"{recording.path.stem}.json"
        if not truth.is_file():
            continue

        def pose_of(frame: int, geometry: CArmGeometry, truth: Path = truth) -> RigidPose:
            return true_pose(truth, frame, geometry)

        yield from _views(
            recording.path, segmenter, case.kind, phase, frame=None, at_rest=_at_rest(truth), pose_of=pose_of,
            subject=(case.id, recording.path.stem, model),
        )  # fmt: skip


def views_of_foreign(folder: Path, phase: Phase, *, backend: str = "auto") -> Iterator[JudgedView]:
    """Of every run of a folder that another generator made."""
    for patient in sorted({run.patient for run in foreign_runs(folder)}):
        kind = kind_of_patient(patient)
        segmenter = load_segmenter(model_for_kind(kind, "upper"), backend=backend)
        known = {subject.run: subject for subject in foreign_subjects(folder, patient, backend=backend)}
        for run in foreign_runs(folder):
            if run.patient != patient:
                continue
            own = known[run.folder.name]

            def pose_of(frame: int, geometry: CArmGeometry, run=run) -> RigidPose:
                return pose_of_foreign_run(run, geometry, run.scored_frame if frame == MINIP_FRAME else frame)

            found = _views(
                run.folder / "xa.dcm", segmenter, kind, phase, frame=run.frame, at_rest=None, pose_of=pose_of,
                subject=(patient, run.folder.name, own.model),
            )  # fmt: skip
            for one in found:
                yield replace(one, subject=replace(one.subject, scored_points_mm=own.scored_points_mm))


def _views(
    path: Path, segmenter: Segmenter, kind: str, phase: Phase, *, frame: int | Literal["minip"] | None,
    at_rest: set[int] | None, pose_of: PoseOf, subject: tuple[str, str, VesselModel],
) -> Iterator[JudgedView]:  # fmt: skip
    shown = subtracted_for(open_run(path), kind)
    full = view_of_run(path, segmenter, frame=frame, case_kind=kind)
    moments = [full.frame]
    if phase == "late":
        moments = _late(shown, segmenter, full.frame, at_rest)
    for moment in moments:
        view = full
        if moment != full.frame:
            view = view_of_run(path, segmenter, frame=moment, case_kind=kind)
        picture = minip(shown) if moment == MINIP_FRAME else shown.frame(moment)
        case, run, model = subject
        yield JudgedView(
            subject=Subject(
                case=case, run=run, view=view, model=model,
                true_isocentre_from_lps=pose_of(moment, view.geometry),
            ),
            seen=SeenVessels.of(segmenter.segment(picture), segmenter.threshold),
        )  # fmt: skip


def _late(shown, segmenter: Segmenter, fullest: int, at_rest: set[int] | None) -> list[int]:
    """Frames after the fullest one that still show filled vessel; of a MinIP, those of the last half."""
    first = shown.frame_count // 2 if fullest == MINIP_FRAME else fullest + 1
    after = [frame for frame in range(first, shown.frame_count) if at_rest is None or frame in at_rest]
    filled = [frame for frame in after if _share(segmenter.segment(shown.frame(frame)), segmenter) >= _FILLED_SHARE]
    if not filled:
        return []
    return [filled[at] for at in np.unique(np.linspace(0, len(filled) - 1, LATE_FRAMES).round().astype(int))]


def _share(segmentation: Segmentation, segmenter: Segmenter) -> float:
    return float((segmentation.vessel() >= segmenter.threshold).mean())


def _at_rest(truth: Path) -> set[int] | None:
    """Frames in which no rigid pose is wrong for the heart's motion; None where the truth tells of none."""
    views = json.loads(truth.read_text(encoding="utf-8"))["views"]
    told = {int(view["frame"]): view.get("contraction") for view in views}
    return None if None in told.values() else {frame for frame, contraction in told.items() if contraction == 0.0}
