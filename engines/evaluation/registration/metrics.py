"""Errors of a registration: on the vessels, at the corners of a box around them, in space, and in the picture."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.registration.view import RegistrationView


def projection_error_mm(
    found: Projection, true: Projection, points_mm: Float[np.ndarray, "n 3"], geometry: CArmGeometry
) -> float:
    """Mean distance between both projections of the points, in the isocentre plane.

    mPD on vessel points (van de Kraats et al. 2005), MPE on the eight corners of `box_corners_mm` (Downs et al. 2025,
    eq. 2).
    """
    there, depth = found.project(points_mm)
    here, true_depth = true.project(points_mm)
    in_front = (depth > 1.0) & (true_depth > 1.0)
    if not in_front.any():
        return float("inf")
    return float(np.linalg.norm(there - here, axis=1)[in_front].mean() * geometry.isocentre_mm_per_px)


def box_corners_mm(points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "8 3"]:
    """Corners of the smallest box along the LPS axes that holds the points."""
    low, high = points_mm.min(axis=0), points_mm.max(axis=0)
    return np.array(list(itertools.product(*zip(low, high, strict=True))))


def target_error_mm(found: RigidPose, true: RigidPose, points_mm: Float[np.ndarray, "n 3"]) -> float:
    """mTRE: mean distance of the points in space. One view hardly shows depth, so this is a figure for two views."""
    return float(np.linalg.norm(found.apply(points_mm) - true.apply(points_mm), axis=1).mean())


def depth_error_mm(found: Projection, true: Projection, points_mm: Float[np.ndarray, "n 3"]) -> float:
    """Mean shift along the beam."""
    return float(np.abs((found.project(points_mm)[1] - true.project(points_mm)[1]).mean()))


def vessel_distance_px(
    projection: Projection, points_mm: Float[np.ndarray, "n 3"], view: RegistrationView
) -> float | None:
    """Median distance of the projected points to the nearest segmented vessel pixel; points outside count as far."""
    import cv2

    mask = view.vessel > view.threshold
    if not mask.any():
        return None
    away = np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5))
    px, _ = projection.project(points_mm)
    rows, columns = mask.shape
    column, row = np.nan_to_num(px, nan=-1e4).T
    inside = (column > -0.5) & (column < columns - 0.5) & (row > -0.5) & (row < rows - 0.5)
    distance = np.full(len(px), float(max(rows, columns)))
    distance[inside] = away[np.rint(row[inside]).astype(int), np.rint(column[inside]).astype(int)]
    return float(np.median(distance))
