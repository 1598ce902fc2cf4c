"""Robust Levenberg-Marquardt alignment of a vessel tree with one or more views, matched in both directions.

Parameters are a rotation vector about the model's pivot (scaled by 1/50 rad) and a translation along the first view's
camera axes (1 mm in plane, 8 mm along the beam). Distances are measured in the isocentre plane. Each model point looks
for the nearest image point that runs the same way and each image point for the nearest model point; the pull of far
pairs fades (Geman-McClure), so that branches which do not fill, and curves that are no vessel, let go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from calibration.pose import RigidPose
from engines.registration.image_features import ORIENTATION_MM, THICK_RADIUS_MM, FeatureSet, PreparedView
from engines.registration.prepared_model import PreparedModel

SCALES = np.array([1 / 50, 1 / 50, 1 / 50, 1.0, 1.0, 8.0])
_EVIDENCE = 60.0  # independent observations a whole view is worth against the prior
_SLIDE_WEIGHT = 0.15  # a match says little along the vessel
_FORWARD_WEIGHT = 0.45  # model to image; the model always shows more branches than the contrast
_MIN_DEPTH_MM = 50.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigidState:
    """isocentre_from_lps as rotation and place of the model's pivot; `shift_mm` moves the table in later views."""

    rotation: Float[np.ndarray, "3 3"]
    pivot_mm: Float[np.ndarray, " 3"]
    shifts_mm: Float[np.ndarray, "views 3"]

    def pose(self, model: PreparedModel) -> RigidPose:
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.pivot_mm - self.rotation @ model.pivot_mm
        return RigidPose(matrix=matrix, target="isocentre", source="lps")

    @classmethod
    def of(cls, isocentre_from_lps: RigidPose, model: PreparedModel, views: int = 1) -> RigidState:
        pivot = isocentre_from_lps.apply(model.pivot_mm[None])[0]
        return cls(rotation=isocentre_from_lps.rotation.copy(), pivot_mm=pivot, shifts_mm=np.zeros((views, 3)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosePrior:
    """Where the patient is believed to lie before the picture is looked at; sigmas in radians and mm.

    `in_plane_mm` and `depth_mm` count along the first view's camera axes; `table_mm` frees later views' table (0: fixed).
    """

    state: RigidState
    rotation_rad: float
    in_plane_mm: float
    depth_mm: float
    table_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """Where the iteration ended; `cost` is lower for better at the same `scale_mm`."""

    state: RigidState
    cost: float
    scale_mm: float
    information: Float[np.ndarray, "p p"]
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelInView:
    """The model's projected features at a state."""

    plane_mm: Float[np.ndarray, "n 2"]
    direction: Float[np.ndarray, "n 2"]
    camera_mm: Float[np.ndarray, "n 3"]
    visible: np.ndarray
    thick: np.ndarray


def project_features(
    state: RigidState, model: PreparedModel, view: PreparedView, index: int
) -> tuple[ModelInView, ModelInView | None]:
    """Centreline points and, for thick branches, the two rims of their silhouette."""
    arm = view.camera_from_isocentre
    rotation = arm[:3, :3] @ state.rotation
    centre = arm[:3, :3] @ (state.pivot_mm + state.shifts_mm[index]) + arm[:3, 3]
    camera = (model.points_mm - model.pivot_mm) @ rotation.T + centre
    tangents = model.tangents @ rotation.T
    depth = np.maximum(camera[:, 2], _MIN_DEPTH_MM)
    plane = camera[:, :2] * (view.sod_mm / depth)[:, None]
    heading = tangents[:, :2] - camera[:, :2] * (tangents[:, 2] / depth)[:, None]
    length = np.linalg.norm(heading, axis=1)
    unit = heading / np.maximum(length, 1e-6)[:, None]
    # Doubled angle without trigonometry; a branch seen end-on has no direction.
    double = np.column_stack([unit[:, 0] ** 2 - unit[:, 1] ** 2, 2 * unit[:, 0] * unit[:, 1]])
    double *= np.minimum(1.0, length / 0.3)[:, None]
    visible = view.visible(plane) & (camera[:, 2] > _MIN_DEPTH_MM)
    thick = model.radius_mm >= THICK_RADIUS_MM
    core = ModelInView(plane_mm=plane, direction=double, camera_mm=camera, visible=visible, thick=thick)
    if not thick.any() or not len(view.edge):
        return core, None
    return core, _rims(core, unit, model, view)


def _rims(core: ModelInView, unit: Float[np.ndarray, "n 2"], model: PreparedModel, view: PreparedView) -> ModelInView:
    keep = core.thick
    normal = np.column_stack([-unit[keep, 1], unit[keep, 0]])
    radius = model.radius_mm[keep]
    camera = np.concatenate([core.camera_mm[keep], core.camera_mm[keep]])
    outward = np.concatenate([normal, -normal])
    camera = camera.copy()
    camera[:, :2] += outward * np.concatenate([radius, radius])[:, None]
    depth = np.maximum(camera[:, 2], _MIN_DEPTH_MM)
    plane = camera[:, :2] * (view.sod_mm / depth)[:, None]
    # A rim that lies inside another part of the silhouette is no edge.
    scale = (view.sod_mm / np.maximum(core.camera_mm[keep, 2], _MIN_DEPTH_MM)) * radius
    tree = cKDTree(core.plane_mm[keep])
    probe = plane + 0.75 * outward
    distance, nearest = tree.query(probe, k=min(12, len(radius)))
    covered = (distance < 0.97 * scale[nearest]).any(axis=1)
    visible = view.visible(plane) & ~covered & (camera[:, 2] > _MIN_DEPTH_MM)
    return ModelInView(
        plane_mm=plane, direction=outward, camera_mm=camera, visible=visible, thick=np.ones(len(plane), bool)
    )


def align(
    start: RigidState,
    model: PreparedModel,
    views: Sequence[PreparedView],
    prior: PosePrior,
    *,
    scales_mm: Sequence[float],
    iterations: int,
) -> Alignment:
    """Minimise the robust bidirectional distance, the robust scale shrinking through `scales_mm`."""
    state, cost, information, total = start, np.inf, np.eye(6), 0
    for scale_mm in scales_mm:
        damping, best, cost = 1e-2, state, np.inf
        gradient, information = np.zeros(0), np.eye(6)
        for _ in range(iterations):
            total += 1
            trial_cost, trial_gradient, trial_information = _normal_equations(state, model, views, prior, scale_mm)
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
            state = _moved(best, -np.linalg.solve(damped, gradient), views)
        state = best
    return Alignment(
        state=state, cost=float(cost), scale_mm=float(scales_mm[-1]), information=information, iterations=total
    )


def _moved(state: RigidState, step: Float[np.ndarray, " p"], views: Sequence[PreparedView]) -> RigidState:
    scaled = step[:6] * SCALES
    angle = np.linalg.norm(scaled[:3])
    if angle > 0.2:
        scaled = scaled * (0.2 / angle)
    arm = views[0].camera_from_isocentre[:3, :3]
    rotation = Rotation.from_rotvec(scaled[:3]).as_matrix() @ state.rotation
    shifts = state.shifts_mm
    if len(step) > 6:
        shifts = shifts.copy()
        shifts[1:] += step[6:].reshape(-1, 3)
    return replace(state, rotation=rotation, pivot_mm=state.pivot_mm + arm.T @ scaled[3:], shifts_mm=shifts)


def _normal_equations(
    state: RigidState, model: PreparedModel, views: Sequence[PreparedView], prior: PosePrior, scale_mm: float
) -> tuple[float, Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    size = 6 + (3 * (len(views) - 1) if prior.table_mm > 0 else 0)
    cost, gradient, information = _prior_terms(state, views[0], prior, size)
    for index, view in enumerate(views):
        for part, image, share in _feature_pairs(state, model, view, index):
            for weight, term in _matched(part, image, scale_mm):
                factor = _EVIDENCE * share * weight
                cost += factor * term.loss
                if not len(term.residual_mm):
                    continue
                rows = _jacobian(term, state, views[0], view, index, size)
                weighted = rows * term.weights[:, None]
                gradient += factor * (weighted.T @ term.residual_mm)
                information += factor * (weighted.T @ rows)
    return cost, gradient, information


def _feature_pairs(
    state: RigidState, model: PreparedModel, view: PreparedView, index: int
) -> list[tuple[ModelInView, FeatureSet, float]]:
    """Model features, the image features they may match, and the share of the view's evidence they carry."""
    core, rim = project_features(state, model, view, index)
    if rim is None:
        return [(core, view.centreline, 1.0)] if len(view.centreline) else []
    thin = replace(core, visible=core.visible & ~core.thick)
    features = len(view.centreline) + len(view.edge)
    pairs = [(thin, view.centreline), (rim, view.edge)]
    return [(part, image, len(image) / features) for part, image in pairs if len(image)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Term:
    """Matched pairs in one direction: mean robust loss (mm^2), and per row weight, residual and its direction."""

    loss: float
    weights: Float[np.ndarray, " n"]
    residual_mm: Float[np.ndarray, " n"]
    direction: Float[np.ndarray, "n 2"]
    camera_mm: Float[np.ndarray, "n 3"]


def _matched(part: ModelInView, image: FeatureSet, scale_mm: float) -> list[tuple[float, _Term]]:
    seen = np.flatnonzero(part.visible)
    if len(seen) < 3:
        empty = np.zeros((0, 3))
        lost = _Term(
            loss=0.5 * scale_mm**2,
            weights=empty[:, 0],
            residual_mm=empty[:, 0],
            direction=empty[:, :2],
            camera_mm=empty,
        )
        return [(1.0, lost)]
    described = np.hstack([part.plane_mm[seen], ORIENTATION_MM * part.direction[seen]])
    assert image.tree is not None
    _, to_image = image.tree.query(described)
    _, to_model = cKDTree(described).query(image.tree.data)
    everything = np.arange(len(image))
    return [
        (_FORWARD_WEIGHT, _term(part, seen, image, to_image, scale_mm)),
        (1.0 - _FORWARD_WEIGHT, _term(part, seen[to_model], image, everything, scale_mm)),
    ]


def _term(
    part: ModelInView, model_index: np.ndarray, image: FeatureSet, image_index: np.ndarray, scale_mm: float
) -> _Term:
    offset = part.plane_mm[model_index] - image.points_mm[image_index]
    normal = image.normal[image_index]
    along = np.column_stack([-normal[:, 1], normal[:, 0]])
    across_mm, slide_mm = (offset * normal).sum(1), (offset * along).sum(1)
    turned = part.direction[model_index] - image.direction[image_index]
    squared = across_mm**2 + _SLIDE_WEIGHT * slide_mm**2 + 0.25 * ORIENTATION_MM**2 * (turned**2).sum(1)
    ratio = squared / scale_mm**2
    weights = 1.0 / (1.0 + ratio) ** 2 / len(offset)
    camera = part.camera_mm[model_index]
    return _Term(
        loss=float(0.5 * scale_mm**2 * (ratio / (1.0 + ratio)).mean()),
        weights=np.concatenate([weights, _SLIDE_WEIGHT * weights]),
        residual_mm=np.concatenate([across_mm, slide_mm]),
        direction=np.concatenate([normal, along]),
        camera_mm=np.concatenate([camera, camera]),
    )


def _jacobian(
    term: _Term, state: RigidState, first: PreparedView, view: PreparedView, index: int, size: int
) -> Float[np.ndarray, "n p"]:
    """Rows of d(residual)/d(parameters); see the module's text for the parameters."""
    arm = view.camera_from_isocentre
    depth = np.maximum(term.camera_mm[:, 2], _MIN_DEPTH_MM)
    scale = view.sod_mm / depth
    in_camera = np.empty((len(depth), 3))
    in_camera[:, :2] = term.direction * scale[:, None]
    in_camera[:, 2] = -(in_camera[:, :2] * term.camera_mm[:, :2]).sum(1) / depth
    in_isocentre = in_camera @ arm[:3, :3]
    centre = arm[:3, :3] @ (state.pivot_mm + state.shifts_mm[index]) + arm[:3, 3]
    lever = (term.camera_mm - centre) @ arm[:3, :3]
    rows = np.zeros((len(depth), size))
    rows[:, :3] = np.cross(lever, in_isocentre)
    rows[:, 3:6] = in_isocentre @ first.camera_from_isocentre[:3, :3].T
    rows[:, :6] *= SCALES
    if size > 6 and index > 0:
        rows[:, 3 + 3 * index : 6 + 3 * index] = in_isocentre
    return rows


def _prior_terms(
    state: RigidState, first: PreparedView, prior: PosePrior, size: int
) -> tuple[float, Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    turned = Rotation.from_matrix(state.rotation @ prior.state.rotation.T).as_rotvec()
    moved = first.camera_from_isocentre[:3, :3] @ (state.pivot_mm - prior.state.pivot_mm)
    residual = np.zeros(size)
    residual[:3], residual[3:6] = turned, moved
    sigma = np.array([prior.rotation_rad] * 3 + [prior.in_plane_mm] * 2 + [prior.depth_mm])
    weight = np.zeros(size)
    weight[:6] = 1.0 / sigma**2
    scale = np.ones(size)
    scale[:6] = SCALES
    if size > 6:
        residual[6:] = (state.shifts_mm[1:] - prior.state.shifts_mm[1:]).ravel()
        weight[6:] = 1.0 / prior.table_mm**2
    # The rotation's own Jacobian is taken as the identity: exact at the prior, and the prior is weak far from it.
    return float(0.5 * (weight * residual**2).sum()), scale * weight * residual, np.diag(weight * scale**2)
