"""Lanes one below the other over one axis in millimetres: long views, maps and bands with one cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QWheelEvent
from PyQt6.QtWidgets import QWidget

from guidance_app.views import palette

LEFT_PX, RIGHT_PX = 62, 12  # plots below align with this
_GAP_PX, _AXIS_PX = 5, 18


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A line in a lane: (n,) places in mm and heights in the lane's unit."""

    x_mm: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    colour: str
    width_px: float = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A ring at a place in a lane."""

    x_mm: float
    y: float
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lane:
    """One lane.

    Args:
        name: what it shows, at its left; lines separated by newlines.
        weight: share of the height.
        image: spans `x_mm` and `y`, its first row at the top.
        y: heights at the bottom and at the top.
        ticks: heights that are named at the left.
    """

    name: str
    weight: float
    y: tuple[float, float]
    image: QImage | None = None
    x_mm: tuple[float, float] = (0.0, 1.0)
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    ticks: tuple[float, ...] = ()
    smooth: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A line from a place in one lane to a place in another."""

    upper: int
    upper_at: tuple[float, float]
    lower: int
    lower_at: tuple[float, float]
    colour: str


class LaneView(QWidget):
    """Everything but the cursor is painted once; a scrub costs one copy and one line.

    `scrubbed` tells the place under a pressed mouse, `clicked` lane, place and height of a click with the right button
    or with Ctrl, `wheeled` notches.
    """

    scrubbed = pyqtSignal(float)
    clicked = pyqtSignal(int, float, float)
    wheeled = pyqtSignal(int)

    def __init__(self, *, axis_words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.axis_words = axis_words
        self.range_mm = (0.0, 1.0)
        self.cursor_mm = 0.0
        self.flags_mm: tuple[tuple[float, str], ...] = ()  # bookmarks and other places, with their colour
        self._lanes: tuple[Lane, ...] = ()
        self._joins: tuple[Join, ...] = ()
        self._still: QPixmap | None = None
        self.setMouseTracking(True)
        self.setMinimumHeight(120)

    def show_lanes(self, lanes: tuple[Lane, ...], range_mm: tuple[float, float], joins: tuple[Join, ...] = ()) -> None:
        self._lanes, self.range_mm, self._joins = lanes, range_mm, joins
        self._still = None
        self.update()

    def show_flags(self, flags_mm: tuple[tuple[float, str], ...]) -> None:
        self.flags_mm = flags_mm
        self._still = None
        self.update()

    def show_cursor(self, at_mm: float) -> None:
        self.cursor_mm = at_mm
        self.update()

    def x_px(self, at_mm: float) -> float:
        low, high = self.range_mm
        return LEFT_PX + (at_mm - low) / max(high - low, 1e-9) * (self.width() - LEFT_PX - RIGHT_PX)

    def place_mm(self, x_px: float) -> float:
        low, high = self.range_mm
        share = (x_px - LEFT_PX) / max(self.width() - LEFT_PX - RIGHT_PX, 1)
        return low + min(max(share, 0.0), 1.0) * (high - low)

    def lane_rect(self, number: int) -> QRectF:
        """Where a lane is painted."""
        free = self.height() - _AXIS_PX - _GAP_PX * len(self._lanes)
        weights = [lane.weight for lane in self._lanes]
        above = sum(weights[:number]) / max(sum(weights), 1e-9)
        share = weights[number] / max(sum(weights), 1e-9)
        return QRectF(LEFT_PX, above * free + _GAP_PX * number, self.width() - LEFT_PX - RIGHT_PX, share * free)

    def y_px(self, number: int, height: float) -> float:
        rect, (low, high) = self.lane_rect(number), self._lanes[number].y
        return rect.bottom() - (height - low) / (high - low) * rect.height()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        if self._still is None or self._still.size() != self.size():
            self._still = self._painted()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._still)
        x = self.x_px(self.cursor_mm)
        painter.setPen(QPen(QColor(palette.VALID), 1.4))
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height() - _AXIS_PX))
        painter.end()

    def resizeEvent(self, a0: object) -> None:  # noqa: ARG002 - Qt's signature
        self._still = None

    def _painted(self) -> QPixmap:
        still = QPixmap(self.size())
        still.fill(QColor(palette.ROOM))
        painter = QPainter(still)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(11)
        painter.setFont(font)
        for number, lane in enumerate(self._lanes):
            self._paint_lane(painter, number, lane)
        for join in self._joins:
            painter.setPen(QPen(QColor(join.colour), 1.3))
            painter.drawLine(QPointF(self.x_px(join.upper_at[0]), self.y_px(join.upper, join.upper_at[1])),
                             QPointF(self.x_px(join.lower_at[0]), self.y_px(join.lower, join.lower_at[1])))  # fmt: skip
        for at_mm, colour in self.flags_mm:
            painter.setPen(QPen(QColor(colour), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(self.x_px(at_mm), 0), QPointF(self.x_px(at_mm), self.height() - _AXIS_PX))
        self._paint_axis(painter)
        painter.end()
        return still

    def _paint_lane(self, painter: QPainter, number: int, lane: Lane) -> None:
        rect = self.lane_rect(number)
        painter.fillRect(rect, QColor("#050607"))
        painter.save()
        painter.setClipRect(rect)
        if lane.image is not None:
            left, right = (self.x_px(at) for at in lane.x_mm)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, lane.smooth)
            painter.drawImage(QRectF(left, rect.top(), right - left, rect.height()), lane.image)
        for curve in lane.curves:
            points = [
                QPointF(self.x_px(float(x)), self.y_px(number, float(y)))
                for x, y in zip(curve.x_mm, curve.y, strict=True)
            ]
            painter.setPen(QPen(QColor(curve.colour), curve.width_px))
            painter.drawPolyline(QPolygonF(points))
        for mark in lane.marks:
            at = QPointF(self.x_px(mark.x_mm), self.y_px(number, mark.y))
            for colour, width in ((palette.CASING, 3.2), (mark.colour, 1.6)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawEllipse(at, 5, 5)
        painter.restore()
        painter.setPen(QColor(palette.TEXT))
        painter.drawText(QRectF(2, rect.top(), LEFT_PX - 8, rect.height()),
                         Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, lane.name)  # fmt: skip
        painter.setPen(QColor(palette.QUIET_TEXT))
        for height in lane.ticks:
            y = min(max(self.y_px(number, height), rect.top() + 6), rect.bottom() - 4)
            painter.drawText(QRectF(0, y - 7, LEFT_PX - 4, 14), Qt.AlignmentFlag.AlignRight, f"{height:g}")

    def _paint_axis(self, painter: QPainter) -> None:
        low, high = self.range_mm
        y = self.height() - _AXIS_PX
        painter.setPen(QColor(palette.QUIET_TEXT))
        step = next((s for s in (1, 2, 5, 10, 20, 50) if (high - low) / s <= 14), 100)
        for at in np.arange(np.ceil(low / step) * step, high + 1e-6, step):
            x = self.x_px(float(at))
            painter.drawLine(QPointF(x, y), QPointF(x, y + 3))
            painter.drawText(QRectF(x - 20, y + 3, 40, 14), Qt.AlignmentFlag.AlignHCenter, f"{at + 0.0:g}")
        painter.drawText(QRectF(2, y + 3, LEFT_PX - 4, 14), Qt.AlignmentFlag.AlignLeft, self.axis_words)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None:
            return
        pointing = a0.button() == Qt.MouseButton.RightButton or bool(
            a0.modifiers() & Qt.KeyboardModifier.ControlModifier
        )
        if pointing:
            self._tell(a0.position(), self.clicked.emit)
        elif a0.button() == Qt.MouseButton.LeftButton:
            self.scrubbed.emit(self.place_mm(a0.position().x()))

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.buttons() & Qt.MouseButton.LeftButton:
            self.scrubbed.emit(self.place_mm(a0.position().x()))

    def _tell(self, at: QPointF, tell: Callable[[int, float, float], None]) -> None:
        for number, lane in enumerate(self._lanes):
            rect = self.lane_rect(number)
            if rect.top() <= at.y() <= rect.bottom():
                share = (rect.bottom() - at.y()) / rect.height()
                tell(number, self.place_mm(at.x()), lane.y[0] + share * (lane.y[1] - lane.y[0]))

    def wheelEvent(self, a0: QWheelEvent | None) -> None:
        if a0 is not None and (notches := round(a0.angleDelta().y() / 120)):
            self.wheeled.emit(notches)
