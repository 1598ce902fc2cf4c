"""What measuring paints: lines with their figures on plates, and marks on the model where the model is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen, QPolygonF

from guidance_app.rooms.live.judging.judging_tool import paint_plate
from guidance_app.rooms.live.measuring.measured import Measurement
from guidance_app.views import palette
from guidance_app.views.picture_tool import PaintedPicture, PictureTool, Pointer

_DOT_PX = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownMark:
    """A mark on the model, as the pose in use shows it: (n, 2) column and row."""

    name: str
    points_px: Float[np.ndarray, "n 2"]
    colour: str
    dashed: bool


class MeasuringTool(PictureTool):
    """Attributes:
    measurements: of the view that is shown.
    drawing_px: points that were clicked so far.
    marks: on the model.
    note: about a stored view, above the picture; "" for none.

    Args:
        clicked: told of a click in the picture; whether it was taken.
    """

    def __init__(self, clicked: Callable[[Pointer], bool]) -> None:
        self.measurements: tuple[Measurement, ...] = ()
        self.drawing_px: tuple[tuple[float, float], ...] = ()
        self.marks: tuple[ShownMark, ...] = ()
        self.note = ""
        self._clicked = clicked

    @property
    def notes(self) -> tuple[str, ...]:
        return (self.note,) if self.note else ()

    def press(self, pointer: Pointer) -> bool:
        return pointer.button == Qt.MouseButton.LeftButton and self._clicked(pointer)

    def paint(self, painter: QPainter, picture: PaintedPicture) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for mark in self.marks:
            _paint_mark(painter, picture, mark)
        for one in self.measurements:
            line = _line(picture, one.points_px)
            _stroke(painter, line, palette.BRIGHT_TEXT)
            ends = line if one.kind != "diameter" else QPolygonF([line.first(), line.last()])
            _dots(painter, ends)
            at = picture.at(*one.points_px[-1])
            if one.narrowest_px is not None:
                at = picture.at(*one.narrowest_px)
                _dots(painter, QPolygonF([at]), size=1.8 * _DOT_PX)
            paint_plate(painter, picture, at, one.words())
        drawing = _line(picture, np.array(self.drawing_px).reshape(-1, 2))
        if not drawing.isEmpty():
            _stroke(painter, drawing, palette.UNVERIFIED)
            _dots(painter, drawing)


def _paint_mark(painter: QPainter, picture: PaintedPicture, mark: ShownMark) -> None:
    kept = mark.points_px[np.isfinite(mark.points_px).all(axis=1)]
    if not len(kept):
        return
    line = _line(picture, kept)
    if len(kept) == 1:
        _dots(painter, line, size=1.6 * _DOT_PX, colour=mark.colour)
    else:
        _stroke(painter, line, mark.colour, dashed=mark.dashed)
    rightmost = max((line.at(at) for at in range(line.count())), key=lambda point: point.x())
    paint_plate(painter, picture, rightmost, (mark.name,), colour=mark.colour)


def _line(picture: PaintedPicture, points_px: Float[np.ndarray, "n 2"]) -> QPolygonF:
    return QPolygonF([picture.at(column, row) for column, row in points_px.tolist()])


def _stroke(painter: QPainter, line: QPolygonF, colour: str, *, dashed: bool = False) -> None:
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(QColor(palette.CASING), 4.0), QPen(QColor(colour), 2.0, style)):
        painter.setPen(pen)
        painter.drawPolyline(line)


def _dots(painter: QPainter, line: QPolygonF, *, size: float = _DOT_PX, colour: str = palette.BRIGHT_TEXT) -> None:
    painter.setPen(QPen(QColor(palette.CASING), 2.0))
    painter.setBrush(QColor(colour))
    for at in range(line.count()):
        painter.drawEllipse(QPointF(line.at(at)), size, size)
