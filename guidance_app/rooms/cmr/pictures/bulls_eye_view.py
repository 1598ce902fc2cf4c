"""The bull's eye as a picture that answers the mouse: segments by perfusion or territory, seen from the apex."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget
from scipy import ndimage
from skimage.measure import find_contours

from engines.cmr.coronaries.verdict import DEFECT_OF_REMOTE
from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.results.drawing import VESSEL_COLOURS, colours
from engines.cmr.results.figure import MOST
from guidance_app.views import palette

CORE = 0.13  # radius of segment 17, as a share of the plot's
START_DEG = 120.0  # where the anterior RV insertion lies, counter-clockwise from the right
NOT_SEEN = "#5d6268"
_VESSELS = ("LAD", "LCx", "RCA")
_SIX, _FOUR = (2, 3, 4, 5, 6, 1), (14, 15, 16, 13)  # counter-clockwise from the anterior insertion
_LEGEND_PX, _RIM_PX, _TITLE_PX = 58, 26, 24
_CLEAR_DEG = 14.0
_ROOMY_PX = 110.0  # radius from which a segment has room for its share and its number
_FINE = 4  # finer cells of the territory table: smooth borders


class BullsEyeView(QWidget):
    """`pointed` tells the segment under the mouse, 0 for none; `clicked` the one that was clicked."""

    pointed = pyqtSignal(int)
    clicked = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shares: dict[int, float | None] = {}
        self.lit, self.chosen = 0, 0
        self.level: float | None = None
        self.show_territories, self.show_aha = False, True
        self.shared: frozenset[int] = frozenset()
        self._borders: tuple[np.ndarray, ...] = ()
        self._rim_names: tuple[tuple[str, float], ...] = ()
        self._table: np.ndarray | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(240, 280)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_result(
        self, shares: Mapping[int, float | None], territories: np.ndarray | None,
        shared: frozenset[int] = frozenset(),
    ) -> None:  # fmt: skip
        """Args:
        shares: upslope over remote, by segment; None where nothing was seen.
        shared: segments of which no vessel is sure.
        territories: (30, 120) 1 LAD, 2 LCx, 3 RCA by level and angle; None without a coronary tree.
        """
        self.shares, self.shared = dict(shares), shared
        if territories is not None:
            wide = np.concatenate([territories] * 3, axis=1)
            levels = (np.arange(territories.shape[0] * _FINE) + 0.5) / _FINE - 0.5
            angles = (np.arange(territories.shape[1] * _FINE) + 0.5) / _FINE - 0.5 + territories.shape[1]
            at = np.meshgrid(levels, angles, indexing="ij")
            parts = [
                ndimage.gaussian_filter(
                    ndimage.map_coordinates((wide == k).astype(np.float64), at, order=1, mode="nearest"),
                    _FINE / 2, mode=("nearest", "wrap"),  # pyright: ignore[reportArgumentType]
                )
                for k in (1, 2, 3)
            ]  # fmt: skip
            table = np.stack(parts).argmax(axis=0) + 1
            self._table = table
            self._borders = tuple(line for part in parts for line in self._lines(part))
            self._rim_names = tuple(self._rim(table))
        self.update()

    def light(self, segment: int) -> None:
        """Show a segment as pointed at; 0 for none."""
        if segment != self.lit:
            self.lit = segment
            self.update()

    def segment_at(self, at: QPointF) -> int:
        """The segment at a place of the view, 0 outside."""
        centre, radius = self._circle()
        x, y = (at.x() - centre.x()) / radius, (centre.y() - at.y()) / radius
        share = float(np.hypot(x, y))
        if share > 1.0:
            return 0
        if share < CORE:
            return 17
        degrees = (np.rad2deg(np.arctan2(y, x)) - START_DEG) % 360.0
        return int(aha_segments(np.asarray((share - CORE) / (1.0 - CORE) * 0.9999), np.asarray(degrees)))

    def place_of(self, segment: int) -> QPointF:
        """The middle of a segment in the view."""
        inner, outer, start, span = _cell(segment)
        if segment == 17:
            return self._circle()[0]
        return self._at(0.5 * (inner + outer), start + 0.5 * span)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(palette.ROOM))
        self._say(painter, QPointF(8, 17), self._title(), palette.BRIGHT_TEXT, bold=True, left=True)
        for segment in range(1, 18):
            painter.fillPath(self._path(segment), QBrush(self._colour(segment)))
        if self.show_territories and self._table is not None:
            self._paint_territories(painter)
            for segment in self.shared:
                painter.fillPath(self._path(segment), QBrush(QColor(0, 0, 0, 150), Qt.BrushStyle.BDiagPattern))
        if self.show_aha:
            painter.setPen(QPen(QColor(palette.BRIGHT_TEXT), 1.0))
            for segment in range(1, 18):
                painter.drawPath(self._path(segment))
        self._paint_borders(painter)
        self._paint_level(painter)
        for segment, colour, width in ((self.chosen, palette.BRIGHT_TEXT, 3.5), (self.lit, palette.VALID, 3.0)):
            if segment:
                for pen in (QPen(QColor(palette.CASING), width + 2.5), QPen(QColor(colour), width)):
                    painter.setPen(pen)
                    painter.drawPath(self._path(segment))
        for segment in range(1, 18):
            self._paint_words(painter, segment)
        self._paint_rim(painter)
        self._paint_legend(painter)
        painter.end()

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None:
            self.pointed.emit(self.segment_at(a0.position()))

    def leaveEvent(self, a0: QEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        self.pointed.emit(0)

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self.segment_at(a0.position()))

    def _title(self) -> str:
        return "Coronary territories of this patient" if self.show_territories else "Stress upslope, % of remote wall"

    def _circle(self) -> tuple[QPointF, float]:
        height = self.height() - _LEGEND_PX - _TITLE_PX
        radius = max(min(self.width() - 2 * _RIM_PX - 26, height - 2 * _RIM_PX) / 2, 20)
        return QPointF(self.width() / 2, _TITLE_PX + height / 2), radius

    def _at(self, share: float, degrees: float) -> QPointF:
        centre, radius = self._circle()
        turn = np.deg2rad(degrees + START_DEG)
        return QPointF(centre.x() + radius * share * np.cos(turn), centre.y() - radius * share * np.sin(turn))

    def _path(self, segment: int) -> QPainterPath:
        centre, radius = self._circle()
        inner, outer, start, span = _cell(segment)
        path = QPainterPath()
        boxes = [QRectF(centre.x() - radius * r, centre.y() - radius * r, 2 * radius * r, 2 * radius * r)
                 for r in (outer, inner)]  # fmt: skip
        if segment == 17:
            path.addEllipse(boxes[0])
            return path
        path.arcMoveTo(boxes[0], start + START_DEG)
        path.arcTo(boxes[0], start + START_DEG, span)
        path.arcTo(boxes[1], start + START_DEG + span, -span)
        path.closeSubpath()
        return path

    def _colour(self, segment: int) -> QColor:
        share = self.shares.get(segment)
        if share is None:
            return QColor(NOT_SEEN)
        return QColor(*(int(c) for c in colours(np.array([share / MOST]))[0]))

    def _paint_territories(self, painter: QPainter) -> None:
        assert self._table is not None
        rows, columns = self._table.shape
        step = 360.0 / columns
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(Qt.PenStyle.NoPen)
        # Runs of one vessel along the angle are painted as one piece.
        for row in range(rows):
            # A little over the rows before: no seams.
            inner, outer = (CORE + (1 - CORE) * (row + k) / rows for k in (-0.5, 1.0))
            line = self._table[row]
            starts = np.flatnonzero(np.diff(line, prepend=-1))
            for first, end in zip(starts, [*starts[1:], columns], strict=True):
                turns = np.linspace((first - 0.5) * step, end * step, max(int(end - first) // 4, 2) + 1)
                ring = [self._at(outer, float(t)) for t in turns] + [self._at(inner, float(t)) for t in turns[::-1]]
                painter.setBrush(QColor(*VESSEL_COLOURS[_VESSELS[line[first] - 1]]))
                painter.drawPolygon(QPolygonF(ring))
        painter.restore()

    def _paint_borders(self, painter: QPainter) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((palette.BRIGHT_TEXT, 5.0), (palette.CASING, 3.2)):
            painter.setPen(QPen(QColor(colour), width))
            for line in self._borders:
                painter.drawPolyline(QPolygonF([self._at(float(share), float(turn)) for share, turn in line]))

    def _paint_level(self, painter: QPainter) -> None:
        """The slice that the CT view shows, as a ring."""
        if self.level is None or not 0.0 <= self.level <= 1.0:
            return
        centre, radius = self._circle()
        own = radius * (CORE + (1 - CORE) * self.level)
        painter.setPen(QPen(QColor(palette.VALID), 1.4, Qt.PenStyle.DotLine))
        painter.drawEllipse(centre, own, own)

    def _paint_words(self, painter: QPainter, segment: int) -> None:
        share, at = self.shares.get(segment), self.place_of(segment)
        if self.show_territories or share is None:
            self._rimmed(painter, at, str(segment), 13)
            return
        if self._circle()[1] < _ROOMY_PX:  # two numbers a segment would lie on each other
            self._rimmed(painter, at, f"{100 * share:.0f}", 12)
            return
        self._rimmed(painter, at - QPointF(0, 7), f"{100 * share:.0f}", 16)
        self._rimmed(painter, at + QPointF(0, 9), str(segment), 11)

    def _rimmed(self, painter: QPainter, at: QPointF, words: str, size: int) -> None:
        """White with a dark rim: read on every colour of the scale and on a border."""
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(size)
        font.setBold(size > 11)
        path = QPainterPath()
        path.addText(0.0, 0.0, font, words)
        path.translate(at - path.boundingRect().center())
        pen = QPen(QColor(palette.CASING), 3.2)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.strokePath(path, pen)
        painter.fillPath(path, QBrush(QColor(palette.BRIGHT_TEXT)))

    def _paint_rim(self, painter: QPainter) -> None:
        centre, radius = self._circle()
        for words, dx, dy in (("anterior", 0, -1), ("inferior", 0, 1)):
            self._say(painter, centre + QPointF(0, dy * (radius + 12) + dx), words, palette.QUIET_TEXT, size=11)
        for words, side, turn in (("septal", -1, -90), ("lateral", 1, 90)):
            painter.save()
            painter.translate(centre + QPointF(side * (radius + 12), 0))
            painter.rotate(turn)
            self._say(painter, QPointF(0, 0), words, palette.QUIET_TEXT, size=11)
            painter.restore()
        for name, degrees in self._rim_names:
            at = self._at(1.0, degrees)
            out = at - centre
            at = at + out * (17.0 / max(radius, 1.0))
            colour = QColor(*VESSEL_COLOURS[name]).lighter(140).name()
            self._say(painter, at, name, colour, bold=True, size=13, plate=True)

    def _paint_legend(self, painter: QPainter) -> None:
        x, y, width = 12.0, self.height() - 40.0, min(170.0, self.width() * 0.42)
        if self.show_territories:
            for number, name in enumerate(_VESSELS):
                painter.fillRect(QRectF(x + 64 * number, y, 14, 11), QColor(*VESSEL_COLOURS[name]))
                self._say(painter, QPointF(x + 64 * number + 18, y + 10), name, palette.TEXT, size=12, left=True)
            box = QRectF(x + 64 * len(_VESSELS), y, 14, 11)
            painter.fillRect(box, QColor(palette.QUIET_TEXT))
            painter.fillRect(box, QBrush(QColor(0, 0, 0), Qt.BrushStyle.BDiagPattern))
            self._say(painter, box.topLeft() + QPointF(18, 10), "shared", palette.TEXT, size=12, left=True)
        else:
            ramp = QLinearGradient(x, 0, x + width, 0)
            for share in np.linspace(0, 1, 10):
                ramp.setColorAt(float(share), QColor(*(int(c) for c in colours(np.array([share]))[0])))
            painter.fillRect(QRectF(x, y, width, 11), QBrush(ramp))
            for share in (0.0, DEFECT_OF_REMOTE, 1.0, MOST):
                at = QPointF(x + width * share / MOST, y + 19)
                self._say(painter, at, f"{100 * share:.0f}", palette.TEXT, size=11)
            painter.setPen(QPen(QColor(palette.BRIGHT_TEXT), 2.0))
            tick = x + width * DEFECT_OF_REMOTE / MOST
            painter.drawLine(QPointF(tick, y - 4), QPointF(tick, y + 12))
            words = f"defect below {100 * DEFECT_OF_REMOTE:.0f}"
            self._say(painter, QPointF(tick - 34, y - 10), words, palette.QUIET_TEXT, size=11)
            self._say(painter, QPointF(x + width + 8, y + 10), "% of remote", palette.TEXT, size=12, left=True)
            grey = x + width + 86
            painter.fillRect(QRectF(grey, y, 16, 11), QColor(NOT_SEEN))
            self._say(painter, QPointF(grey + 20, y + 10), "unseen", palette.TEXT, size=12, left=True)
        words = "white: AHA segments" if self.show_aha else "AHA borders hidden"
        fed = "; black: this patient's territories" if self._table is not None else "; no coronary tree"
        self._say(painter, QPointF(x, self.height() - 4), words + fed, palette.QUIET_TEXT, size=11, left=True)

    def _say(self, painter: QPainter, at: QPointF, words: str, colour: str, *, bold: bool = False, size: int = 13,
             left: bool = False, plate: bool = False) -> None:  # fmt: skip
        font = QFont(palette.FONT_FAMILY)
        font.setPixelSize(size)
        font.setBold(bold)
        painter.setFont(font)
        painter.setPen(QColor(colour))
        if left:
            painter.drawText(at, words)
            return
        wide, high = painter.fontMetrics().horizontalAdvance(words) + 6, painter.fontMetrics().height()
        box = QRectF(at.x() - wide / 2, at.y() - high / 2, wide, high)
        if plate:
            painter.fillRect(box, QColor(*palette.PLATE))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    @staticmethod
    def _lines(part: np.ndarray) -> list[np.ndarray]:
        """Where a vessel's territory ends, as (share of the radius, degrees)."""
        rows, columns = part.shape
        wide = np.concatenate([part, part[:, :1]], axis=1)
        found = []
        for line in find_contours(wide, 0.5):
            share = CORE + (1.0 - CORE) * (line[:, 0] + 0.5) / rows
            found.append(np.stack([share, (line[:, 1] + 0.5) * 360.0 / columns], axis=1))
        return found

    @staticmethod
    def _rim(table: np.ndarray) -> list[tuple[str, float]]:
        """Name and middle of each vessel's part of the basal rim."""
        degrees = (np.arange(table.shape[1]) + 0.5) * 360.0 / table.shape[1]
        found = []
        for k, name in enumerate(_VESSELS, start=1):
            own = np.exp(1j * np.deg2rad(degrees)) * (table[-table.shape[0] // 3 :] == k).sum(axis=0)
            if abs(own.sum()) > 1e-6:
                middle = float(np.rad2deg(np.angle(own.sum()))) + START_DEG
                beside = (middle + 45.0) % 90.0 - 45.0  # from the nearest word about the rim
                if abs(beside) < _CLEAR_DEG:
                    middle += float(np.copysign(_CLEAR_DEG, beside)) - beside
                found.append((name, middle - START_DEG))
        return found


def _cell(segment: int) -> tuple[float, float, float, float]:
    """Inner and outer radius (shares), start from the anterior insertion and span, degrees counter-clockwise."""
    if segment == 17:
        return 0.0, CORE, 0.0, 360.0
    if segment >= 13:
        return CORE, CORE + (1 - CORE) / 3, 15.0 + 90.0 * _FOUR.index(segment), 90.0
    ring = 2 if segment <= 6 else 1
    start = 60.0 * _SIX.index(segment if segment <= 6 else segment - 6)
    return CORE + (1 - CORE) * ring / 3, CORE + (1 - CORE) * (ring + 1) / 3, start, 60.0
