"""RAO to LAO from left to right, caudal to cranial upwards: where the C-arm stands, was, and had best stand."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from engines.planning.segment_views import AngleMap
from guidance_app.panels.pictures.grey import colour_image
from guidance_app.rooms.training.exercise import ANSWER, MINE, PRIMARY_LIMIT_DEG, SECONDARY_LIMIT_DEG
from guidance_app.views import palette

_MARGIN_PX = 26
_DARK, _BRIGHT = np.array([18.0, 22.0, 26.0]), np.array([96.0, 120.0, 132.0])  # much lost, nothing lost


class AngleMapView(QWidget):
    """`chosen` tells the angles under a pressed mouse, in degrees: + is LAO, + is cranial."""

    chosen = pyqtSignal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.here = (0.0, 0.0)
        self.looked: list[tuple[float, float]] = []
        self.best: tuple[float, float] | None = None
        self._map: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(212)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def show_answer(self, found: AngleMap) -> None:
        """Colour the map by what each angle loses, and mark the best."""
        share = np.clip(found.lost / max(float(np.quantile(found.lost, 0.9)), 1e-6), 0.0, 1.0)[::-1, :, None]
        rgb = share * _DARK + (1 - share) * _BRIGHT
        self._map = colour_image(rgb.astype(np.uint8))
        self.best = (found.best.primary_deg, found.best.secondary_deg)
        self.update()

    def place_of(self, primary_deg: float, secondary_deg: float) -> QPointF:
        area = self._area()
        x = area.center().x() + primary_deg / PRIMARY_LIMIT_DEG * area.width() / 2
        y = area.center().y() - secondary_deg / SECONDARY_LIMIT_DEG * area.height() / 2
        return QPointF(x, y)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self._area()
        painter.fillRect(area, QColor("#0f1113"))
        if self._map is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(area, self._map)
        painter.setPen(QPen(QColor(palette.LINE), 1))
        painter.drawRect(area)
        for degrees in (-30, 0, 30):
            at = self.place_of(degrees, 0)
            painter.drawLine(QPointF(at.x(), area.top()), QPointF(at.x(), area.bottom()))
        for degrees in (-20, 0, 20):
            at = self.place_of(0, degrees)
            painter.drawLine(QPointF(area.left(), at.y()), QPointF(area.right(), at.y()))
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(palette.SMALL_TEXT_PX)
        painter.setFont(font)
        painter.setPen(QColor(palette.QUIET_TEXT))
        flags = Qt.AlignmentFlag.AlignCenter
        for degrees, word in ((60, "LAO 60"), (30, "30"), (0, "0"), (-30, "30"), (-60, "RAO 60")):
            at = self.place_of(degrees, -SECONDARY_LIMIT_DEG)
            x = min(max(at.x() - 30, 0), self.width() - 60)
            painter.drawText(QRectF(x, area.bottom() + 3, 60, 18), flags, word)
        painter.drawText(QRectF(area.left() - 2, 2, 120, 18), Qt.AlignmentFlag.AlignLeft, "CRA 40")
        painter.drawText(QRectF(area.left() + 3, area.bottom() - 19, 120, 18), Qt.AlignmentFlag.AlignLeft, "CAU 40")
        for degrees in self.looked:
            painter.setPen(QPen(QColor(palette.NOT_CURRENT), 1.2))
            painter.drawEllipse(self.place_of(*degrees), 3.0, 3.0)
        if self.best is not None:
            at = self.place_of(*self.best)
            _mark(painter, at, ANSWER, square=True)
            _word(painter, at, "best", ANSWER, area)
        _mark(painter, self.place_of(*self.here), MINE, square=False)
        if self.best is not None:
            _word(painter, self.place_of(*self.here) + QPointF(0, 26), "yours", MINE, area)
        painter.end()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self._choose(a0.position())

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.buttons() & Qt.MouseButton.LeftButton:
            self._choose(a0.position())

    def _choose(self, at: QPointF) -> None:
        area = self._area()
        primary = (at.x() - area.center().x()) / (area.width() / 2) * PRIMARY_LIMIT_DEG
        secondary = (area.center().y() - at.y()) / (area.height() / 2) * SECONDARY_LIMIT_DEG
        self.chosen.emit(float(round(primary)), float(round(secondary)))

    def _area(self) -> QRectF:
        return QRectF(8, 20, self.width() - 16, self.height() - 20 - _MARGIN_PX)


def _mark(painter: QPainter, at: QPointF, colour: str, *, square: bool) -> None:
    for pen, width in ((palette.CASING, 5.0), (colour, 2.6)):
        painter.setPen(QPen(QColor(pen), width))
        painter.drawRect(QRectF(at.x() - 6, at.y() - 6, 12, 12)) if square else painter.drawEllipse(at, 7.0, 7.0)


def _word(painter: QPainter, at: QPointF, word: str, colour: str, area: QRectF) -> None:
    x = min(max(at.x() - 16, area.left() + 2), area.right() - 40)
    y = min(max(at.y() - 10, area.top() + 12), area.bottom() - 4)
    painter.setPen(QColor(colour))
    painter.drawText(QPointF(x, y), word)
