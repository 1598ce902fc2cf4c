"""A smooth curve with a frame that does not turn about it (rotation-minimising, by double reflection)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_splprep
from scipy.ndimage import gaussian_filter1d

from engines.anatomy.centerlines.polyline import arc_length_mm, points_at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingFrame:
    """Points along a curve with right-handed orthonormal axes: u x v = tangent.

    Args:
        arc_mm: (n,) arc length, increasing; the first value need not be 0.
        points_mm: (n, 3) LPS.
        tangent, u, v: (n, 3) unit vectors.
    """

    arc_mm: Float[np.ndarray, " n"]
    points_mm: Float[np.ndarray, "n 3"]
    tangent: Float[np.ndarray, "n 3"]
    u: Float[np.ndarray, "n 3"]
    v: Float[np.ndarray, "n 3"]

    @property
    def length_mm(self) -> float:
        return float(self.arc_mm[-1] - self.arc_mm[0])

    def at(self, arc_mm: Float[np.ndarray, " m"]) -> MovingFrame:
        """The frame at any arc length; beyond the ends it goes on straight along the end's tangent."""
        inside = np.clip(arc_mm, self.arc_mm[0], self.arc_mm[-1])
        tangent = _unit(points_at(inside, self.arc_mm, self.tangent))
        u = points_at(inside, self.arc_mm, self.u)
        u = _unit(u - np.sum(u * tangent, axis=1, keepdims=True) * tangent)
        points = points_at(inside, self.arc_mm, self.points_mm) + (arc_mm - inside)[:, None] * tangent
        return MovingFrame(arc_mm=arc_mm, points_mm=points, tangent=tangent, u=u, v=np.cross(tangent, u))


def moving_frame(
    points_mm: Float[np.ndarray, "n 3"], *, step_mm: float = 0.3, smooth_mm: float = 1.0, first_arc_mm: float = 0.0
) -> MovingFrame:
    """Smooth a polyline, resample it evenly, and carry a frame along it.

    Source: Wang, Juettler, Zheng and Liu, "Computation of rotation minimizing frames", ACM TOG 27(1), 2008.

    Args:
        points_mm: at least two different points, in order.
        smooth_mm: standard deviation of the smoothing along the curve; 0 leaves the points as they are.
    """
    even = evenly_spaced(points_mm, step_mm / 2.0)
    if smooth_mm > 0.0 and len(even) > 8:
        even = _smoothed(even, smooth_mm / (step_mm / 2.0))
    points = evenly_spaced(even, step_mm)
    if len(points) > 3:
        tangent = _unit(np.gradient(points, axis=0, edge_order=2))
    else:
        tangent = _unit(np.gradient(points, axis=0))
    u = double_reflection(points, tangent)
    arc_mm = first_arc_mm + arc_length_mm(points)
    return MovingFrame(arc_mm=arc_mm, points_mm=points, tangent=tangent, u=u, v=np.cross(tangent, u))


def double_reflection(
    points_mm: Float[np.ndarray, "n 3"], tangent: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """The u axis carried along by two reflections a step."""
    first = np.cross(tangent[0], np.eye(3)[np.argmin(np.abs(tangent[0]))])
    u = np.empty_like(points_mm)
    u[0] = first / np.linalg.norm(first)
    for i in range(len(points_mm) - 1):
        across = points_mm[i + 1] - points_mm[i]
        c1 = max(float(across @ across), 1e-18)
        u_left = u[i] - (2.0 / c1) * (across @ u[i]) * across
        t_left = tangent[i] - (2.0 / c1) * (across @ tangent[i]) * across
        bend = tangent[i + 1] - t_left
        c2 = float(bend @ bend)
        u_next = u_left if c2 < 1e-18 else u_left - (2.0 / c2) * (bend @ u_left) * bend
        u_next = u_next - (u_next @ tangent[i + 1]) * tangent[i + 1]
        u[i + 1] = u_next / np.linalg.norm(u_next)
    return u


def evenly_spaced(points_mm: Float[np.ndarray, "n 3"], step_mm: float) -> Float[np.ndarray, "m 3"]:
    """A polyline's points at equal steps, both ends kept."""
    steps = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    keep = np.concatenate([[True], steps > 1e-9])
    points = points_mm[keep]
    arc = arc_length_mm(points)
    count = max(2, round(arc[-1] / step_mm) + 1)
    at = np.linspace(0.0, arc[-1], count)
    if len(points) > 3:  # a cubic through the points: linear pieces would bend the tangent at every point
        curve, _ = make_splprep(points.T, u=arc, s=0)
        return np.asarray(curve(at)).T
    return points_at(at, arc, points)


def _smoothed(points: Float[np.ndarray, "n 3"], sigma: float) -> Float[np.ndarray, "n 3"]:
    # Point reflection at the ends keeps them where they are; a plain edge would pull the curve in.
    pad = min(len(points) - 1, int(np.ceil(4.0 * sigma)))
    head = 2.0 * points[0] - points[pad:0:-1]
    tail = 2.0 * points[-1] - points[-2 : -pad - 2 : -1]
    return gaussian_filter1d(np.concatenate([head, points, tail]), sigma, axis=0)[pad : pad + len(points)]


def _unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
