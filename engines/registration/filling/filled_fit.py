"""Levenberg-Marquardt on the pictures themselves: the pose moves, the fillings are solved for at every pose.

Variable projection after Kaufman 1975 (BIT 15:49): the Jacobian of the rendering at fixed fillings, made orthogonal to
what the fillings can do themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.registration.alignment.levenberg_marquardt import SCALES, PosePrior, moved
from engines.registration.alignment.rotations import rotation_vector
from engines.registration.features.image_features import PreparedView
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_picture import Filling, gram_of
from engines.registration.filling.filled_views import FilledViews

_NUDGE = 0.25  # scaled parameters: 0.3 degrees, 0.25 mm in plane, 2 mm in depth
_OBSERVATIONS = 600.0  # independent ones in a view's picture, against the prior
_MOST = 8.0  # scaled parameters in one step
_SAME = 1e-6  # of the largest eigenvalue: parts that look alike count once
_ENOUGH = 2e-4  # of the cost; a smaller gain ends the iteration


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledFit:
    """Where the iteration ended; `cost` is lower for better at the same picture size."""

    state: RigidState
    ncc: float
    cost: float
    information: Float[np.ndarray, "p p"]


def fit_filled(
    start: RigidState,
    pictures: FilledViews,
    views: Sequence[PreparedView],
    prior: PosePrior,
    *,
    iterations: int,
) -> FilledFit:
    """Minimise what the rendering leaves unexplained, plus the prior; without iterations the start is only measured."""
    size = 6 + (3 * (len(views) - 1) if prior.table_mm > 0 else 0)
    state, fits = start, pictures.filled(start)
    cost = _cost(state, fits, views, prior, size)
    damping, information = 1e-2, np.eye(size)
    if not iterations:
        _, information = _normal_equations(state, fits, pictures, views, prior, size)
    for _ in range(iterations):
        gradient, information = _normal_equations(state, fits, pictures, views, prior, size)
        before, found = cost, False
        for _ in range(4):
            damped = information + damping * np.diag(np.diag(information) + 1e-6)
            step = np.clip(np.linalg.solve(damped, gradient), -_MOST, _MOST)
            there = moved(state, step, views)
            tried = pictures.filled(there)
            trial = _cost(there, tried, views, prior, size)
            if trial < cost:
                state, fits, cost, found = there, tried, trial, True
                damping = max(0.2 * damping, 1e-5)
                break
            damping = max(8.0 * damping, 1e-3)
        if not found or before - cost < _ENOUGH * before:
            break
    ncc = min(filling.ncc for filling, _ in fits)
    return FilledFit(state=state, ncc=ncc, cost=cost, information=information)


_Fits = list[tuple[Filling, Float[np.ndarray, "parts pixels"]]]


def _cost(state: RigidState, fits: _Fits, views: Sequence[PreparedView], prior: PosePrior, size: int) -> float:
    residual, sigma = _prior_residual(state, views, prior, size)
    unexplained = sum(1.0 - filling.ncc**2 for filling, _ in fits)
    return 0.5 * _OBSERVATIONS * unexplained + 0.5 * float(((residual / sigma) ** 2).sum())


def _normal_equations(
    state: RigidState,
    fits: _Fits,
    pictures: FilledViews,
    views: Sequence[PreparedView],
    prior: PosePrior,
    size: int,
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    """Descent direction and curvature in scaled parameters."""
    residual, sigma = _prior_residual(state, views, prior, size)
    scale = np.ones(size)
    scale[:6] = SCALES
    gradient = -scale * residual / sigma**2
    information = np.diag((scale / sigma) ** 2)
    for view, picture in enumerate(pictures.pictures):
        filling, parts = fits[view]
        active = filling.amount > 0
        if not active.any():
            continue
        own = parts[active]
        here = (filling.amount @ parts).astype(np.float32)
        slope = np.zeros((size, len(here)), np.float32)
        for parameter in _seen_by(view, size):
            step = np.zeros(size)
            step[parameter] = _NUDGE
            there = picture.rendered(
                moved(state, step, views), pictures.local_mm, pictures.cloud, view, filling.amount
            )[0]
            slope[parameter] = (there - here) / _NUDGE
        slope -= (np.linalg.pinv(gram_of(own), _SAME, hermitian=True) @ (own @ slope.T)).T.astype(np.float32) @ own
        weight = _OBSERVATIONS / float(picture.target @ picture.target)
        gradient += weight * (slope @ (picture.target - here))
        information += weight * gram_of(slope)
    return gradient, information


def _seen_by(view: int, size: int) -> list[int]:
    shift = range(3 + 3 * view, 6 + 3 * view) if view > 0 and size > 6 else range(0)
    return [*range(6), *shift]


def _prior_residual(
    state: RigidState, views: Sequence[PreparedView], prior: PosePrior, size: int
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Distance from the prior in radians and mm, and its standard deviations."""
    residual, sigma = np.zeros(size), np.ones(size)
    residual[:3] = rotation_vector(state.rotation @ prior.state.rotation.T)
    residual[3:6] = views[0].camera_from_isocentre[:3, :3] @ (state.pivot_mm - prior.state.pivot_mm)
    sigma[:3], sigma[3:5], sigma[5] = prior.rotation_rad, prior.in_plane_mm, prior.depth_mm
    if size > 6:
        residual[6:] = (state.shifts_mm[1:] - prior.state.shifts_mm[1:]).ravel()
        sigma[6:] = prior.table_mm
    return residual, sigma
