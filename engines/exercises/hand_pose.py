"""A pose moved by hand in six degrees of freedom, and how far it is from the right one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.evaluation.registration.metrics import depth_error_mm, projection_error_mm
from engines.exercises.reference import ReferencePicture

Level = Literal["near", "usual", "far"]
LEVELS: tuple[Level, ...] = get_args(Level)

# Turn in degrees, shift across and along the beam in mm. `usual` is the spread from which registrations are evaluated.
_OFFSETS: dict[Level, tuple[float, float, float]] = {
    "near": (3.0, 6.0, 10.0),
    "usual": (7.0, 15.0, 20.0),
    "far": (12.0, 30.0, 40.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandMove:
    """A small move as it is seen in the picture, about the middle of the model.

    Args:
        right_mm: to the right in the isocentre plane; `down_mm` likewise.
        along_mm: along the beam, away from the source: the model becomes smaller.
        turn_right_rad: what is nearest to the viewer goes to the right.
        turn_down_rad: what is nearest to the viewer goes down.
        roll_rad: counterclockwise in the picture.
    """

    right_mm: float = 0.0
    down_mm: float = 0.0
    along_mm: float = 0.0
    turn_right_rad: float = 0.0
    turn_down_rad: float = 0.0
    roll_rad: float = 0.0


def moved(
    isocentre_from_lps: RigidPose, move: HandMove, geometry: CArmGeometry, pivot_lps_mm: Float[np.ndarray, " 3"]
) -> RigidPose:
    """The pose after this move.

    The camera's axes are right, up and from the source to the viewer behind the detector; a mirrored picture shows the
    first one reversed.
    """
    camera_from_isocentre = geometry.camera_from_isocentre()
    camera_from_lps = camera_from_isocentre @ isocentre_from_lps
    pivot = camera_from_lps.apply(pivot_lps_mm[None])[0]
    hand = -1.0 if geometry.mirrored else 1.0
    turn = Rotation.from_rotvec([move.turn_down_rad, hand * move.turn_right_rad, hand * move.roll_rad]).as_matrix()
    nearer = pivot[2] / geometry.sod_mm  # a millimetre in the isocentre plane, at the model's own depth
    shift = np.array([hand * move.right_mm * nearer, -move.down_mm * nearer, 0.0])
    shift += move.along_mm * pivot / np.linalg.norm(pivot)  # along its own ray: the model's middle stays where it is
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = pivot - turn @ pivot + shift
    step = RigidPose(matrix=matrix, target="camera", source="camera")
    return camera_from_isocentre.inverse() @ (step @ camera_from_lps)


def start_pose(picture: ReferencePicture, level: Level, seed: int) -> RigidPose:
    """Where a trainee begins: off by the level's turn and shifts, in directions drawn by the seed."""
    draw = np.random.default_rng([seed, LEVELS.index(level)])
    turn_deg, across_mm, along_mm = _OFFSETS[level]
    axis = draw.normal(size=3)
    axis *= np.deg2rad(turn_deg) / np.linalg.norm(axis)
    way = draw.uniform(0.0, 2.0 * np.pi)
    move = HandMove(
        right_mm=across_mm * np.cos(way),
        down_mm=across_mm * np.sin(way),
        along_mm=along_mm * draw.uniform(0.5, 1.0) * draw.choice([-1.0, 1.0]),
        turn_right_rad=axis[0],
        turn_down_rad=axis[1],
        roll_rad=axis[2],
    )
    return moved(picture.isocentre_from_lps, move, picture.geometry, picture.points_mm().mean(axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseScore:
    """How far a pose is from the right one.

    Args:
        mean_mm: mean projection error in the isocentre plane, over the points of the branches that are shown.
        worst_mm: the largest one, at `worst_branch`.
        turned_deg: angle between both rotations.
        along_mm: mean distance along the beam, which one view hardly shows.
    """

    mean_mm: float
    worst_mm: float
    worst_branch: int
    turned_deg: float
    along_mm: float


def pose_score(picture: ReferencePicture, isocentre_from_lps: RigidPose) -> PoseScore:
    found, true, points = picture.geometry.projection(isocentre_from_lps), picture.projection, picture.points_mm()
    apart_px = np.linalg.norm(found.project(points)[0] - true.project(points)[0], axis=1)
    worst = int(np.nanargmax(apart_px))
    ends = np.cumsum([len(branch.points_mm) for branch in picture.branches])
    between = found.camera_from_lps.rotation @ true.camera_from_lps.rotation.T
    return PoseScore(
        mean_mm=projection_error_mm(found, true, points, picture.geometry),
        worst_mm=float(apart_px[worst] * picture.geometry.isocentre_mm_per_px),
        worst_branch=int(np.searchsorted(ends, worst, side="right")),
        turned_deg=float(np.rad2deg(np.linalg.norm(Rotation.from_matrix(between).as_rotvec()))),
        along_mm=depth_error_mm(found, true, points),
    )
