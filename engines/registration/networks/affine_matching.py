"""Model-to-image matching after Li et al. 2021 (DRU-Net and affine CNN for TAVI): a projection moved onto a mask.

The network takes the projected model and the seen vessels and gives six parameters of an affine map; a spatial
transformer moves the projection by it. Offered for cases with a mesh and no CTA: the map alone moves a drawing, and its
similarity part (shift, turn in the picture, size) gives a pose.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.networks.affine_network import transformed
from engines.registration.alignment.pose_motion import beam_axes
from engines.registration.rendered.image_similarity import dice


def unsupervised_loss(
    moving: Float[Tensor, "n 1 s s"], fixed: Float[Tensor, "n 1 s s"], maps: Float[Tensor, "n 2 3"]
) -> Float[Tensor, ""]:
    """1 - Dice of the moved projection and the mask (eq. 1 of the paper): no reference pose is needed."""
    return (1.0 - dice(transformed(moving, maps), fixed)).mean()


def rigid_explanations(
    map_: Float[np.ndarray, "2 3"], centre: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, "2 3"], ...]:
    """Moves that a rigid model can make of an affine map: a shift; a shift and a turn; both and another size.

    All send `centre`, the middle of the moving picture, where the map sends it. Shear is left out: no rigid move
    shears. Which of them explains the picture best is for the picture to say; a mask that shows a part of the model
    makes a network shrink and shear what it only had to shift.
    """
    linear = map_[:, :2]
    there = linear @ centre + map_[:, 2]
    angle = math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    size = math.sqrt(max(abs(float(np.linalg.det(linear))), 1e-6))
    return tuple(np.column_stack([part, there - part @ centre]) for part in (np.eye(2), turn, size * turn))


def posed(
    begin: RigidPose,
    map_: Float[np.ndarray, "2 3"],
    pivot_lps_mm: Float[np.ndarray, " 3"],
    geometry: CArmGeometry,
    *,
    largest_scale: float = math.inf,
) -> RigidPose:
    """The pose whose projection moves as the map's similarity part does; shear is no rigid move and is left out.

    Args:
        map_: in picture units of the square that holds the picture at its upper left.
        largest_scale: a change of size beyond it is no depth: half-filled vessels look small, and a start's depth is
            known better than that.
    """
    pivot = begin.apply(pivot_lps_mm[None])[0]
    arm = geometry.camera_from_isocentre()
    camera = arm.apply(pivot[None])[0]
    half = 0.5 * max(geometry.shape_px)
    intrinsics = geometry.intrinsics_px()
    focal, centre = intrinsics.diagonal()[:2], intrinsics[:2, 2]
    at = (camera[:2] / camera[2] * focal + centre + 0.5) / half - 1.0
    there = map_[:, :2] @ at + map_[:, 2]
    linear = map_[:, :2]
    scale = math.sqrt(max(abs(float(np.linalg.det(linear))), 1e-6))
    scale = min(max(scale, 1.0 / largest_scale), largest_scale)
    turn_rad = math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])
    # Rows run against camera y, and a mirrored picture against x: then a turn looks the other way round.
    turn_rad *= float(np.sign(focal[0] * focal[1]))
    depth = camera[2] / scale
    place = ((there + 1.0) * half - 0.5 - centre) / focal
    new_pivot = arm.inverse().apply(np.append(place * depth, depth)[None])[0]
    beam = beam_axes(geometry, pivot)[:, 2]
    turn = RigidPose.from_rotation_vector(turn_rad * beam, np.zeros(3), target="isocentre", source="isocentre")
    matrix = np.eye(4)
    matrix[:3, :3] = turn.rotation @ begin.rotation
    matrix[:3, 3] = new_pivot - matrix[:3, :3] @ pivot_lps_mm
    return RigidPose(matrix=matrix, target="isocentre", source="lps")
