"""A picture in millimetres with overlays and a cursor; several of them can be linked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSizeF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QWheelEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from guidance_app.views import palette

_DRAG_PX = 4  # below: a click
_ZOOM_LIMITS = (0.5, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """A line over the picture.

    Args:
        points_mm: (n, 2) along columns and rows, from the picture's origin.
        name: what it is, for the legend; "" leaves it out.
    """

    points_mm: Float[np.ndarray, "n 2"]
    colour: str
    name: str = ""
    closed: bool = False
    width_px: float = 1.6
    dashed: bool = False


class PictureView(QWidget):
    """Columns run right, rows run down; the origin lies in the middle of the view.

    Signals carry places in mm: `pointed` while the mouse moves over the picture, `clicked` for a press without a drag,
    `dragged` the share of the view that a drag with the left button went (window and level), `wheeled` notches.
    """

    pointed = pyqtSignal(float, float)
    left = pyqtSignal()  # the mouse has gone
    clicked = pyqtSignal(float, float)
    dragged = pyqtSignal(float, float)
    wheeled = pyqtSignal(int)

    def __init__(
        self, title: str, *, half_width_mm: float = 4.6, bar_mm: float = 1.0, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.title = title
        self.bar_mm = bar_mm
        self.half_width_mm = half_width_mm
        self.zoom = 1.0
        self.corner = ""
        self.cursor_mm: tuple[float, float] | None = None
        self.handle_rad: float | None = None
        self.outlines_hidden = False
        self._image: QImage | None = None
        self._extent = QRectF()
        self._outlines: tuple[Outline, ...] = ()
        self._pressed: QPointF | None = None
        self._moved = False
        self.setMouseTracking(True)
        self.setMinimumSize(140, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_picture(self, image: QImage, *, pixel_mm: tuple[float, float], origin_px: tuple[float, float]) -> None:
        """Show another picture.

        Args:
            pixel_mm: width and height of a pixel.
            origin_px: (column, row) of the origin, counted from the centre of the first pixel.
        """
        self._image = image
        (width, height), (column, row) = pixel_mm, origin_px
        self._extent = QRectF((-0.5 - column) * width, (-0.5 - row) * height, image.width() * width,
                              image.height() * height)  # fmt: skip
        self.update()

    def show_outlines(self, outlines: tuple[Outline, ...]) -> None:
        self._outlines = outlines
        self.update()

    def hide_outlines(self, hidden: bool) -> None:
        self.outlines_hidden = hidden
        self.update()

    def show_cursor(self, x_mm: float | None, y_mm: float | None = None) -> None:
        """Move the linked cursor; None takes it away."""
        self.cursor_mm = None if x_mm is None or y_mm is None else (x_mm, y_mm)
        self.update()

    def view_px(self, x_mm: float, y_mm: float) -> QPointF:
        scale = self._scale()
        return QPointF(self.width() / 2 + scale * x_mm, self.height() / 2 + scale * y_mm)

    def place_mm(self, at: QPointF) -> tuple[float, float]:
        scale = self._scale()
        return (at.x() - self.width() / 2) / scale, (at.y() - self.height() / 2) / scale

    def _scale(self) -> float:
        return min(self.width(), self.height()) / (2 * self.half_width_mm) * self.zoom

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#000000"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._image is not None:
            corner = self.view_px(self._extent.left(), self._extent.top())
            scale = self._scale()
            size = QSizeF(scale * self._extent.width(), scale * self._extent.height())
            painter.drawImage(QRectF(corner, size), self._image)
        if not self.outlines_hidden:
            for outline in self._outlines:
                self._draw_outline(painter, outline)
        self._draw_scale_and_words(painter)
        if self.handle_rad is not None:
            self._draw_handle(painter, self.handle_rad)
        if self.cursor_mm is not None:
            at = self.view_px(*self.cursor_mm)
            for colour, width in ((palette.CASING, 4.0), (palette.VALID, 2.0)):
                painter.setPen(QPen(QColor(colour), width))
                for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                    painter.drawLine(at + QPointF(4 * dx, 4 * dy), at + QPointF(11 * dx, 11 * dy))
        painter.end()

    def _draw_outline(self, painter: QPainter, outline: Outline) -> None:
        if len(outline.points_mm) < 2:
            return
        polygon = QPolygonF([self.view_px(float(x), float(y)) for x, y in outline.points_mm])
        # A dark rim keeps the line visible on bright tissue.
        for colour, width in ((palette.CASING, outline.width_px + 1.6), (outline.colour, outline.width_px)):
            pen = QPen(QColor(colour), width)
            if outline.dashed:
                pen.setStyle(Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolygon(polygon) if outline.closed else painter.drawPolyline(polygon)

    def _draw_scale_and_words(self, painter: QPainter) -> None:
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(palette.SMALL_TEXT_PX)
        font.setBold(True)
        painter.setFont(font)
        say_on_plate(painter, 8, 17, self.title, palette.BRIGHT_TEXT)
        font.setBold(False)
        painter.setFont(font)
        for number, line in enumerate(self.corner.splitlines()):
            say_on_plate(painter, 8, 34 + 16 * number, line, palette.BRIGHT_TEXT)
        # A fixed length, so that linked pictures are seen to have one scale.
        length = self._scale() * self.bar_mm
        y = self.height() - 10
        for colour, width in ((palette.CASING, 4), (palette.BRIGHT_TEXT, 2)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawLine(QPointF(8, y), QPointF(8 + length, y))
        say_on_plate(painter, 12 + length, y + 4, f"{self.bar_mm:g} mm", palette.BRIGHT_TEXT)
        if self.outlines_hidden:
            return
        names = {outline.name: outline.colour for outline in self._outlines if outline.name}
        for number, (name, colour) in enumerate(names.items()):
            x = self.width() - 8 - painter.fontMetrics().horizontalAdvance(name)
            say_on_plate(painter, x, 17 + 16 * number, name, colour)

    def _draw_handle(self, painter: QPainter, turn: float) -> None:
        """The plane of the long views, with a knob to turn it by."""
        reach = 0.93 * self.half_width_mm / self.zoom
        direction = np.array([np.cos(turn), np.sin(turn)])
        ends = [self.view_px(*(sign * reach * direction)) for sign in (-1, 1)]
        painter.setPen(QPen(QColor(palette.NOT_CURRENT), 1, Qt.PenStyle.DotLine))
        painter.drawLine(ends[0], ends[1])
        painter.setPen(QPen(QColor(palette.CASING), 1))
        painter.setBrush(QColor(palette.BRIGHT_TEXT))
        painter.drawEllipse(ends[1], 5, 5)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._moved = a0.position(), False

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None:
            return
        self.pointed.emit(*self.place_mm(a0.position()))
        if self._pressed is not None:
            by = a0.position() - self._pressed
            if self._moved or by.manhattanLength() > _DRAG_PX:
                self._moved = True
                self._pressed = a0.position()
                self.dragged.emit(by.x() / max(self.width(), 1), -by.y() / max(self.height(), 1))

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None or self._pressed is None:
            return
        self._pressed = None
        if not self._moved:
            self.clicked.emit(*self.place_mm(a0.position()))

    def leaveEvent(self, a0: QEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        self.left.emit()

    def wheelEvent(self, a0: QWheelEvent | None) -> None:
        if a0 is None:
            return
        notches = round(a0.angleDelta().y() / 120)
        if a0.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom = float(np.clip(self.zoom * 1.15**notches, *_ZOOM_LIMITS))
            self.update()
        elif notches:
            self.wheeled.emit(notches)


def say_on_plate(painter: QPainter, x: float, y: float, words: str, colour: str) -> None:
    """Words on a dark ground: tissue behind them is often as bright."""
    if not words:
        return
    metrics = painter.fontMetrics()
    ground = QRectF(x - 3, y - metrics.ascent() - 1, metrics.horizontalAdvance(words) + 6, metrics.height() + 1)
    painter.fillRect(ground, QColor(5, 8, 10, 190))
    painter.setPen(QColor(colour))
    painter.drawText(QPointF(x, y), words)
