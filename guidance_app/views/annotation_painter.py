"""Paints words in their places: each on a dark plate, so that it reads on a white picture as on a black one."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from PyQt6.QtCore import QPoint, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from guidance_app.views import palette
from guidance_app.views.annotation_layout import PlacedText, line_height, text_font
from guidance_app.views.overlay_look import Badge

_ALIGN = {
    "left": Qt.AlignmentFlag.AlignLeft,
    "centre": Qt.AlignmentFlag.AlignHCenter,
    "right": Qt.AlignmentFlag.AlignRight,
}


_KEPT = 64  # plates; a view shows about ten, one or two of them new with every frame


class TextPlates:
    """Paints words as `paint_texts` does, from pictures of plates that come again: letters cost the most of a paint."""

    def __init__(self) -> None:
        self._plates: OrderedDict[tuple[object, ...], QImage] = OrderedDict()

    def paint(self, painter: QPainter, texts: Iterable[PlacedText], pixel_ratio: float) -> None:
        painter.save()
        painter.scale(
            1.0 / pixel_ratio, 1.0 / pixel_ratio
        )  # whole device pixels: a plate between them would be blurred
        for text in texts:
            corner = QPoint(math.floor(text.at.left() * pixel_ratio), math.floor(text.at.top() * pixel_ratio))
            painter.drawImage(corner, self._plate(text, QPointF(corner) / pixel_ratio, pixel_ratio))
        painter.restore()

    def _plate(self, text: PlacedText, corner: QPointF, pixel_ratio: float) -> QImage:
        at = text.at.translated(-corner)
        key = (
            text.role, text.lines, text.sizes_px, text.align, text.bold, text.colour, text.badge, pixel_ratio,
            at.x(), at.y(), at.width(), at.height(),
        )  # fmt: skip
        plate = self._plates.get(key)
        if plate is None:
            self._plates[key] = plate = _painted_plate(replace(text, at=at), pixel_ratio)
            if len(self._plates) > _KEPT:
                self._plates.popitem(last=False)
        self._plates.move_to_end(key)
        return plate


def _painted_plate(text: PlacedText, pixel_ratio: float) -> QImage:
    columns, rows = (math.ceil(extent * pixel_ratio) + 1 for extent in (text.at.right(), text.at.bottom()))
    plate = QImage(columns, rows, QImage.Format.Format_ARGB32_Premultiplied)
    plate.setDevicePixelRatio(pixel_ratio)
    plate.fill(Qt.GlobalColor.transparent)
    painter = QPainter(plate)
    paint_texts(painter, [text])
    painter.end()
    plate.setDevicePixelRatio(1.0)
    return plate


def paint_texts(painter: QPainter, texts: Iterable[PlacedText]) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for text in texts:
        _paint(painter, text)
    painter.restore()


def _paint(painter: QPainter, text: PlacedText) -> None:
    at = text.at
    round_px = min(at.height() / 2.0, 0.4 * text.sizes_px[0])
    painter.setPen(QPen(QColor(text.colour), 1.5) if text.role == "badge" else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(palette.ALARM) if text.role == "bar" else QColor(*palette.PLATE))
    painter.drawRoundedRect(at.adjusted(0.75, 0.75, -0.75, -0.75), round_px, round_px)
    side_px = (at.height() - sum(line_height(size) for size in text.sizes_px)) / 2.0
    words = at.adjusted(2.0 * side_px, 0.0, -2.0 * side_px, 0.0)
    if text.badge is not None:
        size = text.sizes_px[0]
        centre = QPointF(words.left() + 0.4 * size, at.top() + side_px + line_height(size) / 2.0)
        _paint_shape(painter, centre, 0.32 * size, text.badge)
        words.setLeft(words.left() + 1.1 * size)
    painter.setPen(QColor(text.colour))
    y = at.top() + side_px
    for line, size in zip(text.lines, text.sizes_px, strict=True):
        painter.setFont(text_font(size, bold=text.bold))
        box = QRectF(words.left(), y, words.width(), line_height(size))
        flags = _ALIGN[text.align] | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip
        painter.drawText(box, int(flags), line)
        y += line_height(size)


def _paint_shape(painter: QPainter, centre: QPointF, radius: float, badge: Badge) -> None:
    painter.setPen(QPen(QColor(badge.colour), max(2.0, 0.2 * radius)))
    painter.setBrush(Qt.BrushStyle.NoBrush if badge.shape == "ring" else QColor(badge.colour))
    if badge.shape in ("disc", "ring"):
        painter.drawEllipse(centre, radius, radius)
        return
    if badge.shape == "cross":
        for up in (-radius, radius):
            painter.drawLine(centre + QPointF(-radius, up), centre + QPointF(radius, -up))
        return
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "diamond": ((0, -1), (1, 0), (0, 1), (-1, 0)),
        "triangle": ((0, -1), (1, 1), (-1, 1)),
        "hourglass": ((-1, -1), (1, -1), (-1, 1), (1, 1)),
    }[badge.shape]
    painter.drawPolygon(QPolygonF([centre + radius * QPointF(x, y) for x, y in corners]))
