"""Paints the projected model: line, halo of uncertainty and filled lumen, in the look its state allows.

Lines and areas are drawn antialiased as grey pictures, turned into colour through a table and put together in one
layer of premultiplied ARGB, which is kept: a repaint of the same overlay in the same place only composites it. Stroking
with QPainter costs 15 to 40 ms a frame for a coronary tree, pictures with a colour table of their own (Indexed8) 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QImage, QPainter, QTransform, qRgba

from guidance_app.live.guidance import BranchSeen, Overlay
from guidance_app.views import palette
from guidance_app.views.dashes import DashPattern, dashed
from guidance_app.views.overlay_look import OverlayLook
from guidance_app.views.overlay_shape import SEEN, OverlayShape, Polyline

OverlayMode = Literal["outline", "centerline", "filled"]
OVERLAY_MODES: tuple[OverlayMode, ...] = ("outline", "centerline", "filled")

# Between its dark rims a dash of one pixel loses its colour, which says what the overlay is worth.
_LINE_PX: dict[BranchSeen, int] = {"now": 3, "earlier": 2, "never": 1}
# Solid lines along the middle: the hundred arteries of a head must not run together.
_THIN_PX: dict[BranchSeen, int] = {"now": 2, "earlier": 1, "never": 1}
_LINE_ALPHA: dict[BranchSeen, float] = {"now": 1.0, "earlier": 1.0, "never": 0.4}
_RIM_PX = 1  # on each side of the line
_CASING_ALPHA = 0.85  # a line is told from a bright picture by its dark rim
_CASING_GREY = 128  # in the grey picture: below it the rim, above it the line over the rim
_HALO_ALPHA = 0.18
_FILL_ALPHA = 0.5
_DASHES = {
    "long dashes": (DashPattern(on_px=26.0, off_px=7.0),),
    "dash dot": (DashPattern(on_px=14.0, off_px=16.0), DashPattern(on_px=2.0, off_px=28.0, first_px=21.0)),
    "dashed": (DashPattern(on_px=9.0, off_px=8.0),),
    "dotted": (DashPattern(on_px=2.0, off_px=7.0),),
}
_FILLS = ("solid", "long dashes")
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
    """Keeps the overlay painted last, as shapes and as a layer of the view; a repaint of the same only composites."""

    def __init__(self) -> None:
        self._overlay: Overlay | None = None
        self._show_unseen = True
        self._shape: OverlayShape | None = None
        self._layer: QImage | None = None
        self._layer_of: tuple[object, ...] = ()

    def paint(
        self, painter: QPainter, overlay: Overlay, look: OverlayLook, *, placing: Placing, mode: OverlayMode,
        opacity: float, show_unseen: bool = True,
    ) -> None:  # fmt: skip
        if placing.clip.toAlignedRect().isEmpty():
            return
        shape = self._shape_of(overlay, show_unseen)
        key = (
            look.colour,
            look.line,
            mode,
            QTransform(placing.view_from_frame),
            QRectF(placing.clip),
            placing.pixel_ratio,
        )
        if self._layer is None or key != self._layer_of:
            self._layer, self._layer_of = _drawn(shape, look, mode, placing), key
        painter.save()
        painter.setClipRect(placing.clip)
        painter.setOpacity(opacity)
        painter.drawImage(QPointF(placing.clip.toAlignedRect().topLeft()), self._layer)
        painter.restore()

    def _shape_of(self, overlay: Overlay, show_unseen: bool) -> OverlayShape:
        if self._shape is None or self._overlay is not overlay or self._show_unseen != show_unseen:
            self._overlay, self._show_unseen, self._layer = overlay, show_unseen, None
            self._shape = OverlayShape(overlay, show_unseen=show_unseen)
        return self._shape


def _drawn(shape: OverlayShape, look: OverlayLook, mode: OverlayMode, placing: Placing) -> QImage:
    area, ratio = placing.clip.toAlignedRect(), placing.pixel_ratio
    to_view = placing.view_from_frame
    scale = ratio * np.array([to_view.m11(), to_view.m22()])
    # Frame pixel EDGES to device pixel EDGES of the layer; OpenCV counts from centres.
    shift = ratio * (np.array([to_view.dx(), to_view.dy()]) - (area.x(), area.y()))
    size = round(area.width() * ratio), round(area.height() * ratio)
    areas = []
    if shape.widest_halo_px * abs(to_view.m11()) > _LINE_PX["now"]:
        areas.append((shape.centerline_halo if mode == "centerline" else shape.lumen_halo, _HALO_ALPHA))
    if mode == "filled" and look.line in _FILLS:
        # A filled shape carries no dashes: what may not be trusted keeps its broken border alone.
        areas.append((shape.lumen_area, _FILL_ALPHA))
    lines = shape.centerline if mode == "centerline" else shape.lumen
    layers = [
        _coloured(cv2.warpAffine(mask, _view_from_centres(scale, shift), size), _area_table(look.colour, alpha))
        for mask, alpha in areas
    ]
    width_px = _THIN_PX if mode == "centerline" and look.line == "solid" else _LINE_PX
    for seen in SEEN:
        if lines.get(seen):
            grey = _line_picture(lines[seen], look, scale, shift, size, ratio, width_px[seen])
            layers.append(_coloured(grey, _line_table(look.colour, _LINE_ALPHA[seen])))
    if not layers:
        layers.append(_coloured(np.zeros(size[::-1], dtype=np.uint8), _line_table(look.colour, 1.0)))
    layer = layers[0]
    if len(layers) > 1:
        painter = QPainter(layer)
        for above in layers[1:]:
            painter.drawImage(0, 0, above)
        painter.end()
    layer.setDevicePixelRatio(ratio)
    return layer


def _view_from_centres(scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Affine map of pixel centres, from the map of pixel edges."""
    moved = shift + 0.5 * scale - 0.5
    return np.array([[scale[0], 0.0, moved[0]], [0.0, scale[1], moved[1]]])


