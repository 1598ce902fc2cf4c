"""Sees everything that a session tells its witnesses, with the monotonic time at which it did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, Overlay, OverlayState, ScreenState
from guidance_app.live.run_log import Event
from guidance_app.live.witness import RunWitness
from guidance_app.sources.source import CorruptFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """What was on the screen from `painted_ns` on. `overlay_mark` is what the engine read from its picture.

    `overlay_at_px` is the middle of what was drawn.
    """

    painted_ns: int
    frame: int
    overlay: OverlayState
    overlay_frame: int | None
    overlay_mark: int | None
    guidance_state: str
    engine_up: bool
    overlay_at_px: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event and when it was heard; its own time is the wall clock's, which may jump."""

    heard_ns: int
    event: Event


class Onlooker(RunWitness):
    """Every list only grows, so that readers of other threads may look at any time."""

    def __init__(self) -> None:
        self.painted_states: list[Painted] = []
        self.heard: list[Heard] = []
        self.frames_ns: dict[int, int] = {}
        self._changed = threading.Condition()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def kinds_since(self, since_ns: int) -> list[str]:
        return [heard.event.kind for heard in self.heard if heard.heard_ns >= since_ns]

    def first_event(self, kind: str, since_ns: int) -> Heard | None:
        return next((h for h in self.heard if h.heard_ns >= since_ns and h.event.kind == kind), None)

    def first_valid(self, since_ns: int, on_frames_since_ns: int) -> Painted | None:
        """The first valid overlay on a picture that came after a moment."""
        return next(
            (
                state
                for state in self.painted_states[-400:]
                if state.painted_ns >= since_ns
                and state.overlay == "valid"
                and self.frames_ns.get(state.frame, 0) >= on_frames_since_ns
            ),
            None,
        )

    # RunWitness -----------------------------------------------------------------------------------------------------
    @property
    def fault(self) -> str:
        return ""

    def begin(self, tell: Callable[[str], None]) -> None: ...

    def end(self) -> None:
        self._notify()

    def frame(self, frame: Frame) -> None:
        self.frames_ns[frame.index] = frame.received_ns

    def corrupt(self, error: CorruptFrame) -> None: ...

    def guided(self, result: GuidanceResult, registration: Registration | None, *, used: bool) -> None: ...

    def registered(self, registration: Registration, frame_index: int | None) -> None: ...

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        assert screen.frame is not None
        overlay = screen.overlay
        self.painted_states.append(
            Painted(
                painted_ns=painted_ns,
                frame=screen.frame.index,
                overlay=screen.overlay_state,
                overlay_frame=None if overlay is None else overlay.frame_index,
                overlay_mark=None if overlay is None else round(overlay.halo_px),
                guidance_state=screen.guidance_state,
                engine_up=screen.engine_up,
                overlay_at_px=None if overlay is None else _middle_px(overlay),
            )
        )
        self._notify()

    def event(self, event: Event) -> None:
        self.heard.append(Heard(heard_ns=time.monotonic_ns(), event=event))
        self._notify()

    def action(self, name: str, value: int | None = None) -> None: ...

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _middle_px(overlay: Overlay) -> tuple[float, float]:
    column, row = np.concatenate([line.points_px for line in overlay.centerlines]).mean(axis=0)
    return float(column), float(row)
