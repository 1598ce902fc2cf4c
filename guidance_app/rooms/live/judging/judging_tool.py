"""What judging paints on the picture: a comparison in place of the overlay, and the chosen branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from guidance_app.live.guidance import Overlay
from guidance_app.rooms.live.judging.branch_words import mark_of, millimetres
from guidance_app.rooms.live.judging.comparison import Comparison, checkerboard, edges, ground_of, rendered_model
from guidance_app.views import palette
from guidance_app.views.annotation_layout import PlacedText, line_height, text_width
from guidance_app.views.annotation_painter import paint_texts
from guidance_app.views.language import tr
from guidance_app.views.overlay_look import Badge
from guidance_app.views.picture_tool import PaintedPicture, PictureTool

if TYPE_CHECKING:
    from guidance_app.rooms.live.judging.judged_model import JudgedBranch

_WORDS: dict[Comparison, str] = {
    "flicker": "FLICKER (B)",
    "checkerboard": "SQUARES (C)",
    "edges": "EDGES (E)",
}
_ARROW_PX = 7.0
_SHORTEST_ARROW_PX = 3.0
_SMALLER = 0.68  # of a plate's further lines


class JudgingTool(PictureTool):
    """Attributes:
    comparison: None shows the overlay as ever.
    model_turn: while they flicker, it is the model's turn.
    overlay: what is compared; None where there is nothing to compare.
    chosen: the branch to show with its vessel.
    """

    def __init__(self) -> None:
        self.comparison: Comparison | None = None
        self.model_turn = False
        self.overlay: Overlay | None = None
        self.chosen: JudgedBranch | None = None
        self._rendered: UInt8[np.ndarray, "rows columns"] | None = None
        self._rendered_of: tuple[Overlay, int] | None = None
        self._image: QImage | None = None
        self._bytes: np.ndarray | None = None  # owned by the image above
        self._image_of: tuple[object, ...] = (None, None, None)

    @property
    def hides_overlay(self) -> bool:
        return self._comparing

    @property
    def badge(self) -> Badge | None:
        if not self._comparing or self.comparison is None:
            return None
        return Badge(text=tr(_WORDS[self.comparison]), shape="ring", colour=palette.TEXT)

    @property
    def _comparing(self) -> bool:
        return self.comparison is not None and self.overlay is not None

    def paint(self, painter: QPainter, picture: PaintedPicture) -> None:
        if self._comparing:
            self._paint_comparison(painter, picture)
        if self.chosen is not None:
            _paint_branch(painter, picture, self.chosen)

    def _paint_comparison(self, painter: QPainter, picture: PaintedPicture) -> None:
        if self.comparison == "flicker" and not self.model_turn:
            return
        assert self.overlay is not None
        if self.overlay.geometry.shape_px != picture.grey.shape:
            return
        # The view windows into a new array whenever it windows at all.
        key = (self.comparison, self.overlay, picture.grey)
        if self._image is None or any(now is not before for now, before in zip(key, self._image_of, strict=True)):
            self._image, self._image_of = self._drawn(picture.grey), key
        rows, columns = picture.grey.shape
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(picture.placing.view_from_frame.mapRect(QRectF(0.0, 0.0, columns, rows)), self._image)

    def _drawn(self, grey: UInt8[np.ndarray, "rows columns"]) -> QImage:
        assert self.overlay is not None
        ground = ground_of(grey)
        if self._rendered is None or self._rendered_of != (self.overlay, ground):
            self._rendered, self._rendered_of = rendered_model(self.overlay, ground), (self.overlay, ground)
        rows, columns = grey.shape
        if self.comparison == "edges":
            self._bytes = np.ascontiguousarray(edges(grey, self._rendered))
            return QImage(self._bytes.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)  # pyright: ignore[reportCallIssue, reportArgumentType] - any buffer will do
        shown = checkerboard(grey, self._rendered) if self.comparison == "checkerboard" else self._rendered
        self._bytes = np.ascontiguousarray(shown)
        return QImage(self._bytes.data, columns, rows, columns, QImage.Format.Format_Grayscale8)  # pyright: ignore[reportCallIssue, reportArgumentType] - any buffer will do


def _paint_branch(painter: QPainter, picture: PaintedPicture, branch: JudgedBranch) -> None:
    """The branch solid, its vessel's place dashed, an arrow from one to the other, and the figure beside them."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pieces = [piece for piece in map(_finite, branch.pieces_px) if len(piece) > 1]
    if not pieces:
        return
    _, colour = mark_of(branch.residual.residual_mm)
    for piece in pieces:
        _stroke(painter, _line(picture, piece), palette.BRIGHT_TEXT, 3.0, Qt.PenStyle.SolidLine)
    words = f"{branch.name}: not filled now, cannot be judged"
    if branch.residual.residual_mm is not None:
        for piece in pieces:
            _stroke(painter, _line(picture, piece + branch.move_px), colour, 2.0, Qt.PenStyle.DashLine)
            middle = piece[len(piece) // 2]
            _arrow(painter, picture.at(*middle), picture.at(*(middle + branch.move_px)), colour)
        words = f"{branch.name}: {millimetres(branch.residual.residual_mm)}"
    rightmost = max((piece[piece[:, 0].argmax()] for piece in pieces), key=lambda point: point[0])
    paint_plate(painter, picture, picture.at(*rightmost), (words,), colour=palette.BRIGHT_TEXT)


def paint_plate(
    painter: QPainter, picture: PaintedPicture, at: QPointF, lines: tuple[str, ...], *, colour: str = palette.TEXT
) -> None:
    """Words beside a point of the view, on a plate that stays within the picture; the first line is the largest."""
    size = max(picture.sizes.secondary_px, 0.5 * picture.sizes.primary_px)
    sizes = (size, *[max(_SMALLER * size, picture.sizes.secondary_px)] * (len(lines) - 1))
    width = max(text_width(line, each, bold=True) for line, each in zip(lines, sizes, strict=True)) + size
    height = sum(line_height(each) for each in sizes) + 0.4 * size
    inside = picture.placing.clip
    x = min(max(at.x() + size, inside.left() + 2.0), inside.right() - width - 2.0)
    y = min(max(at.y() - height / 2.0, inside.top() + 2.0), inside.bottom() - height - 2.0)
    paint_texts(
        painter,
        [
            PlacedText(
                role="label", at=QRectF(x, y, width, height), lines=lines, sizes_px=sizes, align="centre", bold=True,
                colour=colour,
            )
        ],
    )  # fmt: skip


def _finite(points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    return points_px[np.isfinite(points_px).all(axis=1)]


def _line(picture: PaintedPicture, points_px: Float[np.ndarray, "n 2"]) -> QPolygonF:
    return QPolygonF([picture.at(column, row) for column, row in points_px.tolist()])


def _stroke(painter: QPainter, line: QPolygonF, colour: str, width: float, style: Qt.PenStyle) -> None:
    for pen in (QPen(QColor(palette.CASING), width + 2.0), QPen(QColor(colour), width, style)):
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(line)


def _arrow(painter: QPainter, start: QPointF, end: QPointF, colour: str) -> None:
    along = end - start
    length = float(np.hypot(along.x(), along.y()))
    if length < _SHORTEST_ARROW_PX:
        return
    unit = along / length
    side = QPointF(-unit.y(), unit.x())
    tip = min(_ARROW_PX, length)
    head = QPolygonF([end, end - tip * unit + 0.5 * tip * side, end - tip * unit - 0.5 * tip * side])
    _stroke(painter, QPolygonF([start, end]), colour, 2.0, Qt.PenStyle.SolidLine)
    painter.setBrush(QColor(colour))
    painter.drawPolygon(head)
