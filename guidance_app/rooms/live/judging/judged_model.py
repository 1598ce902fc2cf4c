"""A case's model as judging needs it: projected for any pose, and compared with the vessels of a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.frame import Frame
from engines.registration.branch_residuals import BranchResidual, branch_residuals, middle_mm, worst_mm
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.view import RegistrationView
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.guidance import Overlay, OverlayPath


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedBranch:
    """A vessel with its residual, as it lies on the picture.

    Args:
        name: of the model, with a number where several have it.
        pieces_px: (n, 2) each, column and row, where the pose puts its branches.
        move_px: (2,) how far from there its vessel lies; zeros without a residual.
    """

    name: str
    residual: BranchResidual
    pieces_px: tuple[Float[np.ndarray, "n 2"], ...]
    move_px: Float[np.ndarray, " 2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelPlace:
    """A place on the model's lines, near to a click.

    Args:
        direction: (3,) unit, along the branch.
        name: of the branch, "" where it has none.
        away_px: between the click and where the place is shown.
    """

    point_lps_mm: Float[np.ndarray, " 3"]
    direction: Float[np.ndarray, " 3"]
    radius_mm: float
    name: str
    away_px: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """All branches of one pose on one picture, the worst first; those without a vessel that corresponds last."""

    branches: tuple[JudgedBranch, ...]
    middle_mm: float | None
    worst_mm: float | None


class JudgedModel:
    """Made once for a case; takes some tenths of a second."""

    def __init__(self, model: VesselModel) -> None:
        self.model = model
        self._projected = ProjectedModel(model)
        self._prepared = _prepared(model)

    @property
    def pivot_mm(self) -> Float[np.ndarray, " 3"]:
        """LPS; what a person turns the model about."""
        return self.model.centroid_mm()

    def judge(self, pose: RigidPose, geometry: CArmGeometry, vessels: Sequence[OverlayPath]) -> Judgement:
        """Compare this pose with the outlines of the segmented vessels."""
        if self._prepared is None:
            return Judgement(branches=(), middle_mm=None, worst_mm=None)
        mask = filled_mask(vessels, geometry.shape_px)
        view = RegistrationView(
            file="", sop_instance_uid="", frame=0, geometry=geometry, vessel=mask.astype(np.float32)
        )
        found = branch_residuals(pose, self._prepared, prepare_view(view, edges=self._prepared.has_thick))
        projection = geometry.projection(pose)
        # Camera axes to columns and rows; in the isocentre plane one pixel is as large everywhere.
        px_per_mm = np.diag(geometry.intrinsics_px())[:2] / geometry.sod_mm
        often = Counter(one.name for one in found)
        branches = tuple(
            JudgedBranch(
                name=one.name if one.name and often[one.name] == 1 else f"{one.name or 'branch'} {one.branches[0] + 1}",
                residual=one,
                pieces_px=tuple(self._branch_px(projection, branch) for branch in one.branches),
                move_px=one.move_mm * px_per_mm,
            )
            for one in found
        )
        return Judgement(branches=branches, middle_mm=middle_mm(found), worst_mm=worst_mm(found))

    def _branch_px(self, projection: Projection, branch: int) -> Float[np.ndarray, "n 2"]:
        assert self._prepared is not None
        return projection.project(self._prepared.points_mm[self._prepared.branch == branch])[0]

    def overlay(
        self, frame: Frame, geometry: CArmGeometry, pose: RigidPose, *, error_mm: float | None = None
    ) -> Overlay:
        """The model on this frame at any pose; never more than a picture of that pose."""
        return self._projected.overlay(frame, geometry, pose, expected_error_mm=error_mm, generation=-1)

    def lines(self) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
        """Points (LPS mm) and unit tangents of the centerlines."""
        if self._prepared is None:
            return np.empty((0, 3)), np.empty((0, 3))
        return self._prepared.points_mm, self._prepared.tangents

    def nearest_place(self, pose: RigidPose, geometry: CArmGeometry, at_px: tuple[float, float]) -> ModelPlace | None:
        """The centerline point that is shown nearest to a place in the picture; None where none is shown."""
        if self._prepared is None:
            return None
        model = self._prepared
        shown_px, depth_mm = geometry.projection(pose).project(model.points_mm)
        away = np.where(depth_mm > 0.0, np.hypot(*(shown_px - np.array(at_px)).T), np.inf)
        away = np.nan_to_num(away, nan=np.inf)
        nearest = int(away.argmin())
        if not np.isfinite(away[nearest]):
            return None
        tangent = model.tangents[nearest]
        return ModelPlace(
            point_lps_mm=model.points_mm[nearest], direction=tangent / max(float(np.linalg.norm(tangent)), 1e-9),
            radius_mm=float(model.radius_mm[nearest]), name=model.branch_names[model.branch[nearest]],
            away_px=float(away[nearest]),
        )  # fmt: skip


def filled_mask(outlines: Sequence[OverlayPath], shape_px: tuple[int, int]) -> Bool[np.ndarray, "rows columns"]:
    """The area within closed outlines; an outline inside another one is a hole."""
    mask = np.zeros(shape_px, np.uint8)
    pieces = [np.rint(path.points_px).astype(np.int32) for path in outlines if len(path.points_px) > 2]
    if pieces:
        cv2.fillPoly(mask, pieces, 1)
    return mask > 0


def _prepared(model: VesselModel) -> PreparedModel | None:
    """Without veins, which are not drawn either; None where the model has no centerlines."""
    for classes in (("aorta", "artery"), ()):
        try:
            return PreparedModel.of(model, branch_classes=classes)
        except InputError:
            continue
    return None
