"""Notes what was on the screen with each frame, and how long it took to get there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engines.angiography.frame import Frame
from guidance_app.live.guidance import Overlay, OverlayState, ScreenState
from guidance_app.live.latency import LatencyBook
from guidance_app.live.run_log import EventKind, EventLog, FrameLog

_WRITE_AFTER_NS = 500_000_000  # a frame that stays on the screen (pause, stall) is written without waiting for the next
_TOLD_AFTER_NS = 500_000_000  # an engine at its limit may cross the age limit with every other frame
_FPS_FRAMES = 30
_EVENT_OF: dict[OverlayState, EventKind] = {
    "valid": "overlay_valid",
    "stale": "overlay_stale",
    "hidden": "overlay_hidden",
}


class _Shown:
    """The frame on the screen and what was drawn on it, across repaints."""

    def __init__(self, frame: Frame, painted_ns: int) -> None:
        self.frame = frame
        self.first_painted_ns = painted_ns
        self.overlay: Overlay | None = None
        self.state: OverlayState = "hidden"
        self.age_ms: float | None = None
        self.reason = ""
        self.written = False
        self.since_ns = painted_ns  # the state is what it is

    def repainted(self, screen: ScreenState, painted_ns: int) -> None:
        same = screen.overlay_state == self.state
        self.since_ns = self.since_ns if same else painted_ns
        self.state, self.overlay = screen.overlay_state, screen.overlay
        self.reason = "" if screen.overlay_state == "valid" else screen.banner
        age_ms = screen.overlay_age_ms
        # A frame first shows its predecessor's overlay and then its own: the older of the two is what counts.
        self.age_ms = max(age_ms, self.age_ms or 0.0) if same and age_ms is not None else age_ms


class ScreenBook:
    """Not thread-safe: the session's lock guards it."""

    def __init__(self, frames: FrameLog, events: EventLog) -> None:
        self.latency = LatencyBook()
        self._frames = frames
        self._events = events
        self._shown: _Shown | None = None
        self._newest_painted = -1
        self._overlays_seen: deque[int] = deque(maxlen=64)
        self._arrivals_ns: deque[int] = deque(maxlen=_FPS_FRAMES)
        self._last_told: OverlayState = "hidden"
        self._untold_since_ns: int | None = None

    def arrived(self, frame: Frame) -> None:
        self._arrivals_ns.append(frame.received_ns)
        self.latency.add("decode", frame.decode_ms)

    def was_painted(self, index: int) -> bool:
        return index <= self._newest_painted

    def fps(self) -> float:
        if len(self._arrivals_ns) < 2:
            return 0.0
        span_ns = self._arrivals_ns[-1] - self._arrivals_ns[0]
        return (len(self._arrivals_ns) - 1) * 1e9 / span_ns if span_ns > 0 else 0.0

    def painted(self, screen: ScreenState, painted_ns: int, received_ns: Callable[[int], int | None]) -> None:
        frame = screen.frame
        assert frame is not None
        if frame.index < self._newest_painted:
            return
        if self._shown is None or self._shown.frame.index != frame.index:
            self.close_frame(painted_ns)
            self._shown = _Shown(frame, painted_ns)
            self._newest_painted = frame.index
            self.latency.painted(frame.received_ns, painted_ns)
        self.latency.add("paint", (painted_ns - screen.decided_ns) / 1e6)
        self._shown.repainted(screen, painted_ns)
        overlay = screen.overlay
        if overlay is None:
            return
        if screen.overlay_age_ms is not None:
            self.latency.overlay_age.add(screen.overlay_age_ms)
        if overlay.frame_index not in self._overlays_seen:
            self._overlays_seen.append(overlay.frame_index)
            if (arrived_ns := received_ns(overlay.frame_index)) is not None:
                self.latency.add("ingest_to_overlay", (painted_ns - arrived_ns) / 1e6)
        if overlay.frame_index == frame.index and screen.overlay_state == "valid":
            self.close_frame(painted_ns)

    def tick(self, now_ns: int) -> None:
        """Write a frame that stays on the screen."""
        if self._shown is not None and now_ns - self._shown.first_painted_ns > _WRITE_AFTER_NS:
            self.close_frame(now_ns)

    def close_frame(self, now_ns: int) -> None:
        """Write down what was on the screen with the frame shown until now, once."""
        shown = self._shown
        if shown is None:
            return
        if not shown.written:
            shown.written = True
            self._frames.painted(
                shown.frame.index, overlay=shown.overlay, state=shown.state, age_ms=shown.age_ms, reason=shown.reason
            )
        self._tell(shown, now_ns)

    def _tell(self, shown: _Shown, now_ns: int) -> None:
        """Tell at once when the overlay appears or goes, and tell a change between valid and marked once it lasts."""
        if shown.state == self._last_told:
            self._untold_since_ns = None
            return
        if "hidden" not in (shown.state, self._last_told):
            self._untold_since_ns = self._untold_since_ns or shown.since_ns
            if now_ns - self._untold_since_ns < _TOLD_AFTER_NS:
                return
        self._untold_since_ns = None
        self._last_told = shown.state
        text = "the overlay belongs to this view" if shown.state == "valid" else shown.reason
        self._events.add(_EVENT_OF[shown.state], text, frame=shown.frame.index)
