"""The projected model as shapes to stroke and fill, in frame pixels, built once for every overlay."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QPainterPath, QPolygonF

from guidance_app.live.guidance import Overlay, OverlayPath

_FINE = 2  # lumen masks are drawn this much finer than the frame, so that their contour is smooth
_SMOOTHING_POINTS = 9
_UNKNOWN_WIDTH_PX = 2.0
_TOLERANCE_PX = 0.12  # of a frame pixel; stroking costs by the point, and no eye sees this much
_SUBPIXEL_BITS = 4  # OpenCV's fixed point
_MAX_LINE_PX = 255


class OverlayShape:
    """Polygons in frame pixel EDGES, as Qt counts (the first pixel's centre is at 0.5, 0.5).

    The lumen comes from the projected surface, or without one from the centerlines and their widths.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    @cached_property
    def centerline(self) -> tuple[QPolygonF, ...]:
        return polygons_of(self._overlay.centerlines)

    @cached_property
    def lumen(self) -> tuple[QPolygonF, ...]:
        return polygons_of(self._contours)

    @cached_property
    def lumen_area(self) -> QPainterPath:
        area = QPainterPath()
        area.setFillRule(Qt.FillRule.OddEvenFill)
        for polygon in self.lumen:
            area.addPolygon(polygon)
        return area

    @cached_property
    def centerline_halo(self) -> UInt8[np.ndarray, "rows columns"]:
        return _band(self._overlay.centerlines, self._overlay)

    @cached_property
    def lumen_halo(self) -> UInt8[np.ndarray, "rows columns"]:
        return _band(self._contours, self._overlay)

    @cached_property
    def _contours(self) -> tuple[OverlayPath, ...]:
        return self._overlay.outline or lumen_contours(self._overlay.centerlines)


def polygons_of(lines: tuple[OverlayPath, ...]) -> tuple[QPolygonF, ...]:
    """Finite pieces as polygons; a closed one ends where it began."""
    # (0, 0) is the centre of the first pixel; Qt puts that pixel's corner there.
    return tuple(QPolygonF([QPointF(*point) for point in (piece + 0.5).tolist()]) for piece in _thinned(lines))


def lumen_contours(centerlines: tuple[OverlayPath, ...]) -> tuple[OverlayPath, ...]:
    """Outer edge of all branches together, so that no line crosses a junction."""
    pieces = [_finite(line.points_px) for line in centerlines]
    pieces = [piece for piece in pieces if len(piece)]
    if not pieces:
        return ()
    widest = max(float(np.nanmax(line.width_px, initial=_UNKNOWN_WIDTH_PX)) for line in centerlines)
    points = np.concatenate(pieces)
    low = np.floor(points.min(axis=0) - widest - 2)
    columns, rows = np.minimum((np.ceil(points.max(axis=0) + widest + 2) - low) * _FINE, 8192).astype(int)
    mask = np.zeros((rows, columns), dtype=np.uint8)
    for line in centerlines:
        _draw_lumen(mask, line, low)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return tuple(_contour_path(contour[:, 0, :], low) for contour in contours if len(contour) > 8 * _FINE)


def _draw_lumen(mask: UInt8[np.ndarray, "rows columns"], line: OverlayPath, low: Float[np.ndarray, " 2"]) -> None:
    width = np.where(np.isfinite(line.width_px), line.width_px, _UNKNOWN_WIDTH_PX)
    thick = np.clip(np.rint(width * _FINE), 2, _MAX_LINE_PX).astype(int).tolist()
    good = _finite_rows(line.points_px)
    at = _fixed_point(np.where(good[:, None], (line.points_px - low) * _FINE, 0.0)).tolist()
    for here in range(len(at) - 1):
        if good[here] and good[here + 1]:
            cv2.line(mask, at[here], at[here + 1], 255, thick[here], cv2.LINE_8, _SUBPIXEL_BITS)


def _contour_path(contour: np.ndarray, low: Float[np.ndarray, " 2"]) -> OverlayPath:
    kernel = np.ones(_SMOOTHING_POINTS) / _SMOOTHING_POINTS
    around = np.pad(contour.astype(float), ((_SMOOTHING_POINTS // 2,) * 2, (0, 0)), mode="wrap")
    smooth = np.column_stack([np.convolve(around[:, axis], kernel, mode="valid") for axis in range(2)])
    return OverlayPath(points_px=smooth / _FINE + low, width_px=np.full(len(smooth), np.nan), closed=True)


def _band(lines: tuple[OverlayPath, ...], overlay: Overlay) -> UInt8[np.ndarray, "rows columns"]:
    """255 within the halo's distance of the lines, on the frame's own pixels."""
    band = np.zeros(overlay.geometry.shape_px, dtype=np.uint8)
    width = int(np.clip(round(2.0 * overlay.halo_px), 1, _MAX_LINE_PX))
    pieces = [_fixed_point(piece) for piece in _thinned(lines)]
    cv2.polylines(band, pieces, False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    return band


def _thinned(lines: tuple[OverlayPath, ...]) -> list[Float[np.ndarray, "n 2"]]:
    """Finite pieces without the points that no eye would miss; a closed one ends where it began."""
    thinned = []
    for line in lines:
        for piece in _finite_pieces(line.points_px):
            thin = cv2.approxPolyDP(piece.astype(np.float32)[:, None], _TOLERANCE_PX, line.closed)[:, 0]
            thinned.append(np.concatenate([thin, thin[:1]]) if line.closed else thin)
    return thinned


def _fixed_point(points_px: Float[np.ndarray, "n 2"]) -> np.ndarray:
    return np.rint(np.clip(points_px, -4096.0, 16384.0) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _finite(points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    return points_px[_finite_rows(points_px)]


def _finite_pieces(points_px: Float[np.ndarray, "n 2"]) -> list[np.ndarray]:
    good = _finite_rows(points_px)
    if good.all():
        return [points_px] if len(points_px) > 1 else []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    return [points_px[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start > 1]


def _finite_rows(points_px: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    return np.asarray(np.isfinite(points_px).all(axis=1))