def _line_picture(
    lines: tuple[Polyline, ...],
    look: OverlayLook,
    scale: np.ndarray,
    shift: np.ndarray,
    size: tuple[int, int],
    ratio: float,
    line_px: int,
) -> UInt8[np.ndarray, "rows columns"]:
    placed = [line * scale + shift - 0.5 for line in lines]
    if look.line in _DASHES:
        placed = [piece for pattern in _DASHES[look.line] for piece in dashed(placed, pattern, scale=ratio)]
    grey = np.zeros(size[::-1], dtype=np.uint8)
    pieces = [np.rint(np.clip(line, -2e4, 2e4) * 2**_SUBPIXEL_BITS).astype(np.int32) for line in placed]
    cv2.polylines(grey, pieces, False, 255, max(1, round(line_px * ratio)), cv2.LINE_AA, _SUBPIXEL_BITS)
    # The rim is the line grown by its own antialiased edge: a second, thicker polyline would cost twice as much.
    side = 2 * max(1, round(_RIM_PX * ratio)) + 1
    rim = cv2.dilate(grey, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.maximum(grey, np.minimum(rim, _CASING_GREY))


@lru_cache(maxsize=16)
def _area_table(name: str, alpha: float) -> list[int]:
    colour = QColor(name)
    return [qRgba(colour.red(), colour.green(), colour.blue(), round(alpha * grey)) for grey in range(256)]


@lru_cache(maxsize=16)
def _line_table(name: str, opacity: float) -> list[int]:
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
        table.append(qRgba(red, green, blue, round(255 * alpha * opacity)))
    return table


def _coloured(grey: np.ndarray, table: list[int]) -> QImage:
    """(rows, columns) of 8 bits through a table of straight ARGB; the result owns its pixels."""
    rows, columns = grey.shape
    image = QImage(np.ascontiguousarray(grey).data, columns, rows, columns, QImage.Format.Format_Indexed8)  # pyright: ignore[reportCallIssue, reportArgumentType] - any buffer will do
    image.setColorTable(table)
    return image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
