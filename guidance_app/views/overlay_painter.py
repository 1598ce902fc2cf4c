"""Paints the projected model: line, halo of uncertainty and filled lumen, in the look its state allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen, QTransform

from guidance_app.live.guidance import Overlay
from guidance_app.views import palette
from guidance_app.views.overlay_look import OverlayLook
from guidance_app.views.overlay_shape import OverlayShape, shape_of

OverlayMode = Literal["outline", "centerline", "filled"]
OVERLAY_MODES: tuple[OverlayMode, ...] = ("outline", "centerline", "filled")

_LINE_PX = 2.0
_CASING_PX = 4.0
_HALO_ALPHA = 0.16
_FILL_ALPHA = 0.55
_DASHES = {"dashed": (5.0, 3.0), "dotted": (1.2, 2.6)}  # in line widths


@dataclass(slots=True)
class _Cached:
    overlay: Overlay
    shape: OverlayShape


class OverlayPainter:
    """Keeps the shapes of the overlay painted last: a repaint of the same one only strokes."""

    def __init__(self) -> None:
        self._cached: _Cached | None = None

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
        shape = self._shape(overlay)
        line = view_from_frame.map(shape.centerline if mode == "centerline" else shape.lumen)
        scale = abs(view_from_frame.m11())
        colour = QColor(look.colour)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        _halo(painter, line, colour, width_px=2.0 * overlay.halo_px * scale, opacity=opacity)
        if mode == "filled" and look.line == "solid":
            painter.setOpacity(opacity * _FILL_ALPHA)
            painter.fillPath(line, colour)
        _lines(painter, line, colour, look, opacity)
        painter.restore()

    def _shape(self, overlay: Overlay) -> OverlayShape:
        if self._cached is None or self._cached.overlay is not overlay:
            self._cached = _Cached(overlay=overlay, shape=shape_of(overlay))
        return self._cached.shape


def _halo(painter: QPainter, line: QPainterPath, colour: QColor, *, width_px: float, opacity: float) -> None:
    if width_px <= _LINE_PX:
        return
    painter.setOpacity(opacity * _HALO_ALPHA)
    painter.strokePath(line, _pen(colour, width_px))


def _lines(painter: QPainter, line: QPainterPath, colour: QColor, look: OverlayLook, opacity: float) -> None:
    dashes = _DASHES.get(look.line)
    painter.setOpacity(opacity * 0.55)
    casing = _pen(QColor(palette.CASING), _CASING_PX)
    if dashes is not None:
        # Same dashes as the line above it: a pattern counts in pen widths.
        casing.setDashPattern([length * _LINE_PX / _CASING_PX for length in dashes])
        casing.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.strokePath(line, casing)
    painter.setOpacity(opacity)
    pen = _pen(colour, _LINE_PX)
    if dashes is not None:
        pen.setDashPattern(list(dashes))
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.strokePath(line, pen)


def _pen(colour: QColor, width_px: float) -> QPen:
    return QPen(colour, width_px, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
