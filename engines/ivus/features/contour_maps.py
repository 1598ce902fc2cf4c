"""Landmarks from drawn contours: the same maps as from pictures, by the same door."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from engines.anatomy.centerlines.polyline import arc_length_mm, points_at
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps, circular_blur, main_border
from engines.ivus.files.contour_tables import Contours, Polygon

_BULGE_MM = 0.2  # a lumen that is drawn into a branch reaches this far beyond the artery's own border
_DENSE = 720


def contour_maps(contours: Contours) -> LandmarkMaps:
    """Maps of all frames about the centroid of each lumen; positions from 0, increasing."""
    centres = np.array([polygon_centroid(polygon) for polygon in contours.lumen])
    radius = np.stack([_radii(polygon - centre) for polygon, centre in zip(contours.lumen, centres, strict=True)])
    main = main_border(radius, np.ones_like(radius))
    branch = np.clip((radius - main - _BULGE_MM) / 0.3, 0.0, 1.0)
    branch = np.maximum(branch, covered_angles(contours.branch, centres))
    wall = np.zeros_like(branch)
    for frame, drawn in enumerate(contours.eem):
        if drawn:
            outer = _radii(max(drawn, key=len) - centres[frame])
            wall[frame] = np.clip(outer - main[frame] - (outer - main[frame]).mean(), -1.0, 1.0)
    return LandmarkMaps(
        place_mm=np.abs(contours.z_mm - contours.z_mm[0]),
        branch=circular_blur(branch, along=0.5, about=0.7),
        calcium=circular_blur(covered_angles(contours.calcium, centres), along=0.5, about=0.7),
        valid=np.ones_like(branch),
        radius_mm=main,
        wall_mm=circular_blur(wall, along=0.8, about=1.0),
        centre_mm=centres,
        pulled_mm=np.zeros_like(centres),  # where the catheter was is not in the tables
    )


def polygon_centroid(polygon: Polygon) -> Float[np.ndarray, " 2"]:
    """Centroid of the area; either orientation, closed or not."""
    following = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]
    if abs(cross.sum()) < 1e-9:
        return polygon.mean(axis=0)
    return ((polygon + following) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum())


def _radii(polygon: Polygon) -> Float[np.ndarray, " a"]:
    """Outermost radius at each of 48 angles."""
    dense = _densified(polygon)
    turn = np.arctan2(dense[:, 1], dense[:, 0])
    bins = np.mod(np.rint(turn / (2 * np.pi) * ANGLES).astype(int), ANGLES)
    radius = np.full(ANGLES, np.nan)
    np.fmax.at(radius, bins, np.hypot(dense[:, 0], dense[:, 1]))
    known = np.flatnonzero(np.isfinite(radius))
    return np.interp(np.arange(ANGLES), known, radius[known], period=ANGLES)


def _densified(polygon: Polygon) -> Polygon:
    closed = np.concatenate([polygon, polygon[:1]])
    arc = arc_length_mm(closed)
    at = np.linspace(0.0, arc[-1], _DENSE)
    return points_at(at, arc, closed)


def covered_angles(
    polygons: Sequence[Sequence[Polygon]], centres: Float[np.ndarray, "f 2"]
) -> Float[np.ndarray, "f a"]:
    """1 at the angles that a polygon of the frame covers."""
    out = np.zeros((len(centres), ANGLES))
    for frame, (drawn, centre) in enumerate(zip(polygons, centres, strict=True)):
        for polygon in drawn:
            dense = _densified(polygon - centre)
            bins = np.rint(np.arctan2(dense[:, 1], dense[:, 0]) / (2 * np.pi) * ANGLES).astype(int)
            out[frame, np.mod(bins, ANGLES)] = 1.0
    return out
