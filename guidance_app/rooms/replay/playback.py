"""One clock for both sides."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, QTimer

from guidance_app.views.language import tr

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_USUAL_MS = 1000.0 / 15.0
_LEAST_MS = 16


class LinkedPlayback(QObject):
    """Every action returns a line for the status strip.

    Args:
        show: called with each frame that is to be seen, from 0, and whether it plays.
        pace_changed: told when speed or stretch has changed.

    Attributes:
        at: the frame that is seen.
        stretch: first and last frame that are repeated; without its end while it is marked; None for the whole run.
    """

    def __init__(self, parent: QObject, show: Callable[[int, bool], None], pace_changed: Callable[[], None]) -> None:
        super().__init__(parent)
        self.total, self.at, self.speed = 0, 0, 1.0
        self.stretch: tuple[int, int | None] | None = None
        self._period_ms = _USUAL_MS
        self._show, self._pace_changed = show, pace_changed
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._advance)

    @property
    def playing(self) -> bool:
        return self._timer.isActive()

    def begin(self, total: int, period_ms: float | None) -> None:
        """Another run, from its first frame."""
        self._timer.stop()
        self.total, self.at, self.stretch, self.speed = total, 0, None, 1.0
        self._period_ms = period_ms or _USUAL_MS
        self._pace_changed()
        if total:
            self._show(0, False)

    def refusal(self) -> str:
        return "" if self.total else tr("No run is open")

    def play_or_pause(self) -> str:
        if self.playing:
            self.pause()
            return tr("Paused")
        if self.stretch is None and self.at >= self.total - 1:
            self.at = -1
        self._start()
        self._advance()
        return tr("Playing")

    def pause(self) -> None:
        self._timer.stop()
        if self.total:
            self._show(self.at, False)

    def go_to(self, frame: int) -> str:
        """To this frame, and stay there."""
        self._timer.stop()
        self.at = min(max(frame, 0), max(self.total - 1, 0))
        self._show(self.at, False)
        return ""

    def step(self, frames: int) -> str:
        return self.go_to(self.at + frames)

    def change_speed(self, by: int) -> str:
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + by, 0), len(SPEEDS) - 1)]
        if self.playing:
            self._start()
        self._pace_changed()
        return tr("{speed} times its own pace").format(speed=f"{self.speed:g}")

    def mark_stretch(self) -> str:
        """First the beginning, then the end of a stretch that is repeated; then the whole run again."""
        if self.stretch is None:
            self.stretch, told = (self.at, None), tr("Repeats from frame {number}; the same key marks the end")
        elif self.stretch[1] is None:
            first, last = sorted((self.stretch[0], self.at))
            self.stretch, told = (first, last), tr("Repeats up to frame {number}; the same key ends it")
        else:
            self.stretch, told = None, tr("Plays the whole run")
        self._pace_changed()
        return told.format(number=self.at + 1)

    def _start(self) -> None:
        self._timer.start(max(_LEAST_MS, round(self._period_ms / self.speed)))

    def _advance(self) -> None:
        following = self.at + 1
        if self.stretch is not None and self.stretch[1] is not None and not (
            self.stretch[0] <= following <= self.stretch[1]
        ):  # fmt: skip
            following = self.stretch[0]
        if following >= self.total:
            self.pause()
            return
        self.at = following
        self._show(self.at, True)
