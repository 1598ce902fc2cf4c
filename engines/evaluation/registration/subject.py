"""The subject of a registration: a view with a reference pose, and starts drawn around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import camera_from_projection_matrix
from engines.anatomy.vessel_model import VesselModel
from engines.registration.initial_pose import InitialPose
from engines.registration.pose_file import read_pose_file
from engines.registration.view import RegistrationView


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSpread:
    """The spread of starts, with turns about the model's centroid.

    Args:
        distribution: "normal" takes the others as standard deviations, "uniform" as limits; "paper001" draws the size
            of the whole offset as in Downs et al. 2025 and takes only its mean from here (`in_plane_mm`).
    """

    rotation_deg: float = 7.0
    in_plane_mm: float = 15.0
    depth_mm: float = 20.0
    distribution: Literal["normal", "uniform", "paper001"] = "normal"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One view, or two that are registered jointly, with a reference pose.

    Args:
        true_isocentre_from_lps: exact for a simulated case, fitted for real data.
        reference: "truth", or "placement" if errors are only differences from a fitted pose.
        second: the other view of a biplane pair.
        second_isocentre_from_lps: the reference pose of `second`; it differs from the first by the motion of table or
            heart in between.
        scored_points_mm: (n, 3) LPS on which errors are measured; the model's centerline points if None.
        starts: tried instead of drawn ones; empty to draw them.
        model_of: the other case whose model this is ("" for its own); then every pose should be rejected.
    """

    case: str
    run: str
    view: RegistrationView
    model: VesselModel
    true_isocentre_from_lps: RigidPose
    reference: str = "truth"
    second: RegistrationView | None = None
    second_isocentre_from_lps: RigidPose | None = None
    model_of: str = ""
    scored_points_mm: Float[np.ndarray, "n 3"] | None = None
    starts: tuple[DrawnStart, ...] = ()

    @property
    def views(self) -> tuple[RegistrationView, ...]:
        return (self.view,) if self.second is None else (self.view, self.second)

    def vessel_points_mm(self) -> Float[np.ndarray, "n 3"]:
        """Points on which errors are measured, LPS: those given, else the model's centerline points."""
        if self.scored_points_mm is not None:
            return self.scored_points_mm
        assert self.model.centerlines is not None, "subjects come with centerlines"
        return self.model.centerlines.points_mm()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnStart:
    """A start with its number in the draw; -1 is the header's start."""

    number: int
    init: InitialPose

    @property
    def kind(self) -> str:
        return "radiological" if self.number < 0 else "drawn"


def drawn_start(
    true_isocentre_from_lps: RigidPose,
    pivot_mm: Float[np.ndarray, " 3"],
    geometry: CArmGeometry,
    spread: StartSpread,
    rng: np.random.Generator,
) -> RigidPose:
    """The pose turned about the pivot and moved along the camera's axes, normally or uniformly distributed."""
    draw = rng.standard_normal if spread.distribution == "normal" else lambda size: rng.uniform(-1.0, 1.0, size)
    turn = Rotation.from_rotvec(np.deg2rad(spread.rotation_deg) * draw(3)).as_matrix()
    move = draw(3) * (spread.in_plane_mm, spread.in_plane_mm, spread.depth_mm)
    return turned_and_moved(true_isocentre_from_lps, pivot_mm, turn, geometry.camera_from_isocentre().rotation.T @ move)


def turned_and_moved(
    pose: RigidPose,
    pivot_mm: Float[np.ndarray, " 3"],
    turn: Float[np.ndarray, "3 3"],
    move_mm: Float[np.ndarray, " 3"],
) -> RigidPose:
    """An isocentre_from_lps pose turned about an LPS point and moved, both along the isocentre's axes."""
    pivot = pose.apply(pivot_mm[None])[0]
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ pose.rotation
    matrix[:3, 3] = pivot + move_mm - matrix[:3, :3] @ pivot_mm
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def true_pose(truth: Path, frame: int, geometry: CArmGeometry) -> RigidPose:
    """isocentre_from_lps of a frame in a POSE.json with one view per frame; frame -1 takes the first."""
    views = read_pose_file(truth).views
    match = [view for view in views if view.frame == frame] or views[:1]
    matrix = np.array(match[0].projection_px_from_lps_mm)
    return geometry.camera_from_isocentre().inverse() @ camera_from_projection_matrix(matrix, geometry.intrinsics_px())
