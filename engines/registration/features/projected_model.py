"""A pose during optimisation, and the model's features as a view shows them at that pose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from calibration.pose import RigidPose
from engines.registration.features.image_features import THICK_RADIUS_MM, FeatureSet, PreparedView, weight_of_radius
from engines.registration.features.prepared_model import RIM_ABOVE_MM, PreparedModel
from engines.registration.features.surface_outline import seen_outline

MIN_DEPTH_MM = 50.0  # no part of a patient is nearer to the source
_END_ON = 0.3  # sine of the angle to the beam below which a branch's direction is given less weight
_PROBE_MM = 0.75  # distance outside the rim at which the silhouette is tested
# Near the limit, a vessel may look thick in the picture and thin in the model, so there both kinds are matched.
_THIN_BELOW = 1.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigidState:
    """isocentre_from_lps as a rotation and the pivot's position; `shift_mm` is the table's movement in later views."""

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
class ModelInView:
    """Projected features of one kind; `usable` marks those that fall on the picture and are of that kind."""

    plane_mm: Float[np.ndarray, "n 2"]
    direction: Float[np.ndarray, "n 2"]
    camera_mm: Float[np.ndarray, "n 3"]
    usable: Bool[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeaturePair:
    """Projected model features, the features seen in the picture, and their share of the view's evidence."""

    model: ModelInView
    seen: FeatureSet
    share: float


def feature_pairs(state: RigidState, model: PreparedModel, view: PreparedView, index: int) -> list[FeaturePair]:
    """Pair centrelines with centrelines and, for thick branches, rims of the silhouette with edges."""
    core, heading = _core(state, model, view, index)
    if not len(view.edge):
        return [FeaturePair(model=core, seen=view.centreline, share=1.0)] if len(view.centreline) else []
    features = len(view.centreline) + len(view.edge)
    pairs = []
    if len(view.centreline):
        thin = replace(core, usable=core.usable & (model.radius_mm < _THIN_BELOW * THICK_RADIUS_MM))
        pairs.append(FeaturePair(model=thin, seen=view.centreline, share=len(view.centreline) / features))
    rims = _rims(core, heading, model, view) if model.outline is None else _outline(state, model, view, index)
    pairs.append(FeaturePair(model=rims, seen=view.edge, share=len(view.edge) / features))
    return pairs


def visible_share(state: RigidState, model: PreparedModel, view: PreparedView, index: int) -> float:
    """Share of the model that falls on the picture."""
    return float(_core(state, model, view, index)[0].usable.mean())


def camera_points(
    state: RigidState, points_mm: Float[np.ndarray, "n 3"], view: PreparedView, index: int
) -> Float[np.ndarray, "n 3"]:
    """Points that are given relative to the model's pivot, in camera axes."""
    arm = view.camera_from_isocentre
    centre = arm[:3, :3] @ (state.pivot_mm + state.shifts_mm[index]) + arm[:3, 3]
    return points_mm @ (arm[:3, :3] @ state.rotation).T + centre


def _core(
    state: RigidState, model: PreparedModel, view: PreparedView, index: int
) -> tuple[ModelInView, Float[np.ndarray, "n 2"]]:
    camera = camera_points(state, model.points_mm - model.pivot_mm, view, index)
    tangents = model.tangents @ (view.camera_from_isocentre[:3, :3] @ state.rotation).T
    depth = np.maximum(camera[:, 2], MIN_DEPTH_MM)
    plane = camera[:, :2] * (view.sod_mm / depth)[:, None]
    heading = tangents[:, :2] - camera[:, :2] * (tangents[:, 2] / depth)[:, None]
    length = np.sqrt(heading[:, 0] ** 2 + heading[:, 1] ** 2)
    heading = heading / np.maximum(length, 1e-6)[:, None]
    # The doubled angle without trigonometry; a branch seen end-on has no direction.
    direction = np.empty_like(heading)
    direction[:, 0] = heading[:, 0] ** 2 - heading[:, 1] ** 2
    direction[:, 1] = 2 * heading[:, 0] * heading[:, 1]
    direction *= np.minimum(1.0, length / _END_ON)[:, None]
    usable = view.visible(plane) & (camera[:, 2] > MIN_DEPTH_MM)
    return ModelInView(
        plane_mm=plane, direction=direction, camera_mm=camera, usable=usable, weight=weight_of_radius(model.radius_mm)
    ), heading


def _rims(
    core: ModelInView, heading: Float[np.ndarray, "n 2"], model: PreparedModel, view: PreparedView
) -> ModelInView:
    keep = model.radius_mm >= RIM_ABOVE_MM
    if not keep.any():
        return replace(core, usable=np.zeros(len(keep), dtype=bool))
    normal = np.column_stack([-heading[keep, 1], heading[keep, 0]])
    radius = model.radius_mm[keep]
    outward = np.concatenate([normal, -normal])
    camera = np.concatenate([core.camera_mm[keep], core.camera_mm[keep]])
    camera[:, :2] += outward * np.concatenate([radius, radius])[:, None]
    depth = np.maximum(camera[:, 2], MIN_DEPTH_MM)
    plane = camera[:, :2] * (view.sod_mm / depth)[:, None]
    # A rim inside another part of the silhouette is no edge of the picture.
    shown_radius = radius * view.sod_mm / np.maximum(core.camera_mm[keep, 2], MIN_DEPTH_MM)
    distance, nearest = KDTree(core.plane_mm[keep]).query(plane + _PROBE_MM * outward, k=min(12, len(radius)))
    covered = (distance < 0.97 * shown_radius[nearest]).reshape(len(plane), -1).any(axis=1)
    usable = view.visible(plane) & ~covered & (camera[:, 2] > MIN_DEPTH_MM)
    return ModelInView(plane_mm=plane, direction=outward, camera_mm=camera, usable=usable, weight=np.ones(len(plane)))


def _outline(state: RigidState, model: PreparedModel, view: PreparedView, index: int) -> ModelInView:
    assert model.outline is not None
    camera = camera_points(state, model.outline.vertices_mm - model.pivot_mm, view, index)
    turn = view.camera_from_isocentre[:3, :3] @ state.rotation
    seen = seen_outline(model.outline, camera, turn, view.sod_mm, min_depth_mm=MIN_DEPTH_MM)
    usable = seen.free & view.visible(seen.plane_mm) & (seen.camera_mm[:, 2] > MIN_DEPTH_MM)
    return ModelInView(
        plane_mm=seen.plane_mm,
        direction=seen.outward,
        camera_mm=seen.camera_mm,
        usable=usable,
        weight=np.ones(len(usable)),
    )
