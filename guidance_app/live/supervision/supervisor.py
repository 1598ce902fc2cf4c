"""Keeps an engine process running beside the live picture, and a loaded spare one beside that.

Loading models takes seconds; a spare process that has already done so takes over at once when the engine dies or hangs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from engines.angiography.frame import Frame
from guidance_app.live.engine.engine_process import (
    Beat,
    ColdStartDone,
    ColdStartFailed,
    Degraded,
    EngineRecipe,
    NotStarted,
    Ready,
    Report,
    StepDone,
    StepFailed,
    StepJob,
    run_engine,
)
from guidance_app.live.engine.mailbox import Mailbox
from guidance_app.live.engine.shared_frames import FrameWriter
from guidance_app.live.guidance_state import Situation
from guidance_app.live.supervision.engine_health import (
    LONGEST_STEP_S,
    StepPace,
    default_memory_limit_bytes,
    is_computing,
    resident_bytes,
    restart_delay_s,
    waited_for_core_s,
)

SILENCE_LIMIT_S = 1.5  # a healthy engine beats every 0.2 s, even within a long step
_LOADING_LIMIT_S = 120.0
_TICK_S = 0.25
_DEATHS_IN_A_ROW = 5  # without one frame done in between: it would never end
_END_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUp:
    """An engine answers from now on. `restarted` after an earlier one was lost."""

    pid: int
    description: str
    restarted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLost:
    """The engine died or hung; another one takes over unless `for_good`."""

    text: str
    for_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShort:
    """Pictures reach the engine by a slower way."""

    text: str


EngineNews = EngineUp | EngineLost | MemoryShort | StepDone | StepFailed | Degraded | ColdStartDone | ColdStartFailed


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    process: Any  # multiprocessing.context.SpawnProcess
    connection: Connection
    started_s: float
    ready: Ready | None = None
    refused: str = ""
    busy_since_s: float | None = None
    waited_before_s: float | None = None  # for a core, when the frame it is busy with began to take long
    silent_s: float = field(default=0.0)
    pace: StepPace = field(default_factory=StepPace)
    weighed_s: float = field(default=0.0)  # when its memory was looked at last


class Supervisor:
    """Feeds the newest frame to the engine whenever it is free, and replaces an engine that is lost.

    Args:
        tell: called from the supervisor's thread with everything the owner must know.
        situation: asked for the present situation when a frame is sent.
        spare: keep a second, loaded process waiting.
    """

    def __init__(
        self,
        recipe: EngineRecipe,
        *,
        tell: Callable[[EngineNews], None],
        situation: Callable[[], Situation],
        spare: bool = True,
    ) -> None:
        self._recipe = recipe
        self._tell = tell
        self._situation = situation
        self._keep_spare = spare
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._writer = FrameWriter()
        self._wake_reader, self._wake_writer = multiprocessing.Pipe(duplex=False)
        self._wake_lock = threading.Lock()
        self._stopping = threading.Event()
        self._engine: _Worker | None = None
        self._spare: _Worker | None = None
        self._memory_limit_bytes = recipe.memory_limit_bytes or default_memory_limit_bytes()
        self._deaths_in_a_row = 0
        self._respawn_s = 0.0  # not before this moment
        self._ever_lost = False
        self._gave_up = False
        self._thread = threading.Thread(target=self._run, name="guidance-supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """The newest frame; replaces one that the engine has not begun."""
        self._mailbox.put(frame)
        self._wake()

    def stop(self) -> None:
        """End both processes and the thread, remove the shared memory; twice is harmless."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._wake_reader.close()
        self._wake_writer.close()
        self._writer.close()

    # The supervisor's thread ----------------------------------------------------------------------------------------
    def _run(self) -> None:
        self._engine = self._spawn()
        before_s = time.monotonic()
        while not self._stopping.is_set():
            ready = wait(self._waited_for(), timeout=_TICK_S)
            now_s = time.monotonic()
            if self._wake_reader in ready:
                self._wake_reader.recv_bytes()
            self._watch(now_s, min(now_s - before_s, _TICK_S))
            before_s = now_s
            self._send_next(now_s)
        for worker in (self._engine, self._spare):
            if worker is not None:
                _end(worker, at_once=worker.ready is None)

    @property
    def at_rest(self) -> bool:
        """No process is loading: loading takes a core for seconds."""
        spare = self._spare
        return not self._keep_spare or (spare is not None and spare.ready is not None)

    def _waited_for(self) -> list[Any]:
        workers = [worker for worker in (self._engine, self._spare) if worker is not None]
        return [self._wake_reader, *(w.connection for w in workers), *(w.process.sentinel for w in workers)]

    def _watch(self, now_s: float, passed_s: float) -> None:
        """Read what both processes say, then judge whether they are well."""
        if self._spare is not None and (fault := self._fault(self._spare, now_s, passed_s)):
            _end(self._spare, at_once=True)
            self._spare = None
            self._count_death(now_s)
        if self._engine is not None and (fault := self._fault(self._engine, now_s, passed_s)):
            self._replace_engine(fault, now_s)
        if now_s < self._respawn_s or not self._may_respawn():
            return
        if self._engine is None and not self._gave_up:
            self._engine = self._spawn()
        loaded = self._engine is not None and self._engine.ready is not None
        if self._keep_spare and loaded and self._spare is None:
            self._spare = self._spawn()

    def _fault(self, worker: _Worker, now_s: float, passed_s: float) -> str:
        """Why this process must be replaced, "" if it is well."""
        # Time is counted in own ticks: after a pause of the whole machine nobody is declared dead.
        worker.silent_s += passed_s
        if not self._listen(worker):
            worker.process.join(_END_S)
            return worker.refused or f"the engine process ended (exit code {worker.process.exitcode})"
        if worker.ready is None:
            return "the engine did not finish loading" if now_s - worker.started_s > _LOADING_LIMIT_S else ""
        if worker.silent_s > SILENCE_LIMIT_S and not self._starves(worker):
            return f"the engine has been silent for {worker.silent_s:.1f} s"
        if worker.busy_since_s is not None and self._is_stuck(worker, now_s - worker.busy_since_s):
            return f"the engine is stuck on one frame for {now_s - worker.busy_since_s:.1f} s"
        return self._memory_fault(worker, now_s)

    def _starves(self, worker: _Worker) -> bool:
        """Whether a silent engine computes. On an overloaded machine its beats come late; then its pace counts."""
        return worker.silent_s <= LONGEST_STEP_S and is_computing(worker.process.pid)

    def _is_stuck(self, worker: _Worker, busy_s: float) -> bool:
        """Time spent waiting for a core does not count: to load another engine would burden the machine more."""
        limit_s = worker.pace.limit_s
        if busy_s <= limit_s / 2:
            return False
        waited_s = waited_for_core_s(worker.process.pid)
        if worker.waited_before_s is None:
            worker.waited_before_s = waited_s
        return busy_s > LONGEST_STEP_S or busy_s - (waited_s - worker.waited_before_s) > limit_s

    def _memory_fault(self, worker: _Worker, now_s: float) -> str:
        """An engine beyond its limit is replaced before the system runs out of memory and loses the picture too."""
        if now_s - worker.weighed_s < _TICK_S:
            return ""
        worker.weighed_s = now_s
        held_bytes = resident_bytes(worker.process.pid)
        if held_bytes <= self._memory_limit_bytes:
            return ""
        limit = self._memory_limit_bytes / 2**30
        return f"the engine ran out of memory: it held {held_bytes / 2**30:.2f} of {limit:.2f} GiB"

    def _listen(self, worker: _Worker) -> bool:
        """Take in all reports; False once the process is gone."""
        try:
            while worker.connection.poll():
                worker.silent_s = 0.0
                self._take_in(worker, worker.connection.recv())
        except (EOFError, OSError):
            return False
        return worker.process.is_alive()

    def _take_in(self, worker: _Worker, report: Report) -> None:
        if isinstance(report, Beat):
            return
        if isinstance(report, Ready):
            worker.ready = report
            if worker is self._engine:
                self._announce(worker)
            return
        if isinstance(report, NotStarted):
            worker.refused = report.text
            return
        if isinstance(report, StepDone | StepFailed):
            if worker.busy_since_s is not None:
                worker.pace.add(time.monotonic() - worker.busy_since_s)
            worker.busy_since_s = None
            self._deaths_in_a_row = 0
        self._tell(report)

    def _announce(self, worker: _Worker) -> None:
        assert worker.ready is not None
        self._tell(EngineUp(pid=worker.ready.pid, description=worker.ready.description, restarted=self._ever_lost))

    def _count_death(self, now_s: float) -> None:
        self._deaths_in_a_row += 1
        self._respawn_s = now_s + restart_delay_s(self._deaths_in_a_row)

    def _replace_engine(self, fault: str, now_s: float) -> None:
        assert self._engine is not None
        self._count_death(now_s)
        self._ever_lost = True
        refused = bool(self._engine.refused)
        # Told before the old process is cleared away: the overlay must go at once.
        self._gave_up = refused or not self._may_respawn()
        self._tell(EngineLost(text=fault, for_good=self._gave_up))
        _end(self._engine, at_once=True)
        self._engine, self._spare = self._spare, None
        if self._gave_up:
            if self._engine is not None:
                _end(self._engine, at_once=True)
                self._engine = None
            return
        if self._engine is not None and self._engine.ready is not None:
            self._announce(self._engine)

    def _may_respawn(self) -> bool:
        return self._deaths_in_a_row < _DEATHS_IN_A_ROW and not self._stopping.is_set()

    def _send_next(self, now_s: float) -> None:
        engine = self._engine
        if engine is None or engine.ready is None or engine.busy_since_s is not None:
            return
        frame = self._mailbox.take()
        if frame is None:
            return
        was_short = bool(self._writer.short_of)
        job = StepJob.of(frame, self._writer.write(frame.pixels), self._situation())
        if self._writer.short_of and not was_short:
            self._tell(MemoryShort(text=self._writer.short_of))
        with contextlib.suppress(OSError):  # it died this very moment: the next look at it says so
            engine.connection.send(job)
        engine.busy_since_s, engine.waited_before_s = now_s, None

    def _spawn(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=run_engine, args=(theirs, self._recipe), daemon=True)
        process.start()
        theirs.close()  # so that its death shows as the end of the pipe
        return _Worker(process=process, connection=ours, started_s=time.monotonic())

    def _wake(self) -> None:
        with self._wake_lock, contextlib.suppress(OSError):
            self._wake_writer.send_bytes(b"!")


def _end(worker: _Worker, *, at_once: bool = False) -> None:
    """Close the pipe, which asks the process to end, and kill it if it does not."""
    worker.connection.close()
    if not at_once:
        worker.process.join(_END_S)
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join()
    worker.process.close()
