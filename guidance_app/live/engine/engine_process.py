"""The engine's own process: everything that may be slow, hang or crash runs here, away from the live picture.

It speaks over one pipe. It receives `StepJob` and answers `StepDone` or `StepFailed`; a cold start that a step asked
for runs in a second thread and answers `ColdStartDone` or `ColdStartFailed` whenever it is ready; `Beat` says it lives.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.engine.mailbox import Mailbox
from guidance_app.live.engine.pipeline import Steps
from guidance_app.live.engine.shared_frames import FrameReader, SharedPixels
from guidance_app.live.engine.step.judge import ColdStart
from guidance_app.live.guidance import GuidanceResult
from guidance_app.live.guidance_state import Situation

BEAT_S = 0.2
_PROCESS_NAME = "guidance-engine"
_NICENESS = 10  # the picture comes first
_NO_PIXELS = np.zeros((0, 0), dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecipe:
    """How the engine process makes its pipeline: a module-level function and its arguments, all picklable.

    `memory_limit_bytes` is what the process may hold before another takes over; None for half of the machine's memory.
    """

    make: Callable[..., Steps]
    arguments: dict[str, Any]
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepJob:
    """One frame; its pixels travel through shared memory, `frame` carries everything else.

    Where there is too little shared memory `pixels` is None, and the frame carries them too.
    """

    frame: Frame
    pixels: SharedPixels | None
    situation: Situation

    @classmethod
    def of(cls, frame: Frame, pixels: SharedPixels | None, situation: Situation) -> StepJob:
        travels = frame if pixels is None else replace(frame, pixels=_NO_PIXELS)
        return cls(frame=travels, pixels=pixels, situation=situation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Imports and models are loaded."""

    pid: int
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepDone:
    """`asked_at` is the revision that the step started from."""

    result: GuidanceResult
    situation: Situation
    asked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    frame_index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """The engine answers on, but had to do without something, as a GPU that failed; `text` is for a person."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColdStartDone:
    registration: Registration
    geometry: CArmGeometry
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartFailed:
    text: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """The pipeline could not be made; trying again would not help."""

    text: str


Report = Ready | Beat | StepDone | StepFailed | Degraded | ColdStartDone | ColdStartFailed | NotStarted


def run_engine(connection: Connection, recipe: EngineRecipe) -> None:
    """Main function of the process; returns when the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the screen process ends the run
    _name_and_step_back()
    sender = _Sender(connection)
    try:
        steps = recipe.make(**recipe.arguments)
        steps.warm_up()
    except Exception as error:
        sender.send(NotStarted(text=_text(error)))
        return
    threading.Thread(target=sender.beat, name="guidance-beat", daemon=True).start()
    sender.send(Ready(pid=os.getpid(), description=steps.description))
    reader = FrameReader()
    cold_starts: Mailbox[ColdStart] = Mailbox()
    threading.Thread(
        target=_cold_starts, args=(cold_starts, steps, sender), name="guidance-cold-start", daemon=True
    ).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            _do(connection.recv(), reader, steps, cold_starts, sender)
    reader.close()
    # A cold start may still be deep in native code; nothing of it is wanted any more.
    os._exit(0)


def _do(job: StepJob, reader: FrameReader, steps: Steps, cold_starts: Mailbox[ColdStart], sender: _Sender) -> None:
    degraded_before = steps.degraded
    try:
        frame = job.frame if job.pixels is None else replace(job.frame, pixels=reader.read(job.pixels))
        outcome = steps.step(frame, job.situation)
    except Exception as error:
        sender.send(StepFailed(frame_index=job.frame.index, text=_text(error)))
        return
    sender.send(StepDone(result=outcome.result, situation=outcome.situation, asked_at=job.situation.revision))
    if steps.degraded != degraded_before:
        sender.send(Degraded(text=steps.degraded))
    if outcome.cold_start is not None:
        cold_starts.put(outcome.cold_start)


def _cold_starts(requests: Mailbox[ColdStart], steps: Steps, sender: _Sender) -> None:
    """Run the requests one after the other. A newer one replaces a waiting one, whose view or pose is out of date."""
    while True:
        request = requests.take(timeout_s=60.0)
        if request is not None:
            _cold_start(request, steps, sender)


def _cold_start(request: ColdStart, steps: Steps, sender: _Sender) -> None:
    try:
        found = steps.register(request)
    except Exception as error:
        sender.send(ColdStartFailed(text=_text(error), generation=request.generation))
        return
    sender.send(ColdStartDone(registration=found, geometry=request.view.geometry, generation=request.generation))


class _Sender:
    """Several threads report through one pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def send(self, report: Report) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(report)

    def beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self.send(Beat())


def _name_and_step_back() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(_PROCESS_NAME, encoding="ascii")  # so that `ps` and `top` tell it apart
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)


def _text(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
