"""One engine for all runs of a case: loading it takes seconds, and the next run of the same patient needs the same."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engines.angiography.frame import Frame
from guidance_app.live.engine.engine_process import Degraded, EngineRecipe, StepDone, StepFailed
from guidance_app.live.guidance_state import Situation
from guidance_app.live.supervision.supervisor import EngineLoads, EngineLost, EngineNews, EngineUp, Supervisor


class SharedEngine:
    """Serves one session at a time: the one whose lease was started last. It ends with `stop`, not with a session.

    An answer to a frame of an earlier session is dropped. Cold starts of an earlier one are told by their generation:
    the situation of the next session begins with a higher one (`guidance_state.carried_on`).
    """

    def __init__(self, recipe: EngineRecipe, *, spare: bool = True) -> None:
        self._supervisor = Supervisor(recipe, tell=self._heard, situation=self._situation, spare=spare)
        self._lock = threading.Lock()  # guards what follows; never held while somebody is told
        self._telling = threading.RLock()  # held while somebody is told
        self._lease: EngineLease | None = None
        self._asked_by: EngineLease | None = None  # whose frame the engine is busy with
        self._started = False
        self._standing: dict[type, EngineNews] = {}  # what a new session must know

    def lease(self, *, tell: Callable[[EngineNews], None], situation: Callable[[], Situation]) -> EngineLease:
        """The engine as one session sees it; `tell` and `situation` are those of `Supervisor`."""
        return EngineLease(self, tell, situation)

    def stop(self) -> None:
        """End its processes; twice is harmless. Sessions that still hold a lease show pictures without guidance."""
        self._supervisor.stop()

    @property
    def loaded(self) -> bool:
        """See `Supervisor.loaded`."""
        return self._supervisor.loaded

    @property
    def at_rest(self) -> bool:
        """See `Supervisor.at_rest`."""
        return self._supervisor.at_rest

    def attach(self, lease: EngineLease) -> None:
        """Serve this lease from now on."""
        with self._telling:
            with self._supervisor.between_frames:
                self._supervisor.forget_frame()
                with self._lock:
                    self._lease = lease
                    standing = list(self._standing.values())
                    started, self._started = self._started, True
            if not started:
                self._supervisor.start()
            for news in standing:
                lease.tell(news)

    def detach(self, lease: EngineLease) -> None:
        """Tell this lease nothing more; returns once nothing is being told."""
        with self._lock:
            if self._lease is lease:
                self._lease = None
        with self._telling:
            pass

    def offer(self, lease: EngineLease, frame: Frame) -> None:
        with self._lock:
            if self._lease is not lease:
                return
        self._supervisor.offer(frame)

    # The supervisor's thread ----------------------------------------------------------------------------------------
    def _situation(self) -> Situation:
        with self._lock:
            self._asked_by = lease = self._lease
        return Situation() if lease is None else lease.situation()

    def _heard(self, news: EngineNews) -> None:
        with self._telling:
            with self._lock:
                self._remember(news)
                lease = self._lease
                if isinstance(news, StepDone | StepFailed) and self._asked_by is not lease:
                    return
            if lease is not None:
                lease.tell(news)

    def _remember(self, news: EngineNews) -> None:
        match news:
            case EngineUp() | EngineLost():
                self._standing = {type(news): news}
            case EngineLoads() | Degraded():
                self._standing[type(news)] = news


class EngineLease:
    """Has what a session needs of a `Supervisor`."""

    def __init__(
        self, engine: SharedEngine, tell: Callable[[EngineNews], None], situation: Callable[[], Situation]
    ) -> None:
        self._engine = engine
        self.tell = tell
        self.situation = situation

    def start(self) -> None:
        self._engine.attach(self)

    def offer(self, frame: Frame) -> None:
        self._engine.offer(self, frame)

    def stop(self) -> None:
        self._engine.detach(self)

    @property
    def loaded(self) -> bool:
        return self._engine.loaded

    @property
    def at_rest(self) -> bool:
        return self._engine.at_rest
