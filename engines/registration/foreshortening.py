"""How much shorter a stretch of vessel is shown than it is, as the registered model knows it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose

_NEAR_MM = 4.0  # from the model's line in the isocentre plane; further off the measured line follows no vessel of it
_LEAST_SHARE = 0.6  # of the measured line that follows the model
_STEP_PX = 2.0


def foreshortening_percent(
    line_px: Float[np.ndarray, "n 2"],
    isocentre_from_lps: RigidPose,
    geometry: CArmGeometry,
    points_lps_mm: Float[np.ndarray, "m 3"],
    tangents: Float[np.ndarray, "m 3"],
) -> float | None:
    """Share of its length that the vessel under a measured line loses in this view; None where none lies under it.

    Args:
        line_px: column and row.
        points_lps_mm, tangents: of the model's centerlines, unit vectors.
    """
    dense = _dense(np.asarray(line_px, dtype=np.float64))
    shown_px, depth_mm = geometry.projection(isocentre_from_lps).project(points_lps_mm)
    known = (depth_mm > 0.0) & np.isfinite(shown_px).all(axis=1)
    if not known.any() or len(dense) < 2:
        return None
    camera = (geometry.camera_from_isocentre() @ isocentre_from_lps).rotation
    along = tangents[known] @ camera.T
    rays = np.column_stack([(shown_px[known] - geometry.intrinsics_px()[:2, 2]) / np.diag(geometry.intrinsics_px())[:2],
                            np.ones(int(known.sum()))])  # fmt: skip
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    seen_share = np.sqrt(np.clip(1.0 - (along * rays).sum(axis=1) ** 2, 0.0, 1.0))
    heading = _headings(dense)
    # Of vessels that cross, the one that runs as the line does.
    away_px = np.linalg.norm(dense[:, None] - shown_px[known][None], axis=2)
    axes = np.sign(np.diag(geometry.intrinsics_px())[:2])
    shown_heading = along[:, :2] * axes
    shown_heading /= np.maximum(np.linalg.norm(shown_heading, axis=1, keepdims=True), 1e-6)
    turned = 1.0 - np.abs(heading @ shown_heading.T)
    near_px = _NEAR_MM / geometry.isocentre_mm_per_px
    nearest = (away_px + near_px * turned).argmin(axis=1)
    on_model = away_px[np.arange(len(dense)), nearest] <= near_px
    if on_model.mean() < _LEAST_SHARE:
        return None
    # Each piece of the line stands for a piece of vessel that is longer by the inverse of its share.
    true_length = (1.0 / np.maximum(seen_share[nearest[on_model]], 0.05)).mean()
    return float(100.0 * (1.0 - 1.0 / true_length))


def _dense(line_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line_px, axis=0), axis=1))])
    at = np.linspace(0.0, arc[-1], max(2, int(arc[-1] / _STEP_PX) + 1))
    return np.column_stack([np.interp(at, arc, line_px[:, axis]) for axis in range(2)])


def _headings(line_px: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m 2"]:
    along = np.gradient(line_px, axis=0)
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
