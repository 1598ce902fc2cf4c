"""A picture with handles that are taken by the mouse, and a brush that paints on it."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen

from guidance_app.panels.pictures.picture_view import PictureView, say_on_plate
from guidance_app.views import palette

_KNOB_PX, _REACH_PX = 7, 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A place in mm that can be moved; `words` stand beside it."""

    name: str
    x_mm: float
    y_mm: float
    words: str


class HandleView(PictureView):
    """`handle_moved` is told once, where a handle was let go; `brushed` along a drag while a brush is on, with True for
    painting and False (right button) for wiping; `brush_lifted` at its end."""

    handle_moved = pyqtSignal(str, float, float)
    brushed = pyqtSignal(float, float, bool)
    brush_lifted = pyqtSignal()

    def __init__(self, title: str, *, half_width_mm: float, bar_mm: float) -> None:
        super().__init__(title, half_width_mm=half_width_mm, bar_mm=bar_mm)
        self.handles: tuple[Handle, ...] = ()
        self.brush_mm = 0.0  # radius; 0: no brush
        self._taken: Handle | None = None
        self._at = QPointF()
        self._painting: bool | None = None

    def show_handles(self, handles: tuple[Handle, ...]) -> None:
        self.handles = handles
        self._taken = None
        self.update()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None:
            return
        if self.brush_mm and a0.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self._painting = a0.button() == Qt.MouseButton.LeftButton
            self.brushed.emit(*self.place_mm(a0.position()), self._painting)
            return
        near = [(self._far(one, a0.position()), number) for number, one in enumerate(self.handles)]
        best = min(near, default=(float("inf"), 0))
        if a0.button() == Qt.MouseButton.LeftButton and best[0] <= _REACH_PX:
            self._taken, self._at = self.handles[best[1]], a0.position()
            return
        super().mousePressEvent(a0)

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None:
            self._at = a0.position()
            if self._painting is not None:
                self.brushed.emit(*self.place_mm(a0.position()), self._painting)
                return
            if self._taken is not None or self.brush_mm:
                self.update()
                if self._taken is not None:
                    return
        super().mouseMoveEvent(a0)

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and self._painting is not None:
            self._painting = None
            self.brush_lifted.emit()
            return
        if a0 is not None and self._taken is not None:
            taken, self._taken = self._taken, None
            self.update()
            self.handle_moved.emit(taken.name, *self.place_mm(a0.position()))
            return
        super().mouseReleaseEvent(a0)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        super().paintEvent(a0)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for one in self.handles:
            taken = self._taken is not None and one.name == self._taken.name
            at = self._at if taken else self.view_px(one.x_mm, one.y_mm)
            for colour, width in ((palette.CASING, 5.0), (palette.NOT_CURRENT, 2.5)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawEllipse(at, _KNOB_PX, _KNOB_PX)
            say_on_plate(painter, at.x() + _KNOB_PX + 6, at.y() + 4, one.words, palette.BRIGHT_TEXT)
        if self.brush_mm:
            painter.setPen(QPen(QColor(palette.NOT_CURRENT), 1.5))
            radius = abs(self.view_px(self.brush_mm, 0).x() - self.view_px(0, 0).x())
            painter.drawEllipse(self._at, radius, radius)
        painter.end()

    def _far(self, one: Handle, at: QPointF) -> float:
        return float((self.view_px(one.x_mm, one.y_mm) - at).manhattanLength())
