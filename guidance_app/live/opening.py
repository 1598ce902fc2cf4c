"""Open a session: a case, a source, and perhaps a known pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.anatomy.case import Case
from engines.registration.pose_file import read_pose_file, read_registration
from guidance_app.live import guidance_state
from guidance_app.live.case_pipeline import case_recipe
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session import LiveSession
from guidance_app.live.witness import RunWitness
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource


def open_session(
    case: Case,
    source: PacedFileSource | SaturatedFileSource,
    *,
    out: Path | None = None,
    pose: Path | None = None,
    backend: str = "auto",
    witnesses: Sequence[RunWitness] = (),
) -> LiveSession:
    """The session of a case on an open source, with the real engine; not started yet.

    Args:
        out: folder for the logs.
        pose: file to start from.
        witnesses: told of everything that happens, as a recorder is.

    Raises:
        InputError: the pose file cannot be used with this source.
    """
    return LiveSession(
        source=source,
        recipe=case_recipe(case, backend=backend),
        initial=None if pose is None else situation_from_pose(pose, source),
        out=out,
        paced_fps=source.fps if isinstance(source, PacedFileSource) else None,
        witnesses=witnesses,
    )


def situation_from_pose(pose: Path, source: PacedFileSource | SaturatedFileSource) -> Situation:
    """Begin with the pose in this file.

    A pose of this very run, or one that does not say where it is from, is taken at the user's word. One that was found
    on another run may belong to other angles: it is checked on the first filled frame before anything is drawn.

    Raises:
        InputError: the file cannot be read, or does not fit the run's intrinsics, or the run has no geometry.
    """
    content = read_pose_file(pose)
    view = content.views[0]
    named_elsewhere = view.sop_instance_uid not in ("", source.sop_instance_uid)
    geometry = _geometry(source, 0 if named_elsewhere else view.frame)
    registration = read_registration(pose, geometry)
    if "status" not in content.model_fields_set:
        registration = replace(registration, status="accepted")
    if named_elsewhere or registration.status == "rejected":
        return guidance_state.started_from(replace(registration, status="caution"), None)
    return guidance_state.started_from(registration, geometry)


def _geometry(source: PacedFileSource | SaturatedFileSource, frame: int) -> CArmGeometry:
    index = frame if 0 <= frame < source.frame_count else 0
    try:
        return source.geometry(index)
    except InputError as error:
        raise InputError(f"{error}; --pose needs the geometry of the frame it starts on") from error
