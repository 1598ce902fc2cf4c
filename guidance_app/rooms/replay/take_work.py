"""Guidance computed anew over a whole run, as a job: through exactly the live path, with all the time it needs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibration.errors import InputError
from calibration.store import write_json
from engines.anatomy.cases.case import Case, load_case
from guidance_app.live.recording.about import about_run
from guidance_app.live.recording.recorder import Recorder
from guidance_app.live.session.session import LiveSession
from guidance_app.panels.jobs.work import TellProgress

RECORDING, ABOUT, METHOD_POSE = "take.mcap", "take.json", "method.json"
_LOOK_S = 0.004
_LOADING_SHARE = 0.1


class TakeNote(BaseModel):
    """What a take was computed with, beside its recording."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/take/1"] = Field(default="guidance-app/take/1", alias="schema")
    case: str
    source: str
    backend: str
    engine: str = Field(description="network and runtime that answered")
    models: str = Field(description="folder of the networks; empty for those of the program")
    pose: str = Field(description="name of the pose file it began with; empty where the pose was searched")
    method: str = Field(default="", description="registration method whose pose it began with; empty for the live one")
    found: str = Field(default="", description="what that method found, in words")
    seconds: float


def read_note(folder: Path) -> TakeNote:
    """Raises InputError where the folder holds no take."""
    try:
        return TakeNote.model_validate_json((folder / ABOUT).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{folder}: holds no take ({' '.join(str(error).split())[:120]}); compute it anew") from error


def compute_take(
    folder: Path,
    tell: TellProgress,
    *,
    case: str,
    source: str,
    backend: str,
    models: str = "",
    pose: str = "",
    method: str = "",
) -> None:
    """Guide every frame of the run and leave the recording of it, with a note, in the folder.

    A search from nothing holds the run until it has ended, so that no frame goes by without its answer. With a method
    the run is registered by that first, and guidance begins with its pose and follows it.

    Raises:
        InputError: case, run, networks or pose cannot be used, the disk is full, or the engine never answered.
    """
    from engines.inference.model_files import BUNDLED_MODELS
    from guidance_app.live.session.opening import open_session
    from guidance_app.sources.uri import FileUri, open_source

    tell("opening the run", 0.01)
    opened = load_case(case)
    found = ""
    if method:
        pose = str(folder / METHOD_POSE)
        found = _register(Path(pose), method, opened, Path(source), backend, tell)
    played = open_source(FileUri(path=Path(source)), saturate=True)
    recorder = Recorder(folder / RECORDING, about_run(opened, played.source_id))
    try:
        session = open_session(
            opened, played, pose=Path(pose) if pose else None, backend=backend, witnesses=[recorder],
            models=Path(models) if models else BUNDLED_MODELS,
        )  # fmt: skip
    except BaseException:
        played.close()
        recorder.end()
        raise
    seconds = _play(session, played.frame_count, tell)
    if session.source_error:
        raise InputError(session.source_error)
    if not session.engine_description:
        raise InputError(f"guidance never answered: {session.screen().banner}")
    if recorder.fault:
        raise InputError(f"{folder}: {recorder.fault}; free some space and compute it again")
    note = TakeNote(
        case=opened.id, source=played.source_id, backend=backend, engine=session.engine_description, models=models,
        pose=Path(pose).name if pose else "", method=method, found=found, seconds=round(seconds, 1),
    )  # fmt: skip
    write_json(folder / ABOUT, note.model_dump(mode="json", by_alias=True))


def _register(pose: Path, method: str, case: Case, run: Path, backend: str, tell: TellProgress) -> str:
    """By this method, into the file; returns what was found, in words."""
    from engines.registration.methods.by_name import registered_run
    from engines.registration.methods.catalogue import MethodSettings
    from engines.registration.pose_file import write_registration
    from engines.segmentation.segmenter import load_segmenter, model_for_kind

    def report(stage: str, done: int, of: int) -> None:
        tell(f"{method}, {stage}: step {done} of {of}", 0.02)

    tell(f"registering by {method}", 0.02)
    segmenter = load_segmenter(model_for_kind(case.kind, case.field_of_view), backend=backend)
    found = registered_run(method, MethodSettings(report=report), case, run, segmenter)
    write_registration(pose, found)
    return f"{found.status}, confidence {found.confidence:.2f}, {found.elapsed_ms / 1e3:.1f} s"


def _play(session: LiveSession, frames: int, tell: TellProgress) -> float:
    """Paint nothing, but say so to the session as the window does; returns the seconds it took."""
    began, shown = time.monotonic(), None
    with session:
        tell("loading the engine", 0.03)
        while not session.finished:
            screen = session.screen()
            if screen is not shown and screen.frame is not None:
                session.painted(screen, time.monotonic_ns())
                shown = screen
                number = screen.frame.source_frame + 1
                searching = session.situation.registering
                words = f"searching the pose on frame {number}" if searching else f"frame {number} of {frames}"
                tell(words, _LOADING_SHARE + (0.98 - _LOADING_SHARE) * number / max(frames, 1))
            time.sleep(_LOOK_S)
    return time.monotonic() - began
