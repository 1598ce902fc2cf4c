"""Smooth ways in which a vessel tree may move beyond its rigid pose, and a field of such motion.

The motion is a Gaussian process over the anatomy (as in Gaussian process morphable models, Luethi et al. 2018): points
that lie near each other in the patient move alike. That makes it continuous across bifurcations, lets a branch that
is not seen follow its neighbours, and keeps two branches that only cross in the picture independent. It moves points
parallel to the detector alone: one view says nothing about motion along its beam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from engines.registration.features.prepared_model import PreparedModel

# Standard deviation and reach of the motion: a ventricle's shortening and twist, and what a single branch does of its
# own. Tuned on simulated hearts of seeds 1100-1105.
_SCALES_MM = ((3.0, 45.0), (1.4, 18.0))
_KNOT_STEP_MM = 8.0
_MAX_KNOTS = 140
_KEPT_VARIANCE = 0.995


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionBasis:
    """Modes of motion of one tree; made once a case.

    Args:
        knots_mm: (k, 3) LPS, spread over the tree.
        modes: (k, m) kernel weights of each mode: amplitudes of independent modes are standard normal beforehand.
    """

    knots_mm: Float[np.ndarray, "k 3"]
    modes: Float[np.ndarray, "k m"]

    @classmethod
    def of(cls, model: PreparedModel) -> MotionBasis:
        """Knots on every branch, each tip included, and the modes that hold nearly all of the variance."""
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
    """How the tree of one frame differs from its rigid pose; small, for it crosses processes with every frame.

    Args:
        amplitudes: (m, 2) of each mode along the camera's x and y axes.
        knots_mm: (k, 3) of the basis, LPS.
        weights_mm: (k, 2) of the knots: the modes at these amplitudes.
        axes_lps: (2, 3) those axes in LPS at the frame's pose: the displacement has no part along the beam's axis.
        mean_mm: mean size of the motion over the filled tree.
        gain: share of the distance to the vessels, on parts of the picture that were held out, that it removed.
    """

    amplitudes: Float[np.ndarray, "m 2"]
    knots_mm: Float[np.ndarray, "k 3"]
    weights_mm: Float[np.ndarray, "k 2"]
    axes_lps: Float[np.ndarray, "2 3"]
    mean_mm: float
    gain: float

    def offsets_mm(self, influence: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n 3"]:
        """Displacement of the points that `influence` (see `influence_of`) is of, LPS mm, parallel to the detector."""
        return (influence @ self.weights_mm) @ self.axes_lps


def influence_of(knots_mm: Float[np.ndarray, "k 3"], points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n k"]:
    """How much each point goes along with each knot (the process's covariance, mm^2)."""
    squared = cdist(points_mm, knots_mm, "sqeuclidean")
    return sum((sigma**2 * np.exp(squared / (-2.0 * reach**2)) for sigma, reach in _SCALES_MM), np.zeros(1))


def _knots(model: PreparedModel) -> Float[np.ndarray, "k 3"]:
    """Every few millimetres along each branch; fewer where that would be too many to solve for in a frame's time."""
    every = max(1, round(_KNOT_STEP_MM / model.step_mm), int(np.ceil(len(model.points_mm) / _MAX_KNOTS)))
    first = np.flatnonzero(np.diff(model.branch, prepend=-1))
    within = np.arange(len(model.branch)) - np.repeat(first, np.diff(np.append(first, len(model.branch))))
    return model.points_mm[within % every == every // 2]
