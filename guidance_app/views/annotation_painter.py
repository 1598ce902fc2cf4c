"""Paints the words on and around the picture: corners, badge, banner, sides and the research-use line."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from guidance_app.views import palette
from guidance_app.views.annotations import Corners
from guidance_app.views.overlay_look import Badge

_MARGIN_PX = 12.0
_PADDING_PX = 10.0


def text_font(size_px: int, *, bold: bool = False) -> QFont:
    font = QFont(palette.FONT_FAMILY)
    font.setPixelSize(size_px)
    font.setBold(bold)
    return font


def paint_corners(painter: QPainter, area: QRectF, corners: Corners) -> None:
    """Four blocks of lines; the bottom ones grow upwards."""
    painter.setFont(text_font(palette.CORNER_TEXT_PX))
    height = QFontMetricsF(painter.font()).height() + 3.0
    inside = area.adjusted(_MARGIN_PX, _MARGIN_PX, -_MARGIN_PX, -_MARGIN_PX)
    blocks = (
        (corners.top_left, Qt.AlignmentFlag.AlignLeft, inside.top(), height),
        (corners.top_right, Qt.AlignmentFlag.AlignRight, inside.top(), height),
        (corners.bottom_left, Qt.AlignmentFlag.AlignLeft, inside.bottom() - height, -height),
        (corners.bottom_right, Qt.AlignmentFlag.AlignRight, inside.bottom() - height, -height),
    )
    for lines, side, start, step in blocks:
        for number, line in enumerate(lines):
            at = QRectF(inside.left(), start + number * step, inside.width(), height)
            paint_text(painter, at, line, side | Qt.AlignmentFlag.AlignVCenter)


def paint_text(painter: QPainter, at: QRectF, text: str, align: Qt.AlignmentFlag, colour: str = palette.TEXT) -> None:
    """Text with a dark rim, so that it reads on a white picture as on a black one."""
    painter.setPen(QColor(palette.CASING))
    for dx, dy in ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, 1.0)):
        painter.drawText(at.translated(dx, dy), int(align), text)
    painter.setPen(QColor(colour))
    painter.drawText(at, int(align), text)


def paint_badge(painter: QPainter, area: QRectF, badge: Badge) -> QRectF:
    """The state at the top centre; returns where it lies."""
    font = text_font(palette.BADGE_TEXT_PX, bold=True)
    metrics = QFontMetricsF(font)
    shape_px = metrics.ascent()
    width = metrics.horizontalAdvance(badge.text) + shape_px + 3.0 * _PADDING_PX
    height = metrics.height() + 10.0
    at = QRectF(area.center().x() - width / 2.0, area.top() + _MARGIN_PX, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(badge.colour), 1.5))
    painter.setBrush(QColor(10, 12, 14, 225))
    painter.drawRoundedRect(at, height / 2.0, height / 2.0)
    centre = QPointF(at.left() + _PADDING_PX + shape_px / 2.0, at.center().y())
    _paint_shape(painter, centre, shape_px * 0.42, badge)
    painter.setFont(font)
    painter.setPen(QColor(badge.colour))
    words = at.adjusted(2.0 * _PADDING_PX + shape_px * 0.8, 0.0, 0.0, 0.0)
    painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), badge.text)
    return at


def paint_banner(painter: QPainter, area: QRectF, below: QRectF, text: str) -> None:
    """Why there is no overlay, or what is wrong: one line under the badge, two where it is long."""
    if not text:
        return
    painter.setFont(text_font(palette.CORNER_TEXT_PX + 1))
    flags = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap)
    widest = min(area.width() - 4.0 * _MARGIN_PX, 760.0)
    room = QRectF(area.center().x() - widest / 2.0, below.bottom() + 8.0, widest, 200.0)
    needed = painter.boundingRect(room, flags, text)
    at = QRectF(needed.left(), room.top(), needed.width(), needed.height()).adjusted(-14.0, 0.0, 14.0, 12.0)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(10, 12, 14, 225))
    painter.drawRoundedRect(at, 6.0, 6.0)
    painter.setPen(QColor(palette.BRIGHT_TEXT))
    painter.drawText(at, flags, text)


def paint_label(painter: QPainter, at: QPointF, text: str, colour: str) -> None:
    """The overlay's own mark, beside it."""
    if not text:
        return
    painter.setFont(text_font(palette.CORNER_TEXT_PX, bold=True))
    width = QFontMetricsF(painter.font()).horizontalAdvance(text)
    paint_text(painter, QRectF(at.x(), at.y() - 12.0, width + 4.0, 24.0), text, Qt.AlignmentFlag.AlignVCenter, colour)


def paint_sides(painter: QPainter, picture: QRectF, letters: tuple[str, str] | None) -> None:
    if letters is None:
        return
    painter.setFont(text_font(22, bold=True))
    middle = QRectF(picture.left() + _MARGIN_PX, picture.center().y() - 16.0, picture.width() - 2 * _MARGIN_PX, 32.0)
    for letter, side in zip(letters, (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), strict=True):
        paint_text(painter, middle, letter, side | Qt.AlignmentFlag.AlignVCenter, palette.BRIGHT_TEXT)


def paint_research_line(painter: QPainter, area: QRectF) -> None:
    """Always there, in every mode and every export."""
    painter.setFont(text_font(palette.CORNER_TEXT_PX))
    width = QFontMetricsF(painter.font()).horizontalAdvance(palette.RESEARCH_LINE) + 24.0
    at = QRectF(area.center().x() - width / 2.0, area.bottom() - 30.0, width, 22.0)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(10, 12, 14, 200))
    painter.drawRoundedRect(at, 4.0, 4.0)
    painter.setPen(QColor(palette.TEXT))
    painter.drawText(at, int(Qt.AlignmentFlag.AlignCenter), palette.RESEARCH_LINE)


def _paint_shape(painter: QPainter, centre: QPointF, radius: float, badge: Badge) -> None:
    x, y = centre.x(), centre.y()
    painter.setPen(QPen(QColor(badge.colour), 2.5))
    painter.setBrush(Qt.BrushStyle.NoBrush if badge.shape == "ring" else QColor(badge.colour))
    if badge.shape in ("disc", "ring"):
        painter.drawEllipse(centre, radius, radius)
    elif badge.shape == "diamond":
        painter.drawPolygon(QPolygonF([QPointF(x, y - radius), QPointF(x + radius, y), QPointF(x, y + radius),
                                       QPointF(x - radius, y)]))  # fmt: skip
    elif badge.shape == "triangle":
        painter.drawPolygon(QPolygonF([QPointF(x, y - radius), QPointF(x + radius, y + radius),
                                       QPointF(x - radius, y + radius)]))  # fmt: skip
    else:
        painter.drawLine(QPointF(x - radius, y - radius), QPointF(x + radius, y + radius))
        painter.drawLine(QPointF(x - radius, y + radius), QPointF(x + radius, y - radius))
