"""Takes with an engine without networks, and the job that stands in for computing them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.store import write_json
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.guidance import GuidanceResult, GuidanceState, ScreenState, StageTimes
from guidance_app.live.guidance_state import Situation
from guidance_app.live.recording.recorder import Recorder
from guidance_app.live.session.session import LiveSession
from guidance_app.rooms.replay.take_work import ABOUT, RECORDING, TakeNote
from guidance_app.sources.file_source import SaturatedFileSource
from guidance_app.sources.uri import shown_run
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe, overlay_of, registration
from tests.guidance_app.live.window_stand_in import drive
from tests.guidance_app.views.staging import screen

FRAMES = 8


def shifted(left_mm: float) -> RigidPose:
    matrix = np.eye(4)
    matrix[0, 3] = left_mm
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def record_take(path: Path, *, recipe: EngineRecipe | None = None, run: FakeRun | None = None) -> list[ScreenState]:
    """Play a made run with a stand-in engine into a recording; returns all that was painted."""
    session = LiveSession(
        source=SaturatedFileSource(run or FakeRun(frame_count=FRAMES)), recipe=recipe or fake_recipe(),
        witnesses=[Recorder(path, {"case": "test"})], spare_engine=False, initial=Situation(),
    )  # fmt: skip
    with session:
        return drive(session, limit_s=30.0)


def compute_stand_in(
    folder: Path, tell, *, case: str, source: str, backend: str, models: str, pose: str, method: str
) -> None:
    """`auto` finds the pose from frame 2 on; another backend finds it 3 mm beside, from frame 4 on."""
    del models
    tell("frame 1", 0.5)
    beside = backend != "auto"
    frames = shown_run(Path(source)).frame_count
    write_take(folder / RECORDING, left_mm=3.0 if beside else 0.0, first=4 if beside else 2, frames=frames)
    note = TakeNote(
        case=case, source=source, backend=backend, engine=f"stand-in on {backend} (cpu)", models="",
        pose=Path(pose).name if pose else "", method=method, found="accepted" if method else "", seconds=0.1,
    )  # fmt: skip
    write_json(folder / ABOUT, note.model_dump(mode="json", by_alias=True))


def write_take(path: Path, *, left_mm: float, first: int, frames: int = FRAMES) -> None:
    """What a session leaves that has a pose from frame `first` on, written without one."""
    run, recorder = FakeRun(frame_count=frames), Recorder(path, {"case": "test"})
    recorder.begin(lambda _line: None)
    for index in range(frames):
        frame = replace(run.frame(index), index=index, received_ns=1_000_000 * (index + 1))
        recorder.frame(frame)
        found = replace(registration(frame.geometry), isocentre_from_lps=shifted(left_mm))
        state: GuidanceState = "accepted" if index >= first else "unregistered"
        situation = Situation(state=state, registration=found)
        overlay = overlay_of(frame, situation)
        recorder.guided(
            GuidanceResult(
                frame_index=index, state=state, reason="", overlay=overlay, vessel_outline=(), confidence=0.9,
                expected_error_mm=1.0, depth_sigma_mm=5.0, times=StageTimes(), generation=0,
            ),
            found, used=True,
        )  # fmt: skip
        shown = screen(
            index, state="valid" if overlay else "hidden", guidance=state, frame=frame, overlay=overlay,
            banner="" if overlay else "not registered yet",
        )  # fmt: skip
        recorder.painted(shown, frame.received_ns + 1000)
    recorder.end()


def compute_for_ever(_folder: Path, tell, **_asked) -> None:
    tell("frame 1", 0.1)
    while True:
        time.sleep(0.05)


def fail(_folder: Path, _tell, **_asked) -> None:
    raise InputError("run.dcm: no frame can be decoded")
