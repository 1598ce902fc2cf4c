"""A case's model as judging needs it: projected for any pose, and compared with the vessels of a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.frame import Frame
from engines.registration.residuals.branch_residuals import BranchResidual, middle_mm, worst_mm
from engines.registration.residuals.class_residuals import VEIN, ClassedModel, SeenVessels
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
    """All branches of one pose on one picture, the worst first; those that are not filled last, unranked."""

    branches: tuple[JudgedBranch, ...]
    middle_mm: float | None
    worst_mm: float | None


class JudgedModel:
    """Made once for a case; takes some tenths of a second."""

    def __init__(self, model: VesselModel) -> None:
        self.model = model
        self._projected = ProjectedModel(model)
        self._classed = None if model.centerlines is None else ClassedModel(model)
        self._prepared = None if self._classed is None else self._classed.drawn

    @property
    def pivot_mm(self) -> Float[np.ndarray, " 3"]:
        """LPS; what a person turns the model about."""
        return self.model.centroid_mm()

    def judge(self, pose: RigidPose, geometry: CArmGeometry, vessels: Sequence[OverlayPath]) -> Judgement:
        """Compare this pose with the outlines of the segmented vessels."""
        classed = self._classed
        if classed is None:
            return Judgement(branches=(), middle_mm=None, worst_mm=None)
        found = classed.residuals(pose, geometry, seen_vessels(vessels, geometry.shape_px))
        projection = geometry.projection(pose)
        # Camera axes to columns and rows; in the isocentre plane one pixel is as large everywhere.
        px_per_mm = np.diag(geometry.intrinsics_px())[:2] / geometry.sod_mm
        often = Counter(one.name for one in found)
        branches = tuple(
            JudgedBranch(
                name=_name(one, alone=often[one.name] == 1),
                residual=one,
                pieces_px=tuple(projection.project(classed.points_mm(branch))[0] for branch in one.branches),
                move_px=one.move_mm * px_per_mm,
            )
            for one in found
        )
        return Judgement(branches=branches, middle_mm=middle_mm(found), worst_mm=worst_mm(found))

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


def _name(one: BranchResidual, *, alone: bool) -> str:
    return one.name if one.name and alone else f"{one.name or one.vessel_class} {one.branches[0] + 1}"


def seen_vessels(outlines: Sequence[OverlayPath], shape_px: tuple[int, int]) -> SeenVessels:
    """Filled vessels by class; outlines without a name belong to a network that tells no classes apart."""
    if not any(path.name for path in outlines):
        return SeenVessels(arterial=filled_mask(outlines, shape_px))
    veins = [path for path in outlines if path.name == VEIN]
    others = [path for path in outlines if path.name != VEIN]
    return SeenVessels(arterial=filled_mask(others, shape_px), venous=filled_mask(veins, shape_px))


def filled_mask(outlines: Sequence[OverlayPath], shape_px: tuple[int, int]) -> Bool[np.ndarray, "rows columns"]:
    """The area within closed outlines; an outline inside another one is a hole."""
    mask = np.zeros(shape_px, np.uint8)
    pieces = [np.rint(path.points_px).astype(np.int32) for path in outlines if len(path.points_px) > 2]
    if pieces:
        cv2.fillPoly(mask, pieces, 1)
    return mask > 0
