"""The projected model as shapes to stroke and fill, in frame pixels, built once for every overlay."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QPainterPath, QPolygonF

from guidance_app.live.guidance import Overlay, OverlayPath

_FINE = 4  # lumen masks are drawn this much finer than the frame, so that their contour is smooth
_SMOOTHING_POINTS = 9
_UNKNOWN_WIDTH_PX = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlayShape:
    """Painter paths with frame pixel CENTRES at half-integers (edges at integers), as Qt counts."""

    centerline: QPainterPath
    lumen: QPainterPath


def shape_of(overlay: Overlay) -> OverlayShape:
    """Centerlines as given; the lumen from the projected surface, or from centerlines and their widths without one."""
    outline = overlay.outline or lumen_contours(overlay.centerlines)
    return OverlayShape(centerline=path_of(overlay.centerlines), lumen=path_of(outline))


def path_of(lines: tuple[OverlayPath, ...]) -> QPainterPath:
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    for line in lines:
        for piece in _finite_pieces(line.points_px):
            # (0, 0) is the centre of the first pixel; Qt puts that pixel's corner there.
            polygon = QPolygonF([QPointF(column + 0.5, row + 0.5) for column, row in piece.tolist()])
            path.addPolygon(polygon)
            if line.closed:
                path.closeSubpath()
    return path


def lumen_contours(centerlines: tuple[OverlayPath, ...]) -> tuple[OverlayPath, ...]:
    """Outer edge of all branches together, so that no line crosses a junction."""
    points = [line.points_px[np.isfinite(line.points_px).all(axis=1)] for line in centerlines]
    points = [piece for piece in points if len(piece)]
    if not points:
        return ()
    widest = max((np.nanmax(line.width_px, initial=_UNKNOWN_WIDTH_PX) for line in centerlines), default=0.0)
    low = np.floor(np.min([piece.min(axis=0) for piece in points], axis=0) - widest - 2)
    high = np.ceil(np.max([piece.max(axis=0) for piece in points], axis=0) + widest + 2)
    columns, rows = np.minimum((high - low) * _FINE, 8192).astype(int)
    mask = np.zeros((rows, columns), dtype=np.uint8)
    for line in centerlines:
        _draw_lumen(mask, line, low)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return tuple(_contour_path(contour[:, 0, :], low) for contour in contours if len(contour) > 4 * _FINE)


def _draw_lumen(mask: np.ndarray, line: OverlayPath, low: np.ndarray) -> None:
    shift = 4
    at = np.nan_to_num(((line.points_px - low) * _FINE) * 2**shift, nan=-1.0).astype(np.int64)
    good = np.isfinite(line.points_px).all(axis=1) & (np.abs(at) < 2**24).all(axis=1)
    width = np.where(np.isfinite(line.width_px), line.width_px, _UNKNOWN_WIDTH_PX)
    thick = np.maximum(np.rint(width * _FINE), 2).astype(int)
    for here in range(len(at) - 1):
        if good[here] and good[here + 1]:
            cv2.line(
                mask, at[here].tolist(), at[here + 1].tolist(), 255, int(min(thick[here], 1024)), cv2.LINE_8, shift
            )


def _contour_path(contour: np.ndarray, low: np.ndarray) -> OverlayPath:
    kernel = np.ones(_SMOOTHING_POINTS) / _SMOOTHING_POINTS
    around = np.pad(contour.astype(float), ((_SMOOTHING_POINTS // 2,) * 2, (0, 0)), mode="wrap")
    smooth = np.column_stack([np.convolve(around[:, axis], kernel, mode="valid") for axis in range(2)])
    points = smooth[:: max(1, _FINE // 2)] / _FINE + low
    return OverlayPath(points_px=points, width_px=np.full(len(points), np.nan), closed=True)


def _finite_pieces(points: Float[np.ndarray, "n 2"]) -> list[np.ndarray]:
    good = np.isfinite(points).all(axis=1)
    if good.all():
        return [points] if len(points) > 1 else []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    return [points[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start > 1]
