"""Watches a run for injections beside the picture, and does there what takes longer than a picture may wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from engines.angiography.anatomy_anchor import InPlaneMove
from engines.angiography.frame import Frame
from engines.angiography.roadmaps.injections import Injection, InjectionWatch
from engines.angiography.roadmaps.roadmap import Roadmap, roadmap_of
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.live.run_log import Event
from guidance_app.rooms.live.contrast.roadmap_picture import roadmap_picture
from guidance_app.sources.source import CorruptFrame

_QUEUED_FRAMES = 64  # a second search beside it may hold the machine for seconds; then the oldest are left out
_CHECK_EVERY_S = 0.2  # bones do not move faster than a person sees
# Vessels of a kind of case at their widest; wider shades that come with contrast are those of heart and diaphragm.
_WIDEST_MM: dict[str, float] = {"coronary": 6.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What is known of contrast so far.

    Args:
        injections, frames: so far in this run.
        filled: the newest picture holds contrast.
        injection: the last one, also while it goes on.
        unfilled: the newest pictures of the present view without contrast.
    """

    injections: int = 0
    frames: int = 0
    filled: bool = False
    injection: Injection | None = None
    unfilled: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldRoadmap:
    """A roadmap and how it is painted.

    Args:
        picture: red, green, blue, alpha, premultiplied, on the frame's grid.
    """

    roadmap: Roadmap
    picture: UInt8[np.ndarray, "rows columns 4"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoneCheck:
    """How the bones of `frame` lie against the roadmap's; `move` is None where that is not known."""

    roadmap: Roadmap
    frame: Frame
    move: InPlaneMove | None


class ContrastWatcher:
    """A `RunWitness` with one thread. What it has found is read by the window's timer; nothing there waits for it.

    Args:
        kind: of case.

    Attributes:
        seen: what is known now.
        made: the roadmap of the newest injection, once one was wanted.
        check: the newest look at the bones for the roadmap of `watch_bones`.
        fault: why it has stopped; "" while it works.
    """

    def __init__(self, kind: str = "") -> None:
        self.fault = ""
        self.seen = Seen()
        self.made: HeldRoadmap | None = None
        self.check: BoneCheck | None = None
        self._widest_mm = _WIDEST_MM.get(kind)
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque(maxlen=_QUEUED_FRAMES)
        self._tasks: deque[Callable[[], None]] = deque()
        self._wanted = False
        self._checked: Roadmap | None = None
        self._ending = False
        self._watch = InjectionWatch()
        self._numbers: set[tuple[str, int]] = set()  # what is played again counts once
        self._newest: Frame | None = None
        self._made_of: tuple[object, ...] = ()
        self._looked_s = 0.0
        self._thread = threading.Thread(target=self._run, name="guidance-contrast", daemon=True)

    # What the window asks for

    def want_roadmap(self, wanted: bool) -> None:
        """Make a roadmap of the last injection, and of each that follows."""
        with self._changed:
            self._wanted = wanted
            self._changed.notify()

    def watch_bones(self, roadmap: Roadmap | None) -> None:
        """Compare the newest pictures with this roadmap's from now on."""
        if roadmap is self._checked:
            return
        with self._changed:
            self._checked, self._looked_s = roadmap, 0.0
            self._changed.notify()

    def do(self, task: Callable[[], None]) -> None:
        """Call this in the thread, once."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    # What it witnesses

    def begin(self, tell: Callable[[str], None]) -> None:  # noqa: ARG002 - it has nothing to tell
        with self._changed:
            if self._thread.ident is None and not self._ending:
                self._thread.start()

    def end(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def frame(self, frame: Frame) -> None:
        with self._changed:
            self._frames.append(frame)
            self._changed.notify()

    def corrupt(self, error: CorruptFrame) -> None: ...

    def guided(self, result: GuidanceResult, registration: Registration | None, *, used: bool) -> None: ...

    def registered(self, registration: Registration, frame_index: int | None) -> None: ...

    def painted(self, screen: ScreenState, painted_ns: int) -> None: ...

    def event(self, event: Event) -> None: ...

    def action(self, name: str, value: int | None = None) -> None: ...

    # The thread

    def _run(self) -> None:
        while (todo := self._next()) is not None:
            try:
                todo()
            except Exception as error:  # the picture goes on without it, and the banner says so
                self.fault = f"contrast is watched no longer: {type(error).__name__}: {error}"
                return

    def _next(self) -> Callable[[], None] | None:
        """What to do next; None at the end. Frames come first: what was missed cannot be seen again."""
        with self._changed:
            while True:
                if self._ending:
                    return None
                if self._frames:
                    frame = self._frames.popleft()
                    return lambda: self._see(frame)
                if self._tasks:
                    return self._tasks.popleft()
                if self._wanted and self._watch.injection is not None and self._key() != self._made_of:
                    return self._make
                wait_s = self._until_look_s()
                if wait_s is not None and wait_s <= 0.0:
                    return self._look
                self._changed.wait(wait_s)

    def _see(self, frame: Frame) -> None:
        self._watch.see(frame)
        self._numbers.add((frame.source_id, frame.source_frame))
        self._newest = frame
        watch = self._watch
        self.seen = Seen(
            injections=watch.count, frames=len(self._numbers), filled=watch.filled, injection=watch.injection,
            unfilled=watch.unfilled,
        )  # fmt: skip

    def _key(self) -> tuple[object, ...]:
        injection = self._watch.injection
        assert injection is not None
        return injection.fullest.source_id, injection.first, injection.over

    def _make(self) -> None:
        injection = self._watch.injection
        assert injection is not None
        self._made_of = self._key()
        roadmap = roadmap_of(injection, widest_mm=self._widest_mm)
        if roadmap is not None:
            self.made = HeldRoadmap(roadmap=roadmap, picture=roadmap_picture(roadmap.vessels))

    def _until_look_s(self) -> float | None:
        """None where there is nothing to look at."""
        newest, checked = self._newest, self._checked
        if newest is None or checked is None:
            return None
        if self.check is not None and self.check.frame is newest and self.check.roadmap is checked:
            return None
        return self._looked_s + _CHECK_EVERY_S - time.monotonic()

    def _look(self) -> None:
        newest, roadmap = self._newest, self._checked
        if newest is None or roadmap is None:
            return
        self._looked_s = time.monotonic()
        self.check = BoneCheck(roadmap=roadmap, frame=newest, move=roadmap.compare(newest))
