"""RAO to LAO from left to right, caudal to cranial upwards: where the C-arm stands, was, and had best stand."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy

from engines.planning.segment_views import AngleMap
from guidance_app.panels.pictures.angle_plane import AnglePlane, loss_image
from guidance_app.rooms.training.exercise import ANSWER, MINE, PRIMARY_LIMIT_DEG, SECONDARY_LIMIT_DEG
from guidance_app.views import palette
from guidance_app.views.language import tr

_MARGIN_PX = 26
_DARK, _BRIGHT = np.array([18.0, 22.0, 26.0]), np.array([96.0, 120.0, 132.0])  # much lost, nothing lost


class AngleMapView(AnglePlane):
    """Where the C-arm stands, where it was tried, and the answer."""

    def __init__(self) -> None:
        super().__init__(PRIMARY_LIMIT_DEG, SECONDARY_LIMIT_DEG, (8, 20, 8, _MARGIN_PX))
        self.here = (0.0, 0.0)
        self.looked: list[tuple[float, float]] = []
        self.best: tuple[float, float] | None = None
        self._map: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(212)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_answer(self, found: AngleMap) -> None:
        """Colour the map by what each angle loses, and mark the best."""
        self._map = loss_image(found, _DARK, _BRIGHT)
        self.best = (found.best.primary_deg, found.best.secondary_deg)
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.area()
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
        for degrees, word in ((60, tr("LAO 60")), (30, "30"), (0, "0"), (-30, "30"), (-60, tr("RAO 60"))):
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
            _word(painter, at, tr("best"), ANSWER, area)
        _mark(painter, self.place_of(*self.here), MINE, square=False)
        if self.best is not None:
            _word(painter, self.place_of(*self.here) + QPointF(0, 26), tr("yours"), MINE, area)
        painter.end()


def _mark(painter: QPainter, at: QPointF, colour: str, *, square: bool) -> None:
    for pen, width in ((palette.CASING, 5.0), (colour, 2.6)):
        painter.setPen(QPen(QColor(pen), width))
        painter.drawRect(QRectF(at.x() - 6, at.y() - 6, 12, 12)) if square else painter.drawEllipse(at, 7.0, 7.0)


def _word(painter: QPainter, at: QPointF, word: str, colour: str, area: QRectF) -> None:
    x = min(max(at.x() - 16, area.left() + 2), area.right() - 40)
    y = min(max(at.y() - 10, area.top() + 12), area.bottom() - 4)
    painter.setPen(QColor(colour))
    painter.drawText(QPointF(x, y), word)
