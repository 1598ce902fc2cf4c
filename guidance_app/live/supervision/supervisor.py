"""Keeps an engine process running beside the live picture, and a loaded spare one beside that.

Loading models takes seconds; a spare process that has already done so takes over at once when the engine dies or hangs.
Until then it does the searches from scratch, which would hold up the engine's frames.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from engines.angiography.frame import Frame
from engines.inference.backend import usable_cores
from guidance_app.live.engine.engine_process import EngineRecipe, run_engine
from guidance_app.live.engine.exchange.parcel import ParcelRoom, discard
from guidance_app.live.engine.exchange.reports import (
    Beat,
    ColdStartDone,
    ColdStartFailed,
    ColdStartHandedOut,
    ColdStartJob,
    Degraded,
    Learned,
    LearnedElsewhere,
    Loading,
    NotStarted,
    Ready,
    Rehearse,
    Rehearsed,
    Report,
    StepDone,
    StepFailed,
    StepJob,
)
from guidance_app.live.engine.mailbox import Mailbox
from guidance_app.live.engine.shared_frames import FrameWriter
from guidance_app.live.guidance_state import SEARCHED_EVERY_S, Situation, searches_first
from guidance_app.live.supervision.engine_health import default_memory_limit_bytes, restart_delay_s
from guidance_app.live.supervision.worker import END_S, Worker

_LOADING_LIMIT_S = 120.0
_TICK_S = 0.25
_DEATHS_IN_A_ROW = 5  # without one frame done in between: it would never end


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoads:
    """How far the engine that is being loaded has come, for a person."""

    text: str


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


EngineNews = (
    EngineLoads
    | EngineUp
    | EngineLost
    | MemoryShort
    | StepDone
    | StepFailed
    | Degraded
    | ColdStartDone
    | ColdStartFailed
)


class Supervisor:
    """Feeds the newest frame to the engine whenever it is free, and replaces an engine that is lost.

    Args:
        tell: called from the supervisor's thread with everything the owner must know.
        situation: asked for the present situation when a frame is sent.
        spare: keep a second, loaded process waiting.

    Attributes:
        between_frames: held while a frame is taken and its situation asked for, so that an owner who holds it can
            change both.
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
        self.between_frames = threading.Lock()
        self._writer = FrameWriter()
        self._parcels: ParcelRoom | None = None
        self._wake_reader, self._wake_writer = multiprocessing.Pipe(duplex=False)
        self._wake_lock = threading.Lock()
        self._stopping = threading.Event()
        self._engine: Worker | None = None
        self._spare: Worker | None = None
        self._memory_limit_bytes = recipe.memory_limit_bytes or default_memory_limit_bytes()
        self._deaths_in_a_row = 0
        self._respawn_s = 0.0  # not before this moment
        self._next_frame_s = 0.0  # the same
        self._ever_lost = False
        self._gave_up = False
        self._thread = threading.Thread(target=self._run, name="guidance-supervisor", daemon=True)

    def start(self) -> None:
        self._parcels = ParcelRoom.made()
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """The newest frame; replaces one that the engine has not begun."""
        self._mailbox.put(frame)
        self._wake()

    def forget_frame(self) -> None:
        """Drop a frame that the engine has not begun."""
        self._mailbox.take()

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
        if self._parcels is not None:
            self._parcels.clear_away()

    # The supervisor's thread ----------------------------------------------------------------------------------------
    def _run(self) -> None:
        self._engine = self._spawn(urgent=True)
        if self._keep_spare and usable_cores() > 1:
            self._spare = self._spawn(urgent=False)  # both at once: a cine that begins with the engine needs both
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
                worker.end(at_once=worker.ready is None)

    @property
    def loaded(self) -> bool:
        """The spare process, too, could take a frame or a search."""
        spare = self._spare
        return not self._keep_spare or (spare is not None and spare.ready is not None)

    @property
    def at_rest(self) -> bool:
        """No process is loading or rehearsing: either takes a core for a second or two."""
        spare = self._spare
        return not self._keep_spare or (spare is not None and spare.rehearsed)

    def _waited_for(self) -> list[Any]:
        workers = [worker for worker in (self._engine, self._spare) if worker is not None]
        return [self._wake_reader, *(w.connection for w in workers), *(w.process.sentinel for w in workers)]

    def _watch(self, now_s: float, passed_s: float) -> None:
        """Read what both processes say, then judge whether they are well."""
        if self._spare is not None and (fault := self._fault(self._spare, now_s, passed_s)):
            searching = self._spare.searching
            self._spare.end(at_once=True)
            self._spare = None
            self._count_death(now_s)
            if searching is not None:
                self._tell(ColdStartFailed(text=fault, generation=searching))
        if self._engine is not None and (fault := self._fault(self._engine, now_s, passed_s)):
            self._replace_engine(fault, now_s)
        if now_s < self._respawn_s or not self._may_respawn():
            return
        if self._engine is None and not self._gave_up:
            self._engine = self._spawn(urgent=True)
        loaded = self._engine is not None and self._engine.ready is not None
        if self._keep_spare and loaded and self._spare is None:
            self._spare = self._spawn(urgent=False)

    def _fault(self, worker: Worker, now_s: float, passed_s: float) -> str:
        """Why this process must be replaced, "" if it is well."""
        # Time is counted in own ticks: after a pause of the whole machine nobody is declared dead.
        worker.silent_s += passed_s
        if not self._listen(worker):
            worker.process.join(END_S)
            return worker.refused or f"the engine process ended (exit code {worker.process.exitcode})"
        if worker.ready is None:
            return "the engine did not finish loading" if now_s - worker.started_s > _LOADING_LIMIT_S else ""
        if worker.is_silent:
            return f"the engine has been silent for {worker.silent_s:.1f} s"
        if worker.busy_since_s is not None and worker.is_stuck(now_s - worker.busy_since_s):
            return f"the engine is stuck on one frame for {now_s - worker.busy_since_s:.1f} s"
        return worker.memory_fault(now_s, self._memory_limit_bytes)

    def _listen(self, worker: Worker) -> bool:
        """Take in all reports; False once the process is gone."""
        try:
            while worker.connection.poll():
                worker.silent_s = 0.0
                self._take_in(worker, worker.connection.recv())
        except (EOFError, OSError):
            return False
        return worker.process.is_alive()

    def _take_in(self, worker: Worker, report: Report) -> None:
        if isinstance(report, Beat):
            return
        match report:
            case Ready():
                worker.ready = report
                if worker is self._engine:
                    self._announce(worker)
                if worker is self._spare or not self._keep_spare:
                    worker.send(Rehearse())
                return
            case Loading():
                if worker is self._engine:
                    self._tell(EngineLoads(text=report.text))
                return
            case Rehearsed():
                worker.rehearsed = True
                return
            case NotStarted():
                worker.refused = report.text
                return
            case ColdStartHandedOut():
                self._hand_over(report)
                return
            case Learned():
                self._hand_back(report, worker)
                return
            case ColdStartDone() | ColdStartFailed():
                if worker.searching == report.generation:  # else a newer one has taken its place
                    worker.searching = None
                worker.rehearsed = True
            case StepDone() | StepFailed():
                worker.step_ended()
                self._deaths_in_a_row = 0
        self._tell(report)

    def _hand_over(self, handed_out: ColdStartHandedOut) -> None:
        """The engine's cold start to the spare process."""
        spare = self._spare
        if spare is None or spare.ready is None:
            discard(handed_out.request)
            gone = "the process that was to search has gone"
            self._tell(ColdStartFailed(text=gone, generation=handed_out.generation))
            return
        spare.searching = handed_out.generation
        spare.send(ColdStartJob(request=handed_out.request, generation=handed_out.generation))

    def _hand_back(self, learned: Learned, worker: Worker) -> None:
        """What the spare process found on its way to the engine, which has asked."""
        if self._engine is None or self._engine is worker:
            discard(learned.background)
            return
        self._engine.send(LearnedElsewhere(background=learned.background, generation=learned.generation))

    def _announce(self, worker: Worker) -> None:
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
        self._engine.end(at_once=True)
        self._engine, self._spare = self._spare, None
        if self._gave_up:
            if self._engine is not None:
                self._engine.end(at_once=True)
                self._engine = None
            return
        if self._engine is not None and self._engine.ready is not None:
            self._announce(self._engine)

    def _may_respawn(self) -> bool:
        return self._deaths_in_a_row < _DEATHS_IN_A_ROW and not self._stopping.is_set()

    def _send_next(self, now_s: float) -> None:
        engine = self._engine
        if engine is None or engine.ready is None or engine.busy_since_s is not None or now_s < self._next_frame_s:
            return
        with self.between_frames:
            frame = self._mailbox.take()
            if frame is None:
                return
            situation = self._situation()
        waits = self._spare is not None and self._spare.ready is not None
        was_short = bool(self._writer.short_of)
        where = self._writer.write(frame.pixels)
        if self._writer.short_of and not was_short:
            self._tell(MemoryShort(text=self._writer.short_of))
        engine.send(StepJob.of(frame, where, situation, spare_waits=waits))
        engine.busy_since_s, engine.waited_before_s = now_s, None
        # Nothing can be drawn before the search has ended, and on few cores it waits for what the frames take.
        self._next_frame_s = now_s + SEARCHED_EVERY_S if waits and searches_first(situation) else 0.0

    def _spawn(self, *, urgent: bool) -> Worker:
        """`urgent`: there is no engine until it has loaded."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        assert self._parcels is not None, "made before the thread starts"
        process = context.Process(
            target=run_engine, args=(theirs, self._recipe, self._parcels.folder), kwargs={"urgent": urgent}, daemon=True
        )
        process.start()
        theirs.close()  # so that its death shows as the end of the pipe
        return Worker(process=process, connection=ours, started_s=time.monotonic())

    def _wake(self) -> None:
        with self._wake_lock, contextlib.suppress(OSError):
            self._wake_writer.send_bytes(b"!")
