"""Model-to-image matching after Li et al. 2021 (DRU-Net and affine CNN for TAVI): move a projection onto a mask.

From the projected model and the segmented vessels, the network computes six parameters of an affine map; a spatial
transformer moves the projection by it. It suits cases with a mesh but no CTA. The map itself only moves a drawing; its
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
    """1 - Dice of the moved projection and the mask (eq. 1 of the paper); needs no reference pose."""
    return (1.0 - dice(transformed(moving, maps), fixed)).mean()


def rigid_explanations(
    map_: Float[np.ndarray, "2 3"], centre: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, "2 3"], ...]:
    """Rigid readings of an affine map: a shift; a shift and a turn; a shift, a turn and a change of size.

    All move `centre`, the middle of the moving picture, as the map does. Shear is left out, because no rigid move
    shears. The caller chooses the reading that fits the picture best: a mask that shows only part of the model makes
    the network shrink and shear a projection that it should only shift.
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
    """The pose whose projection moves as the map's similarity part does; shear is ignored, as no rigid move shears.

    Args:
        map_: affine map in units of the square that holds the picture at its upper left.
        largest_scale: limit for a change of size that is read as depth. Half-filled vessels look small, and the
            start's depth is more certain than a larger change.
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
    # Rows run against camera y, and a mirrored picture's columns against x, which reverses the sense of a turn.
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
