"""Smooth modes in which a vessel tree may move beyond its rigid pose, and a motion composed of them.

The motion is a Gaussian process over the anatomy (as in Gaussian process morphable models, Luethi et al. 2018): points
that lie near each other in the patient move alike. So motion is continuous across bifurcations, an invisible branch
follows its neighbours, and two branches that only cross in the picture move independently. Points move parallel to the
detector only, because one view cannot show motion along its beam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from engines.registration.features.prepared_model import PreparedModel

# (standard deviation, length scale) of the motion: first a ventricle's shortening and twist, then the own motion of
# single branches. Tuned on simulated hearts of seeds 1100-1105.
_SCALES_MM = ((3.0, 45.0), (1.4, 18.0))
_KNOT_STEP_MM = 8.0
_MAX_KNOTS = 140
_KEPT_VARIANCE = 0.995


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionBasis:
    """Modes of motion of one tree, computed once per case.

    Args:
        knots_mm: (k, 3) LPS, spread over the tree.
        modes: (k, m) kernel weights of each mode; a priori, the modes' amplitudes are independent standard normal.
    """

    knots_mm: Float[np.ndarray, "k 3"]
    modes: Float[np.ndarray, "k m"]

    @classmethod
    def of(cls, model: PreparedModel) -> MotionBasis:
        """A basis with knots on every branch, tips included, and the modes that hold nearly all variance."""
        knots = _knots(model)
        values, vectors = np.linalg.eigh(influence_of(knots, knots))
        order = np.argsort(values)[::-1]
        values, vectors = values[order], vectors[:, order]
        kept = int(np.searchsorted(np.cumsum(values), _KEPT_VARIANCE * values.sum())) + 1
        return cls(knots_mm=knots, modes=vectors[:, :kept] / np.sqrt(values[:kept]))

    def at(self, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n m"]:
        """Displacement of each point, mm, for one unit of each mode."""
        return influence_of(self.knots_mm, points_mm) @ self.modes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deformation:
    """The motion of one frame beyond the rigid pose; kept small, because it is sent between processes every frame.

    Args:
        amplitudes: (m, 2) amplitude of each mode along the camera's x and y axes.
        knots_mm: (k, 3) knots of the basis, LPS.
        weights_mm: (k, 2) kernel weights of the knots: the modes times their amplitudes.
        axes_lps: (2, 3) the camera's x and y axes in LPS at the frame's pose; nothing moves along the beam's axis.
        mean_mm: mean size of the motion over the filled tree.
        gain: share of the distance to held-out vessels that the motion removed.
    """

    amplitudes: Float[np.ndarray, "m 2"]
    knots_mm: Float[np.ndarray, "k 3"]
    weights_mm: Float[np.ndarray, "k 2"]
    axes_lps: Float[np.ndarray, "2 3"]
    mean_mm: float
    gain: float

    def offsets_mm(self, influence: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n 3"]:
        """Displacement, LPS mm and parallel to the detector, of points with this `influence` (see `influence_of`)."""
        return (influence @ self.weights_mm) @ self.axes_lps


def influence_of(knots_mm: Float[np.ndarray, "k 3"], points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n k"]:
    """Covariance of each point's motion with each knot's, mm^2."""
    squared = cdist(points_mm, knots_mm, "sqeuclidean")
    return sum((sigma**2 * np.exp(squared / (-2.0 * reach**2)) for sigma, reach in _SCALES_MM), np.zeros(1))


def _knots(model: PreparedModel) -> Float[np.ndarray, "k 3"]:
    """Knots every few millimetres along each branch; fewer if there would be too many to solve in a frame's time."""
    every = max(1, round(_KNOT_STEP_MM / model.step_mm), int(np.ceil(len(model.points_mm) / _MAX_KNOTS)))
    first = np.flatnonzero(np.diff(model.branch, prepend=-1))
    within = np.arange(len(model.branch)) - np.repeat(first, np.diff(np.append(first, len(model.branch))))
    return model.points_mm[within % every == every // 2]
