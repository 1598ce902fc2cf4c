"""Paints the projected model: line, halo of uncertainty and filled lumen, in the look its state allows."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QBrush, QColor, QImage, QPainter, QPen, QPolygonF, QTransform, qRgba

from guidance_app.live.guidance import Overlay
from guidance_app.views import palette
from guidance_app.views.overlay_look import OverlayLook
from guidance_app.views.overlay_shape import OverlayShape

OverlayMode = Literal["outline", "centerline", "filled"]
OVERLAY_MODES: tuple[OverlayMode, ...] = ("outline", "centerline", "filled")

_LINE_PX = 2.0
_CASING_PX = 4.0
_CASING_ALPHA = 0.55
_HALO_ALPHA = 0.18
_FILL_ALPHA = 0.5
_DASHES = {"dashed": (5.0, 3.0), "dotted": (1.2, 2.6)}  # in line widths


class OverlayPainter:
    """Keeps the shape of the overlay painted last: a repaint of the same one only strokes."""

    def __init__(self) -> None:
        self._overlay: Overlay | None = None
        self._shape: OverlayShape | None = None

    def paint(
        self,
        painter: QPainter,
        overlay: Overlay,
        look: OverlayLook,
        *,
        view_from_frame: QTransform,
        mode: OverlayMode,
        opacity: float,
    ) -> None:
        """Paint onto the view; `view_from_frame` takes frame pixel edges to view pixels."""
        shape = self._shape_of(overlay)
        colour = QColor(look.colour)
        painter.save()
        if overlay.halo_px * abs(view_from_frame.m11()) > _LINE_PX:
            halo = shape.centerline_halo if mode == "centerline" else shape.lumen_halo
            painter.setOpacity(opacity)
            _paint_halo(painter, halo, colour, view_from_frame)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if mode == "filled":
            painter.setOpacity(opacity * _FILL_ALPHA)
            # Hatched where it may not be trusted: a filled shape carries no dashes.
            solid = look.line == "solid"
            brush = QBrush(colour, Qt.BrushStyle.SolidPattern if solid else Qt.BrushStyle.BDiagPattern)
            painter.fillPath(view_from_frame.map(shape.lumen_area), brush)
        lines = [view_from_frame.map(line) for line in (shape.centerline if mode == "centerline" else shape.lumen)]
        _paint_lines(painter, lines, look, opacity)
        painter.restore()

    def _shape_of(self, overlay: Overlay) -> OverlayShape:
        if self._shape is None or self._overlay is not overlay:
            self._overlay, self._shape = overlay, OverlayShape(overlay)
        return self._shape


def _paint_halo(
    painter: QPainter, band: UInt8[np.ndarray, "rows columns"], colour: QColor, view_from_frame: QTransform
) -> None:
    # Stroking a band this wide costs QPainter 20 ms; a grey band through a table of alphas costs 2.
    rows, columns = band.shape
    stride = QImage(columns, 1, QImage.Format.Format_Indexed8).bytesPerLine()
    padded = np.pad(band, ((0, 0), (0, stride - columns)))
    image = QImage(padded.tobytes(), columns, rows, stride, QImage.Format.Format_Indexed8)
    image.setColorTable([qRgba(colour.red(), colour.green(), colour.blue(), round(_HALO_ALPHA * grey))
                         for grey in range(256)])  # fmt: skip
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(view_from_frame.mapRect(QRectF(0.0, 0.0, columns, rows)), image)


def _paint_lines(painter: QPainter, lines: list[QPolygonF], look: OverlayLook, opacity: float) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    dashes = _DASHES.get(look.line)
    for colour, width, alpha in ((palette.CASING, _CASING_PX, _CASING_ALPHA), (look.colour, _LINE_PX, 1.0)):
        pen = QPen(QColor(colour), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.BevelJoin)
        if dashes is not None:
            # A pattern counts in pen widths: the rim must break where the line breaks.
            pen.setDashPattern([length * _LINE_PX / width for length in dashes])
        painter.setOpacity(opacity * alpha)
        painter.setPen(pen)
        for line in lines:
            painter.drawPolyline(line)
