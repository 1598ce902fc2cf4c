"""A recorder that can be exchanged in the middle of a run: each full-disk fault needs its own recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.benches.faults.drill_engine import mark_of, marked_picture
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.live.recording.recorder import Recorder
from guidance_app.live.run_log import Event
from guidance_app.live.witness import RunWitness
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.sources.source import CorruptFrame


class Reel(RunWitness):
    """Hands everything on to the present recorder, if there is one."""

    def __init__(self) -> None:
        self._recorder: Recorder | None = None
        self._tell: Callable[[str], None] = lambda _text: None

    def record(self, path: Path) -> None:
        recorder = Recorder(path, {"case": "drill"})
        recorder.begin(self._tell)
        self._recorder = recorder

    def stop(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.end()

    @property
    def fault(self) -> str:
        recorder = self._recorder
        return "" if recorder is None else recorder.fault

    def begin(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def end(self) -> None:
        self.stop()

    def frame(self, frame: Frame) -> None:
        if (recorder := self._recorder) is not None:
            recorder.frame(frame)

    def corrupt(self, error: CorruptFrame) -> None:
        if (recorder := self._recorder) is not None:
            recorder.corrupt(error)

    def guided(self, result: GuidanceResult, registration: Registration | None, *, used: bool) -> None:
        if (recorder := self._recorder) is not None:
            recorder.guided(result, registration, used=used)

    def registered(self, registration: Registration, frame_index: int | None) -> None:
        if (recorder := self._recorder) is not None:
            recorder.registered(registration, frame_index)

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        if (recorder := self._recorder) is not None:
            recorder.painted(screen, painted_ns)

    def event(self, event: Event) -> None:
        if (recorder := self._recorder) is not None:
            recorder.event(event)

    def action(self, name: str, value: int | None = None) -> None:
        if (recorder := self._recorder) is not None:
            recorder.action(name, value)


def damaged_frames(path: Path) -> tuple[int, int]:
    """How many frames a recording of the drill holds, and how many of them are not exactly what was sent."""
    run = RecordedRun(path)
    try:
        damaged = 0
        for index in range(run.frame_count):
            frame = run.frame(index)
            damaged += not np.array_equal(frame.pixels, marked_picture(mark_of(frame), frame.shape_px[0]))
        return run.frame_count, damaged
    finally:
        run.close()
