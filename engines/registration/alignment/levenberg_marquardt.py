"""Robust Levenberg-Marquardt alignment of a vessel tree with one or more views, matched in both directions.

Parameters are a rotation vector about the model's pivot (scaled by 1/50 rad) and a translation along the first view's
camera axes (1 mm in plane, 8 mm along the beam). Distances are measured in the isocentre plane. Each model point is
matched with the nearest image point of similar direction, and each image point with the nearest such model point. The
weight of distant pairs fades (Geman-McClure), so that unfilled branches and curves that are no vessel lose influence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from engines.registration.alignment.rotations import rotation_matrix, rotation_vector
from engines.registration.features.image_features import ORIENTATION_MM, PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import MIN_DEPTH_MM, FeaturePair, RigidState, feature_pairs

SCALES = np.array([1 / 50, 1 / 50, 1 / 50, 1.0, 1.0, 8.0])
EVIDENCE = 60.0  # number of independent observations that a view counts as, while matches are mostly guesses
FINE_EVIDENCE = 300.0  # once matches are right: a view has hundreds of mm of line, exact to half a millimetre
_SLIDE_WEIGHT = 0.15  # a match determines little along the vessel
_BORDER_MM = 0.15  # standard deviation of a segmentation's common error in the width of thick vessels
_FORWARD_WEIGHT = 0.45  # model to image; the model always has more branches than the contrast shows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosePrior:
    """The expected pose of the patient before the picture is used; sigmas in radians and mm.

    `in_plane_mm` and `depth_mm` apply along the first view's camera axes. `table_mm` allows a table movement in later
    views; 0 allows none. `supine` says that the patient is expected to lie as the C-arm's angles assume.
    """

    state: RigidState
    rotation_rad: float
    in_plane_mm: float
    depth_mm: float
    table_mm: float = 0.0
    supine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """The final state of the iteration; a lower `cost` is better at the same `scale_mm`."""

    state: RigidState
    cost: float
    scale_mm: float
    information: Float[np.ndarray, "p p"]
    iterations: int


def align(
    start: RigidState,
    model: PreparedModel,
    views: Sequence[PreparedView],
    prior: PosePrior,
    *,
    scales_mm: Sequence[float],
    iterations: int,
    evidence: float = EVIDENCE,
) -> Alignment:
    """Minimise the robust bidirectional distance, with the robust scales `scales_mm` one after the other."""
    state, cost, information, total = start, np.inf, np.eye(6), 0
    for scale_mm in scales_mm:
        damping, best, cost = 1e-2, state, np.inf
        gradient, information = np.zeros(0), np.eye(6)
        for _ in range(iterations):
            total += 1
            trial_cost, trial_gradient, trial_information = _normal_equations(
                state, model, views, prior, scale_mm, evidence
            )
            if trial_cost <= cost:
                gained = cost - trial_cost
                best, cost, gradient, information = state, trial_cost, trial_gradient, trial_information
                damping = max(damping * 0.3, 1e-4)
                if gained < 1e-4 * cost:
                    break
            else:
                damping *= 8.0
                if damping > 1e3:
                    break
            damped = information + damping * np.diag(np.diag(information) + 1e-6)
            state = moved(best, -np.linalg.solve(damped, gradient), views)
        state = best
    return Alignment(
        state=state, cost=float(cost), scale_mm=float(scales_mm[-1]), information=information, iterations=total
    )


def moved(state: RigidState, step: Float[np.ndarray, " p"], views: Sequence[PreparedView]) -> RigidState:
    """The state after a step in scaled parameters; a turn is limited to 0.2 rad."""
    scaled = step[:6] * SCALES
    angle = np.linalg.norm(scaled[:3])
    if angle > 0.2:
        scaled = scaled * (0.2 / angle)
    arm = views[0].camera_from_isocentre[:3, :3]
    rotation = rotation_matrix(scaled[:3]) @ state.rotation
    shifts = state.shifts_mm
    if len(step) > 6:
        shifts = shifts.copy()
        shifts[1:] += step[6:].reshape(-1, 3)
    return replace(state, rotation=rotation, pivot_mm=state.pivot_mm + arm.T @ scaled[3:], shifts_mm=shifts)


def _normal_equations(
    state: RigidState,
    model: PreparedModel,
    views: Sequence[PreparedView],
    prior: PosePrior,
    scale_mm: float,
    evidence: float,
) -> tuple[float, Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    size = 6 + (3 * (len(views) - 1) if prior.table_mm > 0 else 0)
    cost, gradient, information = _prior_terms(state, views[0], prior, size)
    for index, view in enumerate(views):
        for pair in feature_pairs(state, model, view, index):
            # A segmentation may draw all edges of thick vessels too far out or in; this must not change the pose.
            free = 1.0 / (_BORDER_MM**2 * evidence * pair.share) if pair.seen is view.edge else None
            matches = _matched(pair, scale_mm, free)
            cost += evidence * pair.share * matches.loss
            if not len(matches.residual_mm):
                continue
            rows = _jacobian(matches, state, views[0], view, index, size)
            if free is not None:
                across = matches.weights[: len(rows) // 2]
                rows[: len(across)] -= across @ rows[: len(across)] / (across.sum() + free)
            weighted = rows * (evidence * pair.share * matches.weights)[:, None]
            gradient += weighted.T @ matches.residual_mm
            information += weighted.T @ rows
    return cost, gradient, information


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Matches:
    """Matched pairs of both directions: the mean robust loss (mm^2), and each row's weight, residual and normal."""

    loss: float
    weights: Float[np.ndarray, " n"]
    residual_mm: Float[np.ndarray, " n"]
    normal: Float[np.ndarray, "n 2"]
    camera_mm: Float[np.ndarray, "n 3"]


