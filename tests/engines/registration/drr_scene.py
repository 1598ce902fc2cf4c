"""A small vessel tree, its silhouette drawn without any renderer, and poses near the truth."""

from __future__ import annotations

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.vessel_model import Branch, CenterlineTree

TRUTH = RigidPose.from_rotation_vector(
    np.array([0.05, -0.1, 0.08]), np.array([-8.0, 18.0, -25.0]), target="isocentre", source="lps"
)


def tree(seed: int = 0, branches: int = 6) -> CenterlineTree:
    generator = np.random.default_rng(seed)
    grown = []
    for _ in range(branches):
        points = [generator.normal(0.0, 12.0, 3)]
        direction = _unit(generator.normal(size=3))
        for _ in range(40):
            direction = _unit(direction + generator.normal(0.0, 0.15, 3))
            points.append(points[-1] + 1.2 * direction)
        grown.append(
            Branch(
                points_mm=np.array(points) + np.array([10.0, -20.0, 30.0]), radius_mm=np.linspace(2.2, 1.1, len(points))
            )
        )
    return CenterlineTree(branches=tuple(grown))


def geometry(primary_deg: float = 20.0, secondary_deg: float = -10.0, *, mirrored: bool = False) -> CArmGeometry:
    return CArmGeometry(
        primary_rad=np.deg2rad(primary_deg),
        secondary_rad=np.deg2rad(secondary_deg),
        sid_mm=1100.0,
        sod_mm=750.0,
        column_spacing_mm=0.7,
        row_spacing_mm=0.7,
        shape_px=(240, 256),
        principal_point_px=(120.0, 118.0),
        mirrored=mirrored,
    )


def silhouette(model: CenterlineTree, projection: Projection) -> np.ndarray:
    """Discs along the projected centerlines, as a perfect segmentation would show them."""
    picture = np.zeros(projection.shape_px, dtype=np.float32)
    dense = model.resampled(0.4)
    places, depth_mm = projection.project(dense.points_mm())
    radius_px = dense.radius_mm() * abs(projection.intrinsics_px[0, 0]) / depth_mm
    rows, columns = np.arange(picture.shape[0])[:, None], np.arange(picture.shape[1])[None]
    for (column, row), radius in zip(places, radius_px, strict=True):
        near_rows = slice(max(0, int(row - radius - 1)), int(row + radius + 3))
        near_columns = slice(max(0, int(column - radius - 1)), int(column + radius + 3))
        distance = np.hypot(columns[:, near_columns] - column, rows[near_rows] - row)
        part = picture[near_rows, near_columns]
        np.maximum(part, np.clip(radius + 0.5 - distance, 0.0, 1.0), out=part)
    return picture


def perturbed(pose: RigidPose, model: CenterlineTree, seed: int, *, turn_deg: float, shift_mm: float) -> RigidPose:
    """Turned about the vessels' centre by exactly this angle and shifted by exactly this length."""
    generator = np.random.default_rng(seed)
    centre = pose.apply(model.points_mm().mean(axis=0)[None])[0]
    turn = RigidPose.from_rotation_vector(
        np.deg2rad(turn_deg) * _unit(generator.normal(size=3)), np.zeros(3), target="isocentre", source="isocentre"
    )
    matrix = turn.matrix.copy()
    matrix[:3, 3] = centre - turn.rotation @ centre + shift_mm * _unit(generator.normal(size=3))
    return RigidPose(matrix=matrix, target="isocentre", source="isocentre") @ pose


def projected_error_mm(view: CArmGeometry, found: RigidPose, truth: RigidPose, model: CenterlineTree) -> float:
    """Mean distance of the projected centerlines, in the isocentre plane."""
    points = model.points_mm()
    away = view.projection(found).project(points)[0] - view.projection(truth).project(points)[0]
    return float(np.linalg.norm(away, axis=1).mean() * view.isocentre_mm_per_px)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
