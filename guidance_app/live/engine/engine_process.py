"""The engine's own process: everything that may be slow, hang or crash runs here, away from the live picture.

It speaks over one pipe (`exchange.reports`): frames in, results out; `Beat` says it lives. A cold start that a step
asks for runs in a second thread, or in the spare process where one waits.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from guidance_app.live.engine.exchange.cold_start_desk import ColdStartDesk, text_of
from guidance_app.live.engine.exchange.parcel import ParcelRoom
from guidance_app.live.engine.exchange.reports import (
    Beat,
    ColdStartDone,
    ColdStartFailed,
    ColdStartJob,
    Degraded,
    Job,
    LearnedElsewhere,
    Leave,
    Loading,
    NotStarted,
    Ready,
    Rehearse,
    Report,
    StepDone,
    StepFailed,
    StepJob,
)
from guidance_app.live.engine.pipeline import Steps
from guidance_app.live.engine.shared_frames import FrameReader

__all__ = [
    "BEAT_S", "Beat", "ColdStartDone", "ColdStartFailed", "Degraded", "EngineRecipe", "NotStarted", "Ready", "Report",
    "StepDone", "StepFailed", "StepJob", "run_engine",
]  # fmt: skip

BEAT_S = 0.2
_PROCESS_NAME = "guidance-engine"
# The picture comes first, and needs half a core. With 10, one busy program of somebody else left guidance a tenth of a
# core, and no pose was found for 380 frames; with 3 it took 75 (two cores with AVX2, 29 November 2026).
_NICENESS = 3
_DYING_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecipe:
    """How the engine process makes its pipeline: a module-level function and its arguments, all picklable.

    `memory_limit_bytes` is what the process may hold before another takes over; None for half of the machine's memory.
    """

    make: Callable[..., Steps]
    arguments: dict[str, Any]
    memory_limit_bytes: int | None = None


def run_engine(connection: Connection, recipe: EngineRecipe, parcels: Path, *, urgent: bool = True) -> None:
    """Main function of the process; returns when the other end of the pipe is closed.

    Args:
        parcels: folder for what is too large for the pipe; the supervisor's.
        urgent: guidance waits for this process, which steps back behind the picture only once it has loaded: behind
            two busy programs a second of loading would take ten.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the screen process ends the run
    _name()
    if not urgent:
        _step_back()
    sender = _Sender(connection)
    try:
        sender.send(Loading(text="2 of 3, network and model"))
        steps = recipe.make(**recipe.arguments)
        sender.send(Loading(text="3 of 3, a first try"))
        steps.warm_up()
    except Exception as error:
        sender.send(NotStarted(text=text_of(error)))
        return
    if urgent:
        _step_back()
    threading.Thread(target=sender.beat, name="guidance-beat", daemon=True).start()
    sender.send(Ready(pid=os.getpid(), description=steps.description))
    reader = FrameReader()
    room = ParcelRoom(parcels)
    desk = ColdStartDesk(steps, room, sender.send)
    told_to_leave = False
    with contextlib.suppress(EOFError, OSError):
        while not told_to_leave:
            job: Job = connection.recv()
            told_to_leave = isinstance(job, Leave)
            _do(job, reader, steps, desk, sender)
    reader.close()
    if not told_to_leave and _parent_has_died():
        room.clear_away()  # nobody else does
    # A cold start may still be deep in native code; nothing of it is wanted any more.
    os._exit(0)


def _do(job: Job, reader: FrameReader, steps: Steps, desk: ColdStartDesk, sender: _Sender) -> None:
    match job:
        case StepJob():
            _step(job, reader, steps, desk, sender)
        case Rehearse():
            desk.rehearse()
        case ColdStartJob():
            desk.take_over(job)
        case LearnedElsewhere():
            desk.learned(job)


def _step(job: StepJob, reader: FrameReader, steps: Steps, desk: ColdStartDesk, sender: _Sender) -> None:
    degraded_before = steps.degraded
    try:
        frame = job.frame if job.pixels is None else replace(job.frame, pixels=reader.read(job.pixels))
        outcome = steps.step(frame, job.situation)
    except Exception as error:
        sender.send(StepFailed(frame_index=job.frame.index, text=text_of(error)))
        return
    sender.send(StepDone(result=outcome.result, situation=outcome.situation, asked_at=job.situation.revision))
    if steps.degraded != degraded_before:
        sender.send(Degraded(text=steps.degraded))
    if outcome.cold_start is not None:
        desk.put(outcome.cold_start, away=job.spare_waits)


def _parent_has_died() -> bool:
    parent = multiprocessing.parent_process()
    if parent is None:
        return False
    parent.join(_DYING_S)  # its pipes close before the system calls it dead
    return not parent.is_alive()


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


def _name() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(_PROCESS_NAME, encoding="ascii")  # so that `ps` and `top` tell it apart


def _step_back() -> None:
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
