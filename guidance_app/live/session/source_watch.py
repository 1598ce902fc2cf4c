"""Notices that a source has gone silent or stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engines.angiography.frame import Frame

STALLED_AFTER_S = 0.7  # promised within 1 s, and looked at every 0.1 s
STALLED_AFTER_FRAMES = 1.5  # slow series: a frame every second is no stall
FROZEN_AFTER_S = 1.0

SignalState = Literal["waiting", "flowing", "stalled", "frozen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalChange:
    """Entered `state`; `text` is for the event log."""

    state: SignalState
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFault:
    """What is wrong with the picture on the screen, for a person, and for how long nothing else has come."""

    text: str
    held_ms: float


class SourceWatch:
    """Told of every frame and every silence, with the time. The session's lock guards it."""

    def __init__(self) -> None:
        self.state: SignalState = "waiting"
        self._last: Frame | None = None
        self._heard_ns = 0
        self._changed_ns = 0

    def frame(self, frame: Frame, now_ns: int) -> SignalChange | None:
        before, last = self.state, self._last
        if last is None or not _same_picture(frame, last):
            self._changed_ns = now_ns
        self._last, self._heard_ns = frame, now_ns
        self.state = "frozen" if now_ns - self._changed_ns >= FROZEN_AFTER_S * 1e9 else "flowing"
        if self.state == before or before == "waiting":
            return None
        if self.state == "frozen":
            return SignalChange(state="frozen", text=f"the same picture for {FROZEN_AFTER_S:.0f} s")
        return SignalChange(state="flowing", text="new pictures arrive again")

    def silence(self, now_ns: int, *, paused: bool) -> SignalChange | None:
        """Nothing came. A playback that a person paused is not stalled."""
        if paused:
            self._heard_ns = self._changed_ns = now_ns
            return None
        if self._last is None or self.state == "stalled":
            return None
        limit_s = max(STALLED_AFTER_S, STALLED_AFTER_FRAMES * (self._last.frame_time_ms or 0.0) / 1e3)
        if now_ns - self._heard_ns < limit_s * 1e9:
            return None
        self.state = "stalled"
        return SignalChange(state="stalled", text=f"no frame for {(now_ns - self._heard_ns) / 1e9:.1f} s")

    def fault(self, now_ns: int) -> PictureFault | None:
        """Why the newest picture does not show what is now; None while it does."""
        if self.state == "stalled":
            return PictureFault(text="no new picture from the source", held_ms=(now_ns - self._heard_ns) / 1e6)
        if self.state == "frozen":
            return PictureFault(text="the picture stands still", held_ms=(now_ns - self._changed_ns) / 1e6)
        return None


def _same_picture(frame: Frame, other: Frame) -> bool:
    return frame.pixels is other.pixels or np.array_equal(frame.pixels, other.pixels)
