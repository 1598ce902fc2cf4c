"""How right a registration is: overlap, cosines, millimetres along the vessel, degrees about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

_WITHIN_MM = 2.0
_LONGITUDINAL_MM = 4.0
_F1, _COSINE = 0.8, 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class IvusErrors:
    """Args:
    f1: overlap within 2 mm (Schaap 2009), as in seed 000.
    cos_u, cos_v: mean cosines of the planes' axes at the same frames.
    longitudinal_mm: median distance along the true vessel between found and true place.
    longitudinal_p95_mm: its 95th percentile over the frames.
    rotation_deg: median angle between the found and the true u axis.
    """

    direction_right: bool
    handedness_right: bool
    f1: float
    cos_u: float
    cos_v: float
    longitudinal_mm: float
    longitudinal_p95_mm: float
    rotation_deg: float
    distance_mm: float

    @property
    def right(self) -> bool:
        """What `flags` and `confidence` speak of."""
        return (
            self.direction_right
            and self.longitudinal_mm <= _LONGITUDINAL_MM
            and self.f1 > _F1
            and self.cos_u > _COSINE
            and self.cos_v > _COSINE
        )


def ivus_errors(
    *,
    points_mm: Float[np.ndarray, "f 3"],
    u: Float[np.ndarray, "f 3"],
    v: Float[np.ndarray, "f 3"],
    true_points_mm: Float[np.ndarray, "f 3"],
    true_u: Float[np.ndarray, "f 3"],
    true_v: Float[np.ndarray, "f 3"],
    axis_mm: Float[np.ndarray, "n 3"],
    direction_right: bool,
    handedness_right: bool,
) -> IvusErrors:
    """Compare frame by frame.

    Args:
        axis_mm: the true vessel's middle line, densely, along which places are told apart.
    """
    steps = np.linalg.norm(np.diff(axis_mm, axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    tree = KDTree(axis_mm)
    apart = np.abs(arc[tree.query(points_mm)[1]] - arc[tree.query(true_points_mm)[1]])
    # Beyond the line's ends the foot stands still; the distance in space does not.
    distance = np.linalg.norm(points_mm - true_points_mm, axis=1)
    apart = np.maximum(apart, np.where(distance > 6.0, distance - 4.0, 0.0))
    precision = float((KDTree(true_points_mm).query(points_mm)[0] <= _WITHIN_MM).mean())
    recall = float((KDTree(points_mm).query(true_points_mm)[0] <= _WITHIN_MM).mean())
    cos_u = np.sum(u * true_u, axis=1)
    return IvusErrors(
        direction_right=direction_right,
        handedness_right=handedness_right,
        f1=2 * precision * recall / max(precision + recall, 1e-9),
        cos_u=float(cos_u.mean()),
        cos_v=float(np.sum(v * true_v, axis=1).mean()),
        longitudinal_mm=float(np.median(apart)),
        longitudinal_p95_mm=float(np.percentile(apart, 95)),
        rotation_deg=float(np.rad2deg(np.median(np.arccos(np.clip(cos_u, -1, 1))))),
        distance_mm=float(np.median(distance)),
    )
