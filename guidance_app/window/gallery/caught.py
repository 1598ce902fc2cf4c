"""Runs real sessions, and keeps a screen of every state that guidance goes through."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engines.anatomy.cases.case import Case
from engines.angiography.frame import Frame
from engines.angiography.run import Run
from guidance_app.live.engine.case_pipeline import case_recipe
from guidance_app.live.guidance import ScreenState
from guidance_app.live.session.opening import open_session
from guidance_app.live.session.session import LiveSession
from guidance_app.live.supervision.shared_engine import SharedEngine
from guidance_app.sources.file_source import SaturatedFileSource
from guidance_app.sources.source import FrameSource, SourceClosed, SourceTimeout
from guidance_app.sources.uri import shown_run
from guidance_app.window.screenshot import contrast_along

_TICK_S = 0.016
_LIMIT_S = 120.0  # of one session, on a busy machine
_AFTERWARDS_S = 20.0  # what a person or a signal does shows within this time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaughtState:
    """One screen as a session gave it.

    Args:
        name: of the state, as in `PREDICATES`.
        source: what was played, in a word or two.
    """

    name: str
    source: str
    case_id: str
    case_kind: str
    runs: tuple[str, ...]
    run_index: int
    screen: ScreenState


def _evidence(screen: ScreenState) -> str:
    overlay = screen.overlay
    return "" if overlay is None or overlay.evidence is None else overlay.evidence.kind


def _valid(screen: ScreenState, kind: str) -> bool:
    return screen.overlay_state == "valid" and screen.guidance_state == "accepted" and _evidence(screen) == kind


PREDICATES: dict[str, Callable[[ScreenState], bool]] = {
    "idle": lambda screen: screen.frame is None,
    "playing": lambda screen: screen.frame is not None and screen.guidance_state == "unregistered" and screen.engine_up,
    "vessel": lambda screen: _valid(screen, "vessel"),
    "anatomy": lambda screen: _valid(screen, "anatomy"),
    "carried": lambda screen: screen.why is not None and screen.why.code == "carried" and screen.overlay is not None,
    "proposed": lambda screen: screen.guidance_state == "proposed" and screen.overlay is not None,
    "rejected": lambda screen: screen.guidance_state == "rejected",
    "stale": lambda screen: screen.guidance_state == "stale" and screen.frame is not None,
    "source lost": lambda screen: screen.source_state == "no_signal" and screen.frame is not None,
    "last run": lambda screen: screen.source_state == "last_run" and screen.frame is not None,
    "engine killed": lambda screen: not screen.engine_up and not screen.engine_loading and screen.frame is not None,
}


class StateNet:
    """Looks at every screen of a session; keeps the first of each state, and of `vessel` the one with most contrast.

    Attributes:
        newest: number of the newest frame that was seen, -1 before the first.
    """

    def __init__(self) -> None:
        self.found: dict[str, ScreenState] = {}
        self.newest = -1
        self._contrast = 0.0

    def look(self, screen: ScreenState) -> None:
        self.newest = self.newest if screen.frame is None else screen.frame.index
        for name, fits in PREDICATES.items():
            if not fits(screen):
                continue
            if name == "vessel":
                self._look_at_vessel(screen)
            elif name not in self.found:
                self.found[name] = screen

    def _look_at_vessel(self, screen: ScreenState) -> None:
        assert screen.overlay is not None
        assert screen.frame is not None
        contrast = contrast_along(screen.overlay, screen.frame)
        if "vessel" not in self.found or contrast > self._contrast:
            self.found["vessel"], self._contrast = screen, contrast


def states_of_runs(case: Case, paths: list[Path], *, source: str) -> Iterator[CaughtState]:
    """Play recorded runs one after the other on one engine, each frame waiting for its answer; then act as a person.

    Each run is played twice: its pictures before the contrast are then seen with a known pose. At the end the pose is
    rejected, that is taken back, and the engine process is killed; without a spare, so that its absence can be seen.

    Raises:
        GuidanceError: a run cannot be read.
    """
    names = tuple(path.stem for path in paths)
    engine = SharedEngine(case_recipe(case), spare=False)
    before = None
    try:
        for index, path in enumerate(paths):
            net = StateNet()
            opened = SaturatedFileSource(shown_run(path), loop=True)
            both_ways = 2 * opened.frame_count
            session = open_session(case, opened, engine=engine, before=before)
            with _started(session):
                _drive(session, net, until=lambda net=net, last=both_ways: net.newest >= last)
                if index == len(paths) - 1:
                    _act(session, net)
                before = session.situation
            for name, screen in net.found.items():
                yield _caught(case, name, screen, source, names, index)
    finally:
        engine.stop()


def states_of_source(
    case: Case,
    opened: FrameSource,
    *,
    source: str,
    until: tuple[str, ...],
    begin: Callable[[], object] = lambda: None,
) -> Iterator[CaughtState]:
    """Show a live source until it has gone through these states; `begin` is called once the engine answers."""
    net = StateNet()
    session = open_session(case, opened)
    with _started(session):
        _drive(session, net, until=lambda: session.engine_pid is not None)
        begin()
        _drive(session, net, until=lambda: all(name in net.found for name in until))
    for name, screen in net.found.items():
        yield _caught(case, name, screen, source, (), -1)


class BreakingReel:
    """A live source that plays a run at its pace and then falls silent, as a torn cable does (see `FrameSource`)."""

    def __init__(self, run: Run) -> None:
        self.source_id = f"live:{run.source_id}"
        self._run = run
        self._index = 0
        self._begun, self._closed = threading.Event(), threading.Event()

    def begin(self) -> None:
        self._begun.set()

    def next_frame(self, timeout_s: float) -> Frame:
        if self._closed.wait(min((self._run.frame_time_ms or 66.7) / 1e3, timeout_s)):
            raise SourceClosed(f"{self.source_id}: closed")
        if self._index >= self._run.frame_count or not self._begun.is_set():
            raise SourceTimeout(f"{self.source_id}: no frame")
        frame = self._run.frame(self._index)
        frame = replace(frame, index=self._index, received_ns=time.monotonic_ns(), source_id=self.source_id)
        self._index += 1
        return frame

    def close(self) -> None:
        self._closed.set()


def _act(session: LiveSession, net: StateNet) -> None:
    commands = session.commands
    commands.reject()
    _drive(session, net, until=lambda: "rejected" in net.found, limit_s=_AFTERWARDS_S)
    commands.undo_reject()
    _drive(session, net, until=lambda: "proposed" in net.found, limit_s=_AFTERWARDS_S)
    commands.accept()
    _drive(session, net, until=lambda: session.situation.state == "accepted", limit_s=_AFTERWARDS_S)
    if session.engine_pid is not None:
        os.kill(session.engine_pid, signal.SIGKILL)
        _drive(session, net, until=lambda: "engine killed" in net.found, limit_s=_AFTERWARDS_S)


@contextmanager
def _started(session: LiveSession) -> Iterator[None]:
    session.start()
    try:
        yield
    finally:
        session.stop()


def _drive(session: LiveSession, net: StateNet, *, until: Callable[[], bool], limit_s: float = _LIMIT_S) -> None:
    """What the window does to a session, without a window."""
    tick = threading.Event()
    end_ns = time.monotonic_ns() + int(limit_s * 1e9)
    painted: ScreenState | None = None
    while time.monotonic_ns() < end_ns:
        screen = session.screen()
        if screen is not painted:
            painted = screen
            net.look(screen)
            session.painted(screen, time.monotonic_ns())
        if until():
            return
        tick.wait(_TICK_S)


def _caught(
    case: Case, name: str, screen: ScreenState, source: str, runs: tuple[str, ...], index: int
) -> CaughtState:  # fmt: skip
    return CaughtState(
        name=name, source=source, case_id=case.id, case_kind=case.kind, runs=runs, run_index=index, screen=screen
    )  # fmt: skip
