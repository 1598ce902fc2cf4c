"""The projected model as shapes to stroke and fill, in frame pixels, built once for every overlay."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from guidance_app.live.guidance import Overlay, OverlayPath

Polyline: TypeAlias = Float[np.ndarray, "n 2"]

_FINE = 2  # lumen masks are drawn this much finer than the frame, so that their contour is smooth
_SMOOTHING_POINTS = 9
_MARGIN_PX = 12  # around the frame: where the model is cut off there, the cut lies outside the picture
_SLIT_PX = 2
_SMALLEST_PIECE_PX2 = 4.0
_SMALLEST_HOLE_PX2 = 100.0  # smaller ones between crossing branches are specks to the eye
_THINNEST_HOLE_PX = 4.0  # thinner ones lie between a branch's tube and its true surface
_UNKNOWN_WIDTH_PX = 2.0
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
        outline = self._overlay.outline
        in_pieces = any(np.isnan(line.points_px).any() for line in outline)
        widths_known = any(np.isfinite(line.width_px).any() for line in self._overlay.centerlines)
        if not outline or (in_pieces and widths_known):
            return lumen_contours(self._overlay)
        return outline


def lumen_contours(overlay: Overlay) -> tuple[OverlayPath, ...]:
    """The border of everything the model covers, so that no line crosses a junction or an overlap.

    Covered is each branch at its width, and the loose edges where the surface turns away. Stroked one by one those
    edges cost 200 ms and show every fold of the mesh.
    """
    rows, columns = (side + 2 * _MARGIN_PX for side in overlay.geometry.shape_px)
    mask = np.zeros((rows * _FINE, columns * _FINE), dtype=np.uint8)
    for line in overlay.centerlines:
        _draw_branch(mask, line)
    for line in overlay.outline:
        at = _in_mask(np.nan_to_num(line.points_px))
        pieces = [at[piece] for piece in _finite_pieces(line.points_px)]
        cv2.polylines(mask, pieces, False, 255, 1, cv2.LINE_8, _SUBPIXEL_BITS)
    # Between a branch's tube and its true surface a slit may stay open.
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((_SLIT_PX * _FINE + 1,) * 2, dtype=np.uint8))
    contours, family = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return ()
    holes = family[0, :, 3] >= 0
    return tuple(
        _contour_path(contour[:, 0, :])
        for contour, hole in zip(contours, holes, strict=True)
        if _worth_drawing(contour, hole=hole)
    )


def _worth_drawing(contour: np.ndarray, *, hole: bool) -> bool:
    area_px2 = cv2.contourArea(contour) / _FINE**2
    if not hole:
        return area_px2 > _SMALLEST_PIECE_PX2
    around_px = cv2.arcLength(contour, True) / _FINE
    return area_px2 > max(_SMALLEST_HOLE_PX2, 0.5 * _THINNEST_HOLE_PX * around_px)


def _draw_branch(mask: UInt8[np.ndarray, "rows columns"], line: OverlayPath) -> None:
    width = np.where(np.isfinite(line.width_px), line.width_px, _UNKNOWN_WIDTH_PX)
    thick = np.clip(np.rint(width * _FINE), 2, _MAX_LINE_PX).astype(int)
    good = _finite_rows(line.points_px)
    at = _in_mask(np.where(good[:, None], line.points_px, 0.0))
    # One call for each stretch of equal width; a stretch ends where the next begins, so that none comes apart.
    changes = np.flatnonzero((np.diff(thick) != 0) | (np.diff(good) != 0)) + 1
    starts = np.concatenate([[0], changes])
    stops = np.concatenate([np.minimum(changes + 1, len(at)), [len(at)]])
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        stop = stop if good[stop - 1] else stop - 1
        if good[start] and stop - start > 1:
            cv2.polylines(mask, [at[start:stop]], False, 255, int(thick[start]), cv2.LINE_8, _SUBPIXEL_BITS)


def _in_mask(points_px: Float[np.ndarray, "n 2"]) -> np.ndarray:
    return _fixed_point((points_px + _MARGIN_PX) * _FINE)


def _contour_path(contour: np.ndarray) -> OverlayPath:
    kernel = np.ones(_SMOOTHING_POINTS) / _SMOOTHING_POINTS
    around = np.pad(contour.astype(float), ((_SMOOTHING_POINTS // 2,) * 2, (0, 0)), mode="wrap")
    smooth = np.column_stack([np.convolve(around[:, axis], kernel, mode="valid") for axis in range(2)])
    return OverlayPath(points_px=smooth / _FINE - _MARGIN_PX, width_px=np.full(len(smooth), np.nan), closed=True)


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
