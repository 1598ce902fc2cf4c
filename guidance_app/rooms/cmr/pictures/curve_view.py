"""Curves of a first pass: both pools, the wall as measured, its own uptake, the fitted slope, beats left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from guidance_app.views import palette

LEFT, RIGHT, WALL, SLOPE, GONE = "#ff6b6b", "#4aa3ff", "#e8e8e8", "#ffc233", "#7a2f2f"
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 34, 10, 40, 22
_POOL_SHARE = 0.97  # of the height that the brighter pool takes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Args:
    name: what the wall's curve is of.
    left, right, wall, uptake: over their baseline; `right` and `uptake` may be empty.
    slope: first frame, last frame, value at the first, rise per second; empty where none was fitted.
    """

    name: str
    times_s: Float[np.ndarray, " t"]
    left: Float[np.ndarray, " t"]
    right: Float[np.ndarray, " u"]
    wall: Float[np.ndarray, " t"]
    uptake: Float[np.ndarray, " v"]
    slope: Float[np.ndarray, " s"]
    excluded: tuple[int, ...]


class CurveView(QWidget):
    """`clicked` carries the frame under the mouse."""

    clicked = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.curves: Curves | None = None
        self.frame = 0
        self.words = ""
        self.setMinimumSize(140, 110)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_curves(self, curves: Curves | None, words: str = "") -> None:
        """Show others; `words` stand there where there are none."""
        self.curves, self.words = curves, words
        self.update()

    def show_frame(self, frame: int) -> None:
        self.frame = frame
        self.update()

    def x_of(self, frame: int) -> float:
        """Place of a frame in the widget."""
        assert self.curves is not None
        t = self.curves.times_s
        share = (t[frame] - t[0]) / max(float(t[-1] - t[0]), 1e-6)
        return _LEFT_PX + float(share) * (self.width() - _LEFT_PX - _RIGHT_PX)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and self.curves is not None:
            places = [abs(self.x_of(k) - a0.position().x()) for k in range(len(self.curves.times_s))]
            self.clicked.emit(int(np.argmin(places)))

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(palette.PANEL))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(palette.SMALL_TEXT_PX)
        painter.setFont(font)
        if self.curves is None:
            painter.setPen(QColor(palette.QUIET_TEXT))
            painter.drawText(QRectF(self.rect()).adjusted(8, 6, -8, -6), Qt.TextFlag.TextWordWrap, self.words)
        else:
            self._draw(painter, self.curves)
        painter.end()

    def _draw(self, painter: QPainter, shown: Curves) -> None:
        wall_top = 1.0 + 1.1 * max(float(np.max(shown.wall)) - 1.0, 0.3)
        pool_top = 1.0 + (max(float(np.max(shown.left)), float(np.max(shown.right, initial=1.0))) - 1.0) / _POOL_SHARE
        bottom, height = self.height() - _BOTTOM_PX, self.height() - _BOTTOM_PX - _TOP_PX

        def y(value: float, top: float) -> float:
            return bottom - height * (value - 0.9) / max(top - 0.9, 1e-6)

        def line(values: np.ndarray, top: float, colour: str, width: float, *, dashed: bool = False) -> None:
            pen = QPen(QColor(colour), width)
            if dashed:
                pen.setStyle(Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.drawPolyline(
                QPolygonF([QPointF(self.x_of(k), y(float(v), top)) for k, v in enumerate(values) if np.isfinite(v)])
            )

        for frame in shown.excluded:
            painter.fillRect(QRectF(self.x_of(frame) - 2.5, _TOP_PX, 5, height), QColor(GONE))
        painter.setPen(QPen(QColor(palette.LINE), 1))
        painter.drawLine(QPointF(_LEFT_PX, bottom), QPointF(self.width() - _RIGHT_PX, bottom))
        for value in (1.0, 0.5 * (1.0 + wall_top), wall_top):
            painter.setPen(QColor(palette.QUIET_TEXT))
            painter.drawText(QPointF(4, y(value, wall_top) + 4), f"{value:.1f}")
        painter.drawText(QPointF(_LEFT_PX + 30, self.height() - 6), "pools on a scale of their own")
        line(shown.left, pool_top, LEFT, 1.4)
        if len(shown.right) == len(shown.times_s):
            line(shown.right, pool_top, RIGHT, 1.4)
        line(shown.wall, wall_top, WALL, 1.0, dashed=len(shown.uptake) > 0)
        painter.setBrush(QColor(WALL))
        for frame, value in enumerate(shown.wall):
            painter.drawEllipse(QPointF(self.x_of(frame), y(float(value), wall_top)), 1.6, 1.6)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if len(shown.uptake):
            line(shown.uptake, wall_top, WALL, 2.0)
        if len(shown.slope):
            self._draw_slope(painter, shown, lambda value: y(value, wall_top))
        painter.setPen(QPen(QColor(palette.BRIGHT_TEXT), 1))
        x = self.x_of(min(self.frame, len(shown.times_s) - 1))
        painter.drawLine(QPointF(x, _TOP_PX), QPointF(x, bottom))
        self._draw_words(painter, shown)

    def _draw_slope(self, painter: QPainter, shown: Curves, y: Callable[[float], float]) -> None:
        first, last, value, rise = (float(part) for part in shown.slope)
        start, end = shown.times_s[int(first)], shown.times_s[min(int(last), len(shown.times_s) - 1)]
        painter.setPen(QPen(QColor(SLOPE), 3))
        painter.drawLine(
            QPointF(self.x_of(int(first)), y(value)), QPointF(self.x_of(int(last)), y(value + rise * (end - start)))
        )

    def _draw_words(self, painter: QPainter, shown: Curves) -> None:
        painter.setPen(QColor(palette.BRIGHT_TEXT))
        painter.drawText(QPointF(8, 15), shown.name)
        x = 8.0
        words = [("LV", LEFT), ("RV", RIGHT), ("wall", WALL)]
        words += [(f"slope {shown.slope[3]:.2f}/s", SLOPE)] if len(shown.slope) else []
        words += [("left out", "#d06060")] if shown.excluded else []
        for word, colour in words:
            painter.setPen(QColor(colour))
            painter.drawText(QPointF(x, 31), word)
            x += painter.fontMetrics().horizontalAdvance(word) + 10
        painter.setPen(QColor(palette.QUIET_TEXT))
        for frame in (0, len(shown.times_s) - 1):
            text = f"{shown.times_s[frame] - shown.times_s[0]:.0f} s"
            x = self.x_of(frame) - (painter.fontMetrics().horizontalAdvance(text) if frame else 0)
            painter.drawText(QPointF(x, self.height() - 6), text)
