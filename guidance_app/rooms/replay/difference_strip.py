"""Below both pictures: how far A and B lie apart on each frame, as bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from guidance_app.views import palette
from guidance_app.views.language import tr

_HEIGHT_PX = 58
_MARGIN_PX = 12
_SCALES_MM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_WORDS_PX = 16


class DifferenceStrip(QWidget):
    """Frames without a pose in both stay empty: nothing is known there, and no bar is no agreement.

    Args:
        go_to: called with a frame, from 0, as the mouse is pressed and dragged.
    """

    def __init__(self, go_to: Callable[[int], object]) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT_PX)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(tr("Distance between A and B on each frame"))
        self._go_to = go_to
        self._total, self._at = 0, 0
        self._away_mm: Mapping[int, float] = {}
        self.words = ""

    def show_run(self, total: int, away_mm: Mapping[int, float], words: str) -> None:
        """`words` say what the bars add up to."""
        self._total, self._away_mm, self.words = total, dict(away_mm), words
        self.update()

    def stand_at(self, frame: int) -> None:
        self._at = frame
        self.update()

    @property
    def scale_mm(self) -> float:
        """What the strip's whole height stands for."""
        most = max(self._away_mm.values(), default=0.0)
        return next((scale for scale in _SCALES_MM if scale >= most), _SCALES_MM[-1])

    def frame_at(self, x: float) -> int:
        share = (x - _MARGIN_PX) / max(self.width() - 2 * _MARGIN_PX, 1)
        return min(max(int(share * self._total), 0), max(self._total - 1, 0))

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        try:
            painter.fillRect(self.rect(), QColor(palette.ROOM))
            if self._total:
                self._paint(painter)
        finally:
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        bottom, height = self.height() - 3.0, self.height() - _WORDS_PX - 6.0
        step = (self.width() - 2 * _MARGIN_PX) / self._total
        painter.fillRect(QRectF(_MARGIN_PX, bottom, step * self._total, 1.0), QColor(palette.LINE))
        for frame, away_mm in self._away_mm.items():
            bar = max(1.0, height * min(away_mm / self.scale_mm, 1.0))
            painter.fillRect(QRectF(_MARGIN_PX + frame * step, bottom - bar, max(step - 1.0, 1.0), bar),
                             QColor(palette.TEXT))  # fmt: skip
        x = _MARGIN_PX + (self._at + 0.5) * step
        painter.fillRect(QRectF(x - 1.0, _WORDS_PX, 2.0, bottom - _WORDS_PX), QColor(palette.BRIGHT_TEXT))
        scale = tr("full height {scale} mm").format(scale=f"{self.scale_mm:g}")
        words = f"{self.words}; {scale}" if self._away_mm else self.words
        font = painter.font()
        font.setPixelSize(palette.SMALL_TEXT_PX)
        painter.setFont(font)
        painter.setPen(QColor(palette.QUIET_TEXT))
        area = QRectF(_MARGIN_PX, 0.0, self.width() - 2.0 * _MARGIN_PX, _WORDS_PX)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton and self._total:
            self._go_to(self.frame_at(a0.position().x()))

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.buttons() & Qt.MouseButton.LeftButton and self._total:
            self._go_to(self.frame_at(a0.position().x()))
