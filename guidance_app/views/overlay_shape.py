"""The projected model as shapes to stroke and fill, in frame pixels, built once for every overlay."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from guidance_app.live.engine.lumen_border import lumen_border
from guidance_app.live.guidance import Overlay, OverlayPath

Polyline: TypeAlias = Float[np.ndarray, "n 2"]

_TOLERANCE_PX = 0.25  # of a frame pixel; stroking costs by the point, and no eye sees this much
_SUBPIXEL_BITS = 4  # OpenCV's fixed point
_MAX_LINE_PX = 255


class OverlayShape:
    """Polylines in frame pixel EDGES, as Qt counts (the first pixel's centre is at 0.5, 0.5); a closed one ends where
    it began. Halos and the lumen's area are masks on the frame's own pixels.

    The lumen comes from the projected surface, or without one from the centerlines and their widths.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    @cached_property
    def centerline(self) -> tuple[Polyline, ...]:
        return tuple(piece + 0.5 for piece in _thinned(self._overlay.centerlines))

    @cached_property
    def lumen(self) -> tuple[Polyline, ...]:
        return tuple(piece + 0.5 for piece in _thinned(self._contours))

    @cached_property
    def lumen_area(self) -> UInt8[np.ndarray, "rows columns"]:
        area = np.zeros(self._overlay.geometry.shape_px, dtype=np.uint8)
        pieces = [_fixed_point(piece) for piece in _thinned(self._contours)]
        return cv2.fillPoly(area, pieces, 255, cv2.LINE_AA, _SUBPIXEL_BITS) if pieces else area  # type: ignore[return-value]

    @cached_property
    def centerline_halo(self) -> UInt8[np.ndarray, "rows columns"]:
        return _band(self._overlay.centerlines, self._overlay)

    @cached_property
    def lumen_halo(self) -> UInt8[np.ndarray, "rows columns"]:
        return _band(self._contours, self._overlay)

    @cached_property
    def _contours(self) -> tuple[OverlayPath, ...]:
        if self._overlay.outline:
            return self._overlay.outline
        no_surface = np.empty((0, 2, 2)), np.empty((0, 2))
        return lumen_border(self._overlay.centerlines, *no_surface, self._overlay.geometry.shape_px)


def _band(lines: tuple[OverlayPath, ...], overlay: Overlay) -> UInt8[np.ndarray, "rows columns"]:
    """255 within the halo's distance of the lines, on the frame's own pixels."""
    band = np.zeros(overlay.geometry.shape_px, dtype=np.uint8)
    width = int(np.clip(round(2.0 * overlay.halo_px), 1, _MAX_LINE_PX))
    pieces = [_fixed_point(piece) for piece in _thinned(lines)]
    # Its edge is faint and magnified smoothly: antialiasing a band this wide would cost most of a paint.
    cv2.polylines(band, pieces, False, 255, width, cv2.LINE_8, _SUBPIXEL_BITS)
    return band


def _thinned(lines: tuple[OverlayPath, ...]) -> list[Float[np.ndarray, "n 2"]]:
    """Finite pieces without the points that no eye would miss; a closed one ends where it began."""
    thinned = []
    whole = not lines or bool(np.isfinite(np.concatenate([line.points_px for line in lines])).all())
    for line in lines:
        for piece in (slice(None),) if whole else _finite_pieces(line.points_px):
            thin = cv2.approxPolyDP(line.points_px[piece].astype(np.float32)[:, None], _TOLERANCE_PX, line.closed)[:, 0]
            thinned.append(np.concatenate([thin, thin[:1]]) if line.closed else thin)
    return thinned


def _fixed_point(points_px: Float[np.ndarray, "n 2"]) -> np.ndarray:
    return np.rint(np.clip(points_px, -4096.0, 16384.0) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _finite_pieces(points_px: Float[np.ndarray, "n 2"]) -> list[slice]:
    """Where the line runs without a break, at least two points long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], _finite_rows(points_px), [False]]).astype(int))).tolist()
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start > 1]


def _finite_rows(points_px: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    return np.asarray(np.isfinite(points_px).all(axis=1))
