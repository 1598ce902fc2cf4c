"""Paints the projected model: line, halo of uncertainty and filled lumen, in the look its state allows.

Lines are drawn antialiased into one grey picture of the view and painted through a table of colours: stroking them
with QPainter costs 15 to 40 ms a frame for a coronary tree, this way 3 to 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QTransform, qRgba

from guidance_app.live.guidance import Overlay
from guidance_app.views import palette
from guidance_app.views.dashes import DashPattern, dashed
from guidance_app.views.overlay_look import OverlayLook
from guidance_app.views.overlay_shape import OverlayShape, Polyline

OverlayMode = Literal["outline", "centerline", "filled"]
OVERLAY_MODES: tuple[OverlayMode, ...] = ("outline", "centerline", "filled")

_LINE_PX = 2
_CASING_PX = 4
_CASING_ALPHA = 0.55
_CASING_GREY = 128  # in the grey picture: below it the rim, above it the line over the rim
_HALO_ALPHA = 0.18
_FILL_ALPHA = 0.5
_DASHES = {"dashed": DashPattern(on_px=9.0, off_px=8.0), "dotted": DashPattern(on_px=2.0, off_px=7.0)}
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Where frame and view lie against each other.

    Args:
        view_from_frame: frame pixel edges to view pixels.
        clip: part of the view that may be painted.
        pixel_ratio: device pixels in a view pixel.
    """

    view_from_frame: QTransform
    clip: QRectF
    pixel_ratio: float = 1.0


class OverlayPainter:
    """Keeps the shape of the overlay painted last: a repaint of the same one only draws."""

    def __init__(self) -> None:
        self._overlay: Overlay | None = None
        self._shape: OverlayShape | None = None

    def paint(
        self, painter: QPainter, overlay: Overlay, look: OverlayLook, *, placing: Placing, mode: OverlayMode,
        opacity: float,
    ) -> None:  # fmt: skip
        shape = self._shape_of(overlay)
        colour = QColor(look.colour)
        painter.save()
        painter.setClipRect(placing.clip)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(opacity)
        if overlay.halo_px * abs(placing.view_from_frame.m11()) > _LINE_PX:
            halo = shape.centerline_halo if mode == "centerline" else shape.lumen_halo
            _paint_on_frame(painter, halo, colour, _HALO_ALPHA, placing)
        if mode == "filled" and look.line == "solid":
            # A filled shape carries no dashes: what may not be trusted keeps its broken border alone.
            _paint_on_frame(painter, shape.lumen_area, colour, _FILL_ALPHA, placing)
        _paint_lines(painter, shape.centerline if mode == "centerline" else shape.lumen, look, placing)
        painter.restore()

    def _shape_of(self, overlay: Overlay) -> OverlayShape:
        if self._shape is None or self._overlay is not overlay:
            self._overlay, self._shape = overlay, OverlayShape(overlay)
        return self._shape


def _paint_on_frame(
    painter: QPainter, mask: UInt8[np.ndarray, "rows columns"], colour: QColor, alpha: float, placing: Placing
) -> None:
    rows, columns = mask.shape
    image = _through_table(mask, _area_table(colour.name(), alpha))
    painter.drawImage(placing.view_from_frame.mapRect(QRectF(0.0, 0.0, columns, rows)), image)


def _paint_lines(painter: QPainter, lines: tuple[Polyline, ...], look: OverlayLook, placing: Placing) -> None:
    area = placing.clip.toAlignedRect()
    ratio = placing.pixel_ratio
    if area.isEmpty():
        return
    to_view = placing.view_from_frame
    scale = ratio * np.array([to_view.m11(), to_view.m22()])
    shift = ratio * (np.array([to_view.dx(), to_view.dy()]) - (area.x(), area.y()))
    # Edges are where Qt counts from; OpenCV counts from centres.
    placed = [line * scale + shift - 0.5 for line in lines]
    if look.line in _DASHES:
        placed = dashed(placed, _DASHES[look.line], scale=ratio)
    grey = np.zeros((round(area.height() * ratio), round(area.width() * ratio)), dtype=np.uint8)
    pieces = [np.rint(np.clip(line, -2e4, 2e4) * 2**_SUBPIXEL_BITS).astype(np.int32) for line in placed]
    for width_px, level in ((_CASING_PX, _CASING_GREY), (_LINE_PX, 255)):
        cv2.polylines(grey, pieces, False, level, max(1, round(width_px * ratio)), cv2.LINE_AA, _SUBPIXEL_BITS)
    image = _through_table(grey, _line_table(look.colour))
    image.setDevicePixelRatio(ratio)
    painter.drawImage(area.topLeft(), image)


@lru_cache(maxsize=16)
def _area_table(name: str, alpha: float) -> list[int]:
    colour = QColor(name)
    return [qRgba(colour.red(), colour.green(), colour.blue(), round(alpha * grey)) for grey in range(256)]


@lru_cache(maxsize=16)
def _line_table(name: str) -> list[int]:
    """Rim alone, fading in up to `_CASING_GREY`; from there the line fades in over it."""
    line, rim = QColor(name), QColor(palette.CASING)
    table = []
    for grey in range(256):
        over = max(0.0, (grey - _CASING_GREY) / (255 - _CASING_GREY))
        alpha = _CASING_ALPHA * min(grey / _CASING_GREY, 1.0) * (1.0 - over) + over
        red, green, blue = (
            round(over * of_line + (1.0 - over) * of_rim)
            for of_line, of_rim in zip(line.getRgb()[:3], rim.getRgb()[:3], strict=True)  # type: ignore[arg-type]
        )
        table.append(qRgba(red, green, blue, round(255 * alpha)))
    return table


def _through_table(grey: UInt8[np.ndarray, "rows columns"], table: list[int]) -> QImage:
    rows, columns = grey.shape
    image = QImage(grey.tobytes(), columns, rows, columns, QImage.Format.Format_Indexed8).copy()
    image.setColorTable(table)
    return image
