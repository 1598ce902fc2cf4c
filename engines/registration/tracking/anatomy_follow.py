"""The pose after the anatomy has moved in the plane of the picture, as bones show it."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.angiography.anatomy_anchor import InPlaneMove


def followed_in_plane(
    isocentre_from_lps: RigidPose, geometry: CArmGeometry, move: InPlaneMove, pivot_lps_mm: Float[np.ndarray, " 3"]
) -> RigidPose:
    """The pose whose projection has shifted and turned as the bones have.

    A turn about the middle of the picture becomes one about the central ray; the shift is one across the beam at the
    depth of `pivot_lps_mm`, where it moves the projection by as many pixels.
    """
    arm = geometry.camera_from_isocentre()
    camera_from_lps = arm @ isocentre_from_lps
    intrinsics = geometry.intrinsics_px()
    focal, principal = intrinsics.diagonal()[:2], intrinsics[:2, 2]
    middle = 0.5 * (np.array(geometry.shape_px[::-1], dtype=np.float64) - 1.0)
    cos, sin = math.cos(move.turn_rad), math.sin(move.turn_rad)
    turn_mm = np.array([[cos, -sin], [sin, cos]])
    # About the principal point instead of the picture's middle; the turn is one in mm, whatever the pixels' shape.
    mm_from_px = np.diag([geometry.column_spacing_mm, geometry.row_spacing_mm])
    turn_px = np.linalg.inv(mm_from_px) @ turn_mm @ mm_from_px
    shift_px = np.asarray(move.shift_px) + (turn_px - np.eye(2)) @ (principal - middle)
    # Rows may run against camera y, and a mirrored picture against x: then a turn looks the other way round.
    matrix = np.eye(4)
    angle = move.turn_rad * float(np.sign(focal[0] * focal[1]))
    matrix[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    depth_mm = float(camera_from_lps.apply(pivot_lps_mm[None])[0, 2])
    matrix[:2, 3] = shift_px / focal * depth_mm
    moved = RigidPose(matrix=matrix, target="camera", source="camera") @ camera_from_lps
    return arm.inverse() @ moved
