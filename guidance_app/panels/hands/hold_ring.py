"""A ring that fills while a button is held: what has consequences is not done by a touch."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QRectF, Qt, QTimer
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QWidget

from guidance_app.views import palette
from guidance_app.views.language import tr

HOLD_S = 0.8
_TICK_MS = 16
_SIZE_PX = (300, 132)
_RING_PX = 64
_ABOVE_EDGE_PX = 100  # the research line stays to be read


class HoldRing(QWidget):
    """A child of the window, at its lower middle; takes no mouse and no key.

    Args:
        clock_ns: monotonic.
    """

    def __init__(self, parent: QWidget, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFixedSize(*_SIZE_PX)
        self._clock_ns = clock_ns
        self._began_ns = 0
        self._words = ""
        self._full: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.hide()

    @property
    def share(self) -> float:
        """How much of the hold is over, 0 to 1; 0 while nothing is held."""
        if self._full is None:
            return 0.0
        return min((self._clock_ns() - self._began_ns) / (1e9 * HOLD_S), 1.0)

    def begin(self, words: str, full: Callable[[], None]) -> None:
        """Fill; `full` is called once if nobody lets go before."""
        self._words, self._full, self._began_ns = words, full, self._clock_ns()
        self.setAccessibleName(tr("Hold: {action}").format(action=words))
        self.place()
        self.show()
        self._timer.start()

    def let_go(self) -> bool:
        """Held no longer; True if it was too short, and nothing was done."""
        early = self._full is not None
        self._end()
        return early

    def place(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.move((parent.width() - self.width()) // 2, parent.height() - self.height() - _ABOVE_EDGE_PX)
            self.raise_()

    def _tick(self) -> None:
        self.update()
        if self.share >= 1.0 and self._full is not None:
            full = self._full
            self._end()
            full()

    def _end(self) -> None:
        self._timer.stop()
        self._full = None
        self.hide()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        try:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(*palette.PLATE))
            painter.drawRoundedRect(QRectF(self.rect()), 10.0, 10.0)
            ring = QRectF((self.width() - _RING_PX) / 2, 14.0, _RING_PX, _RING_PX)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(palette.LINE), 8.0))
            painter.drawEllipse(ring)
            pen = QPen(QColor(palette.BRIGHT_TEXT), 8.0)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            painter.drawArc(ring, 90 * 16, -round(360 * 16 * self.share))
            words = QRectF(8.0, ring.bottom() + 8.0, self.width() - 16.0, self.height() - ring.bottom() - 12.0)
            shown = tr("Hold: {action}").format(action=self._words)
            painter.drawText(words, Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap, shown)
        finally:
            painter.end()