def _matched(pair: FeaturePair, scale_mm: float, free_border: float | None) -> _Matches:
    """Match features in both directions.

    Args:
        free_border: weight that pulls the edges' common offset to zero; None if there is no such offset.
    """
    part, image = pair.model, pair.seen
    seen = np.flatnonzero(part.usable)
    if len(seen) < 3:
        none = np.zeros((0, 3))
        return _Matches(
            loss=0.5 * scale_mm**2, weights=none[:, 0], residual_mm=none[:, 0], normal=none[:, :2], camera_mm=none
        )
    described = np.empty((len(seen), 4))
    described[:, :2] = part.plane_mm[seen]
    described[:, 2:] = ORIENTATION_MM * part.direction[seen]
    assert image.near is not None
    to_image, to_model = image.near.nearest_to(described), image.near.nearest_among(described)
    count = len(seen), len(image)
    of_image = np.concatenate([to_image, np.arange(count[1])])
    of_model = seen[np.concatenate([np.arange(count[0]), to_model])]
    forward, backward = part.weight[seen], image.weight
    share = np.concatenate(
        [_FORWARD_WEIGHT / forward.sum() * forward, (1 - _FORWARD_WEIGHT) / backward.sum() * backward]
    )

    offset = part.plane_mm[of_model] - image.points_mm[of_image]
    turned = part.direction[of_model] - image.direction[of_image]
    normal = image.normal[of_image]
    across_mm = offset[:, 0] * normal[:, 0] + offset[:, 1] * normal[:, 1]
    slide_mm = offset[:, 1] * normal[:, 0] - offset[:, 0] * normal[:, 1]
    disagreement = turned[:, 0] ** 2 + turned[:, 1] ** 2
    besides = _SLIDE_WEIGHT * slide_mm**2 + (0.5 * ORIENTATION_MM) ** 2 * disagreement
    ratio = (across_mm**2 + besides) / scale_mm**2
    weights = share / (1.0 + ratio) ** 2
    if free_border is not None:
        across_mm = across_mm - weights @ across_mm / (weights.sum() + free_border)
        ratio = (across_mm**2 + besides) / scale_mm**2
        weights = share / (1.0 + ratio) ** 2
    camera = part.camera_mm[of_model]
    along = np.empty_like(normal)
    along[:, 0], along[:, 1] = -normal[:, 1], normal[:, 0]
    return _Matches(
        loss=float(0.5 * scale_mm**2 * (share * ratio / (1.0 + ratio)).sum()),
        weights=np.concatenate([weights, _SLIDE_WEIGHT * weights]),
        residual_mm=np.concatenate([across_mm, slide_mm]),
        normal=np.concatenate([normal, along]),
        camera_mm=np.concatenate([camera, camera]),
    )


def _jacobian(
    matches: _Matches, state: RigidState, first: PreparedView, view: PreparedView, index: int, size: int
) -> Float[np.ndarray, "n p"]:
    """Rows of d(residual)/d(parameters); see the module's text for the parameters."""
    arm = view.camera_from_isocentre
    camera = matches.camera_mm
    depth = np.maximum(camera[:, 2], MIN_DEPTH_MM)
    in_camera = np.empty_like(camera)
    in_camera[:, :2] = matches.normal * (view.sod_mm / depth)[:, None]
    in_camera[:, 2] = -(in_camera[:, 0] * camera[:, 0] + in_camera[:, 1] * camera[:, 1]) / depth
    force = in_camera @ arm[:3, :3]
    centre = arm[:3, :3] @ (state.pivot_mm + state.shifts_mm[index]) + arm[:3, 3]
    lever = (camera - centre) @ arm[:3, :3]
    rows = np.zeros((len(depth), size))
    rows[:, 0] = lever[:, 1] * force[:, 2] - lever[:, 2] * force[:, 1]
    rows[:, 1] = lever[:, 2] * force[:, 0] - lever[:, 0] * force[:, 2]
    rows[:, 2] = lever[:, 0] * force[:, 1] - lever[:, 1] * force[:, 0]
    rows[:, 3:6] = force @ first.camera_from_isocentre[:3, :3].T
    rows[:, :6] *= SCALES
    if size > 6 and index > 0:
        rows[:, 3 + 3 * index : 6 + 3 * index] = force
    return rows


def _prior_terms(
    state: RigidState, first: PreparedView, prior: PosePrior, size: int
) -> tuple[float, Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    residual = np.zeros(size)
    residual[:3] = rotation_vector(state.rotation @ prior.state.rotation.T)
    residual[3:6] = first.camera_from_isocentre[:3, :3] @ (state.pivot_mm - prior.state.pivot_mm)
    weight = np.empty(size)
    weight[:3] = 1.0 / prior.rotation_rad**2
    weight[3:5], weight[5] = 1.0 / prior.in_plane_mm**2, 1.0 / prior.depth_mm**2
    scale = np.ones(size)
    scale[:6] = SCALES
    if size > 6:
        residual[6:] = (state.shifts_mm[1:] - prior.state.shifts_mm[1:]).ravel()
        weight[6:] = 1.0 / prior.table_mm**2
    # The rotation's own Jacobian is taken as the identity: it is exact at the prior, and far from it the prior is weak.
    return float(0.5 * (weight * residual**2).sum()), scale * weight * residual, np.diag(weight * scale**2)
