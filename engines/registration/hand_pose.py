"""Moves of a pose by hand, as a person sees them: along and about the axes of the picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose


def moved_in_view(
    isocentre_from_lps: RigidPose,
    geometry: CArmGeometry,
    pivot_lps_mm: Float[np.ndarray, " 3"],
    *,
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    turn_rad: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> RigidPose:
    """The pose shifted by so much in the isocentre plane and along the beam, and turned about the pivot.

    Args:
        shift_mm: (right, up, away from the source) as the picture is stored; in-plane lengths are those of the
            isocentre plane, so that the model follows a pointer whatever its depth.
        turn_rad: (nod: the upper edge away from the viewer, turn: the right edge away, roll: clockwise).
    """
    camera_from_isocentre = geometry.camera_from_isocentre()
    camera = camera_from_isocentre.rotation
    # Camera x runs with the columns unless the picture is mirrored, camera y against the rows, z away from the source.
    mirror = -1.0 if geometry.mirrored else 1.0
    pivot = isocentre_from_lps.apply(pivot_lps_mm[None])[0]
    depth_mm = float(camera_from_isocentre.apply(pivot[None])[0, 2])
    magnified = depth_mm / geometry.sod_mm
    shift = np.array([mirror * shift_mm[0] * magnified, shift_mm[1] * magnified, shift_mm[2]])
    # Along the ray through the pivot, so that it stays where it is shown.
    ray = camera_from_isocentre.apply(pivot[None])[0] / depth_mm
    shift = shift + (ray - (0.0, 0.0, 1.0)) * shift_mm[2]
    nod, turn, roll = turn_rad
    about = Rotation.from_rotvec(np.array([-nod, mirror * turn, -mirror * roll])).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = camera.T @ about @ camera @ isocentre_from_lps.rotation
    matrix[:3, 3] = pivot + camera.T @ shift - matrix[:3, :3] @ pivot_lps_mm
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def header_pose(pivot_lps_mm: Float[np.ndarray, " 3"]) -> RigidPose:
    """Where nothing else is known: the patient lies as the header says, with the model's middle at the isocentre."""
    matrix = np.eye(4)
    matrix[:3, 3] = -np.asarray(pivot_lps_mm)
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def difference_text(
    before: RigidPose, after: RigidPose, geometry: CArmGeometry, pivot_lps_mm: Float[np.ndarray, " 3"]
) -> str:
    """How far the second pose is from the first, for a log: in the picture's plane, along the beam, and in angle."""
    camera = geometry.camera_from_isocentre().rotation
    moved = camera @ (after.apply(pivot_lps_mm[None])[0] - before.apply(pivot_lps_mm[None])[0])
    turned = Rotation.from_matrix(after.rotation @ before.rotation.T).magnitude()
    return (
        f"{float(np.hypot(moved[0], moved[1])):.1f} mm in the plane, {abs(float(moved[2])):.1f} mm along the beam, "
        f"{float(np.rad2deg(turned)):.1f} degrees"
    )
