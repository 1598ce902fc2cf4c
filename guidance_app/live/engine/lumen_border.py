"""The border of everything the projected model covers: what a person sees as the vessel's outline.

Stroking the loose edges where a surface turns away shows every fold of the mesh and costs 200 ms; the border of the
covered area shows none, and painting it is a few polylines.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from guidance_app.live.guidance import OverlayPath

_SMOOTHING_POINTS = 7
_MARGIN_PX = 12  # around the frame: where the model is cut off there, the cut lies outside the picture
_SLIT_PX = 5
_SMALLEST_PIECE_PX2 = 4.0
_SMALLEST_HOLE_PX2 = 100.0  # smaller ones between crossing branches are specks to the eye
_THINNEST_HOLE_PX = 4.0  # thinner ones lie between a branch's tube and its true surface
_UNKNOWN_WIDTH_PX = 2.0
_TOLERANCE_PX = 0.2  # stroking costs by the point, and no eye sees this much
_SUBPIXEL_BITS = 4  # OpenCV's fixed point
_MAX_LINE_PX = 255
_FAR_PX = 8192.0


def lumen_border(
    centerlines: tuple[OverlayPath, ...],
    edges_px: Float[np.ndarray, "n 2 2"],
    vertices_px: Float[np.ndarray, "v 2"],
    shape_px: tuple[int, int],
) -> tuple[OverlayPath, ...]:
    """Closed contours, holes too, around each branch at its width and around the surface's own edges.

    Args:
        centerlines: branches with their widths in px; unknown widths count as 2 px.
        edges_px: (n, 2 ends, 2) projected edges of the surface at which it turns away; empty without a surface.
        vertices_px: (v, 2) of the surface; they cover what lies between those edges and no branch does, such as the
            sinuses of an aortic root.
        shape_px: (rows, columns) of the frame.
    """
    rows, columns = (side + 2 * _MARGIN_PX for side in shape_px)
    mask = np.zeros((rows, columns), dtype=np.uint8)
    _draw_branches(mask, centerlines)
    _draw_surface(mask, edges_px, vertices_px)
    # Between a branch's tube and its true surface, and between the surface's vertices, slits stay open.
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((_SLIT_PX, _SLIT_PX), dtype=np.uint8))
    contours, family = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return tuple(
        _contour_path(contour[:, 0, :])
        for index, contour in enumerate(contours)
        if _worth_drawing(contour, hole=bool(family[0, index, 3] >= 0))
    )


def _worth_drawing(contour: np.ndarray, *, hole: bool) -> bool:
    area_px2 = cv2.contourArea(contour)
    if not hole:
        return area_px2 > _SMALLEST_PIECE_PX2
    return area_px2 > max(_SMALLEST_HOLE_PX2, 0.5 * _THINNEST_HOLE_PX * cv2.arcLength(contour, True))


def _draw_branches(mask: UInt8[np.ndarray, "rows columns"], centerlines: tuple[OverlayPath, ...]) -> None:
    """All stretches of equal width in one call each: a cerebral tree has hundreds of branches."""
    starts, ends, widths = [], [], []
    for line in centerlines:
        starts.append(line.points_px[:-1])
        ends.append(line.points_px[1:])
        widths.append(0.5 * (line.width_px[:-1] + line.width_px[1:]))
    if not starts:
        return
    segments = np.stack([np.concatenate(starts), np.concatenate(ends)], axis=1)
    width = np.concatenate(widths)
    thick = np.clip(np.rint(np.where(np.isfinite(width), width, _UNKNOWN_WIDTH_PX)), 1, _MAX_LINE_PX).astype(int)
    good = np.isfinite(segments).all(axis=(1, 2))
    for level in np.unique(thick[good]):
        at = _in_mask(segments[good & (thick == level)])
        cv2.polylines(mask, list(at), False, 255, int(level), cv2.LINE_8, _SUBPIXEL_BITS)


def _draw_surface(mask: UInt8[np.ndarray, "rows columns"], edges_px: np.ndarray, vertices_px: np.ndarray) -> None:
    seen = edges_px[np.isfinite(edges_px).all(axis=(1, 2))]
    cv2.polylines(mask, list(_in_mask(seen)), False, 255, 1, cv2.LINE_8, _SUBPIXEL_BITS)
    with np.errstate(invalid="ignore"):
        inside = ((vertices_px > -_MARGIN_PX) & (vertices_px < np.array(mask.shape[::-1]) - _MARGIN_PX - 1)).all(axis=1)
    column, row = np.rint(vertices_px[inside] + _MARGIN_PX).astype(int).T
    mask[row, column] = 255


def _in_mask(points_px: np.ndarray) -> np.ndarray:
    near = np.clip(points_px + _MARGIN_PX, -_FAR_PX, _FAR_PX)
    return np.rint(near * 2**_SUBPIXEL_BITS).astype(np.int32)


def _contour_path(contour: np.ndarray) -> OverlayPath:
    around = np.pad(contour.astype(np.float64), ((_SMOOTHING_POINTS // 2,) * 2, (0, 0)), mode="wrap")
    total = np.cumsum(np.concatenate([np.zeros((1, 2)), around]), axis=0)
    smooth = (total[_SMOOTHING_POINTS:] - total[:-_SMOOTHING_POINTS]) / _SMOOTHING_POINTS
    thin = cv2.approxPolyDP(smooth.astype(np.float32)[:, None], _TOLERANCE_PX, True)[:, 0].astype(np.float64)
    return OverlayPath(points_px=thin - _MARGIN_PX, width_px=np.full(len(thin), np.nan), closed=True)
