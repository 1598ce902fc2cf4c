"""Lumen that bulges out of the tubes: the sinuses of the aortic root."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from calibration.projection import Projection
from engines.simulation.anatomies.anatomy import Lobe, Patient

_STEP_MM = 0.4
_REACH_MM = 30.0


def inside_lobes(
    points_mm: Float[np.ndarray, "... 3"], lobes: tuple[Lobe, ...], rim_mm: float
) -> Float32[np.ndarray, ...]:
    """The share of a neighbourhood `rim_mm` wide that lies in any lobe; body frame."""
    inside = np.zeros(points_mm.shape[:-1], dtype=np.float32)
    for lobe in lobes:
        np.maximum(inside, np.clip(0.5 - lobe_distance_mm(points_mm, lobe) / rim_mm, 0.0, 1.0), out=inside)
    return inside


def lobe_distance_mm(points_mm: Float[np.ndarray, "... 3"], lobe: Lobe) -> Float[np.ndarray, ...]:
    """Distance to a lobe's wall, negative inside; correct to first order near the wall."""
    local = (points_mm - np.asarray(lobe.centre_mm)) @ np.asarray(lobe.axes).T
    return (np.linalg.norm(local / np.asarray(lobe.semi_axes_mm), axis=-1) - 1.0) * min(lobe.semi_axes_mm)


def lobe_path_mm(patient: Patient, projection: Projection) -> Float32[np.ndarray, "rows columns"] | None:
    """Length of each ray inside the lobes and outside the aorta below them; None without lobes."""
    if not patient.lobes:
        return None
    centre = np.mean([lobe.centre_mm for lobe in patient.lobes], axis=0) + patient.offset_mm
    centre_px, depth_mm = projection.project(centre[None])
    half = int(np.ceil(_REACH_MM * abs(projection.intrinsics_px[0, 0]) / depth_mm[0]))
    rows, columns = projection.shape_px
    left, top = (int(value) - half for value in centre_px[0])
    first_column, last_column = max(left, 0), min(left + 2 * half, columns)
    first_row, last_row = max(top, 0), min(top + 2 * half, rows)
    total = np.zeros(projection.shape_px, dtype=np.float32)
    if last_column <= first_column or last_row <= first_row:
        return total
    column, row = np.meshgrid(np.arange(first_column, last_column), np.arange(first_row, last_row))
    pixels = np.column_stack([column.ravel(), row.ravel()])
    near = projection.back_project(pixels, np.full(len(pixels), depth_mm[0] - _REACH_MM)) - patient.offset_mm
    far = projection.back_project(pixels, np.full(len(pixels), depth_mm[0] + _REACH_MM)) - patient.offset_mm
    count = int(2 * _REACH_MM / _STEP_MM)
    length_mm = np.linalg.norm(far - near, axis=1) / count
    axis_mm, radius_mm = _core(patient, centre)
    path = np.zeros(len(pixels), dtype=np.float32)
    for number in range(count):
        place = near + (number + 0.5) / count * (far - near)
        lobes = inside_lobes(place, patient.lobes, _STEP_MM)
        hit = np.flatnonzero(lobes > 0)
        if len(hit):
            path[hit] += lobes[hit] * (1.0 - _inside_tube(place[hit], axis_mm, radius_mm))
    total[first_row:last_row, first_column:last_column] = (path * length_mm).reshape(column.shape)
    return total


def _core(patient: Patient, centre_mm: Float[np.ndarray, " 3"]) -> tuple[np.ndarray, np.ndarray]:
    """The piece of aorta to which the lobes are attached; body frame."""
    aorta = [branch for branch in patient.tree.branches if branch.vessel_class == "aorta"]
    points = np.concatenate([branch.points_mm for branch in aorta])[::2]
    radius = np.concatenate([branch.radius_mm for branch in aorta])[::2]
    near = np.linalg.norm(points - centre_mm, axis=1) < _REACH_MM + 10.0
    return points[near] - patient.offset_mm, radius[near]


def _inside_tube(
    points_mm: Float[np.ndarray, "m 3"], axis_mm: Float[np.ndarray, "n 3"], radius_mm: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    square = (points_mm**2).sum(axis=1)[:, None] + (axis_mm**2).sum(axis=1) - 2.0 * points_mm @ axis_mm.T
    depth_mm = (radius_mm - np.sqrt(np.maximum(square, 0.0))).max(axis=1)
    return np.clip(0.5 + depth_mm / _STEP_MM, 0.0, 1.0)
