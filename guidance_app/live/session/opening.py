"""Open a session: a case, a source, and perhaps a known pose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.anatomy.cases.case import Case
from engines.inference.model_files import BUNDLED_MODELS
from engines.registration.pose_file import read_pose_file
from guidance_app.live import guidance_state
from guidance_app.live.engine.case_pipeline import case_recipe
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.late_pose import LatePose, pose_situation
from guidance_app.live.session.session import LiveSession
from guidance_app.live.supervision.shared_engine import SharedEngine
from guidance_app.live.witness import RunWitness
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.source import FrameSource


def open_session(
    case: Case,
    source: FrameSource,
    *,
    out: Path | None = None,
    pose: Path | None = None,
    backend: str = "auto",
    models: Path = BUNDLED_MODELS,
    witnesses: Sequence[RunWitness] = (),
    engine: SharedEngine | None = None,
    before: Situation | None = None,
    resumed: Situation | None = None,
    first_at_once: bool = False,
) -> LiveSession:
    """The session of a case on an open source, with the real engine; not started yet.

    Args:
        out: folder for the logs.
        pose: file to start from.
        models: folder of the networks, for a session with an engine of its own.
        witnesses: told of everything that happens, as a recorder is.
        engine: of the case, where it serves several runs; without it the session has one of its own.
        before: where guidance stood at the end of the run before, on the same patient.
        resumed: where guidance begins with what was left by a program that ended; goes before `before` and `pose`.
        first_at_once: see `LiveSession`.

    Raises:
        InputError: the pose file cannot be used with this source.
    """
    known = source if isinstance(source, PacedFileSource | SaturatedFileSource) else None
    initial = None if before is None else guidance_state.carried_on(before)
    if resumed is not None:
        initial = resumed
    elif known is not None and pose is not None:
        initial = situation_from_pose(pose, known)
    return LiveSession(
        source=source,
        recipe=case_recipe(case, backend=backend, models=models) if engine is None else None,
        engine=engine,
        first_at_once=first_at_once,
        initial=initial,
        late_pose=None if known is not None or pose is None else LatePose(pose),
        patient=None if _recorded_on(case, known) else case.patient,
        out=out,
        paced_fps=source.fps if isinstance(source, PacedFileSource) else None,
        witnesses=witnesses,
    )


def situation_from_pose(pose: Path, source: PacedFileSource | SaturatedFileSource) -> Situation:
    """Begin with the pose in this file, as `pose_situation`.

    Raises:
        InputError: the file cannot be read, or does not fit the run's intrinsics, or the run has no geometry.
    """
    content = read_pose_file(pose)
    view = content.views[0]
    elsewhere = view.sop_instance_uid not in ("", source.sop_instance_uid)
    frame: int | None = 0 if elsewhere else view.frame
    if isinstance(source.run, RecordedRun) and view.sop_instance_uid:
        # A recording may begin anywhere in the run, and hold several.
        frame = source.run.place_of(view.sop_instance_uid, view.frame)
        elsewhere = frame is None
    return pose_situation(pose, content, _geometry(source, frame or 0), elsewhere=elsewhere)


def _recorded_on(case: Case, source: PacedFileSource | SaturatedFileSource | None) -> bool:
    """A recording of this very case: it was compared when it was made, and keeps nothing of the patient."""
    return (
        source is not None
        and isinstance(source.run, RecordedRun)
        and source.run.reader.about.get("case") == case.id
    )  # fmt: skip


def _geometry(source: PacedFileSource | SaturatedFileSource, frame: int) -> CArmGeometry:
    index = frame if 0 <= frame < source.frame_count else 0
    try:
        return source.geometry(index)
    except InputError as error:
        raise InputError(f"{error}; --pose needs the geometry of the frame it starts on") from error
