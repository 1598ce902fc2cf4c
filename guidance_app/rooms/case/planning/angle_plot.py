"""RAO to LAO from left to right, caudal to cranial upwards: the S-curve, what a segment loses, where the C-arm is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy

from engines.planning.angles import GantryLimits, ViewAngles
from engines.planning.segment_views import AngleMap
from guidance_app.panels.pictures.angle_plane import AnglePlane, loss_image
from guidance_app.panels.pictures.picture_view import say_on_plate
from guidance_app.views import palette
from guidance_app.views.language import tr

WIDEST_DEG, HIGHEST_DEG = 90.0, 60.0
CURVE, BEST, CARM = "#ffb347", palette.VALID, palette.BRIGHT_TEXT
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 54, 10, 24, 22
_DARK, _BRIGHT = np.array([20.0, 24.0, 28.0]), np.array([78.0, 112.0, 126.0])  # much lost, nothing lost


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotMark:
    """A view with a name; `shape` is "ring" or "square"."""

    words: str
    angles: ViewAngles
    colour: str
    shape: str = "ring"
    above: bool = True  # where its words stand


class AnglePlot(AnglePlane):
    """The S-curve, named views, what a segment loses, and the C-arm."""

    def __init__(self) -> None:
        super().__init__(WIDEST_DEG, HIGHEST_DEG, (_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX))
        self.limits = GantryLimits()
        self.curve: Float[np.ndarray, "n 2"] = np.empty((0, 2))
        self.marks: tuple[PlotMark, ...] = ()
        self.carm: ViewAngles | None = None
        self.live = False
        self._map: QImage | None = None
        self._reach = QRectF()
        self.setMinimumSize(180, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Angles: RAO to LAO, caudal to cranial"))

    def show_map(self, found: AngleMap | None) -> None:
        """What a segment loses, bright where little; None takes it away."""
        self._map = None
        if found is not None:
            self._map = loss_image(found, _DARK, _BRIGHT)
            self._reach = QRectF(
                QPointF(float(found.primary_deg[0]), float(found.secondary_deg[-1])),
                QPointF(float(found.primary_deg[-1]), float(found.secondary_deg[0])),
            )
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor("#000000"))
        area = self.area()
        painter.fillRect(area, QColor("#15191d"))
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(palette.SMALL_TEXT_PX)
        painter.setFont(font)
        painter.setClipRect(area)
        if self._map is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            first, last = self._reach.topLeft(), self._reach.bottomRight()
            target = QRectF(self.place_of(first.x(), first.y()), self.place_of(last.x(), last.y()))
            painter.drawImage(target, self._map)
        self._draw_grid(painter, area)
        self._draw_limits(painter, area)
        if len(self.curve) > 1:
            line = QPolygonF([self.place_of(float(p), float(s)) for p, s in self.curve])
            for colour, width in ((palette.CASING, 5.0), (CURVE, 2.4)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawPolyline(line)
        for mark in self.marks:
            _draw_mark(painter, self.place_of(mark.angles.primary_deg, mark.angles.secondary_deg), mark)
        if self.carm is not None:
            self._draw_carm(painter, self.carm)
        painter.setClipping(False)
        self._draw_words(painter, area)
        painter.end()

    def _draw_grid(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(QPen(QColor(palette.LINE), 1))
        for degrees in range(-60, 61, 30):
            x = self.place_of(degrees, 0).x()
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        for degrees in range(-40, 41, 20):
            y = self.place_of(0, degrees).y()
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))

    def _draw_limits(self, painter: QPainter, area: QRectF) -> None:
        """Hatched where the gantry does not reach: a shade alone would look like a bad view."""
        low = self.place_of(-self.limits.rao_deg, self.limits.cranial_deg)
        high = self.place_of(self.limits.lao_deg, -self.limits.caudal_deg)
        inner = QRectF(low, high)
        painter.setPen(Qt.PenStyle.NoPen)
        for part in (
            QRectF(area.left(), area.top(), area.width(), inner.top() - area.top()),
            QRectF(area.left(), inner.bottom(), area.width(), area.bottom() - inner.bottom()),
            QRectF(area.left(), inner.top(), inner.left() - area.left(), inner.height()),
            QRectF(inner.right(), inner.top(), area.right() - inner.right(), inner.height()),
        ):
            painter.fillRect(part, QColor(0, 0, 0, 120))
            painter.setBrush(QColor(150, 150, 150, 90))
            painter.setBrush(Qt.BrushStyle.BDiagPattern)
            painter.drawRect(part)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(palette.QUIET_TEXT), 1.2, Qt.PenStyle.DashLine))
        painter.drawRect(inner)

    def _draw_carm(self, painter: QPainter, carm: ViewAngles) -> None:
        at = self.place_of(carm.primary_deg, carm.secondary_deg)
        painter.setPen(QPen(QColor(palette.CASING), 2))
        painter.setBrush(QColor(CARM))
        painter.drawEllipse(at, 6.5, 6.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        words = tr("C-arm, live") if self.live else tr("C-arm")
        places = [self.place_of(mark.angles.primary_deg, mark.angles.secondary_deg) - at for mark in self.marks]
        width = painter.fontMetrics().horizontalAdvance(words)
        taken = any(-20.0 < place.x() < width + 60.0 and abs(place.y()) < 30.0 for place in places)
        say_on_plate(painter, at.x() - 14 - width if taken else at.x() + 12, at.y() + 4, words, CARM)

    def _draw_words(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(QColor(palette.QUIET_TEXT))
        flags = Qt.AlignmentFlag.AlignCenter
        for degrees, words in ((-60, "RAO 60"), (-30, "30"), (0, "0"), (30, "30"), (60, "LAO 60")):
            x = self.place_of(degrees, 0).x()
            painter.drawText(QRectF(x - 30, area.bottom() + 3, 60, 16), flags, words)
        for degrees, words in ((40, "CRA 40"), (20, "20"), (0, "0"), (-20, "20"), (-40, "CAU 40")):
            y = self.place_of(0, degrees).y()
            painter.drawText(QRectF(0, y - 8, _LEFT_PX - 4, 16), Qt.AlignmentFlag.AlignRight, words)
        say_on_plate(painter, 8, 17, tr("Angles: press to try one"), palette.BRIGHT_TEXT)


def _draw_mark(painter: QPainter, at: QPointF, mark: PlotMark) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((palette.CASING, 5.0), (mark.colour, 2.4)):
        painter.setPen(QPen(QColor(colour), width))
        if mark.shape == "square":
            painter.drawRect(QRectF(at.x() - 6, at.y() - 6, 12, 12))
        else:
            painter.drawEllipse(at, 7.0, 7.0)
    area = QRectF(painter.viewport())
    width = painter.fontMetrics().horizontalAdvance(mark.words)
    x = min(max(at.x() - 0.5 * width, area.left() + 4), area.right() - width - 6)
    say_on_plate(painter, x, at.y() - 12 if mark.above else at.y() + 22, mark.words, mark.colour)
