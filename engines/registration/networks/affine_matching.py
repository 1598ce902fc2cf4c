"""Model-to-image matching after Li et al. 2021 (DRU-Net and affine CNN for TAVI): a projection moved onto a mask.

The network takes the projected model and the seen vessels and gives six parameters of an affine map; a spatial
transformer moves the projection by it. Offered for cases with a mesh and no CTA: the map alone moves a drawing, and its
similarity part (shift, turn in the picture, size) gives a pose.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.inference.weights_list import POSE_DATA, POSE_NETWORKS
from engines.registration.alignment.pose_motion import beam_axes
from engines.registration.rendered.image_similarity import dice

PAPER_PX = 256
_FILTERS = (32, 64, 64, 128, 128, 128, 128, 256, 256)
_POOLED_AFTER = (2, 4, 6, 8)  # from the third layer on, every other one (counted from 0)
_HIDDEN = 1024


class AffineNetwork(nn.Module):
    """Nine convolutions (the first 5x5, the others 3x3) with batch norm and ReLU, then 1024 and 6 units.

    Args:
        size_px: side of the pictures; the paper's 256 makes the 1024 units 67 M weights, 96 makes them 9 M.
        share: of the paper's filters and units; 1 is the published network.
    """

    def __init__(self, size_px: int = PAPER_PX, share: float = 1.0) -> None:
        super().__init__()
        self.size_px, self.share = size_px, share
        layers: list[nn.Module] = []
        inside = 2
        for number, filters in enumerate(_FILTERS):
            outside = max(4, round(filters * share))
            kernel = 5 if number == 0 else 3
            layers += [nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=False)]
            layers += [nn.BatchNorm2d(outside), nn.ReLU()]
            if number in _POOLED_AFTER:
                layers += [nn.MaxPool2d(2)]
            inside = outside
        self.features = nn.Sequential(*layers)
        hidden = max(16, round(_HIDDEN * share))
        last = nn.Linear(hidden, 6)
        # It begins with the identity: the projection where the header puts it.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        flat = inside * (size_px // 2 ** len(_POOLED_AFTER)) ** 2
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(), last)

    def forward(self, moving: Float[Tensor, "n 1 s s"], fixed: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n 2 3"]:
        """The map from moving to fixed, in picture units: -1 and 1 are the picture's edges."""
        return identity_maps(len(moving)).to(moving) + self.head(self.features(torch.cat([moving, fixed], 1))).reshape(
            -1, 2, 3
        )


def save_affine_network(net: AffineNetwork, path: Path, *, steps: int, seed: int) -> None:
    """Write the weights in half precision and enter them in the list beside them."""
    design = {"size_px": net.size_px, "share": net.share}
    POSE_NETWORKS.save(path, net, design=design, steps=steps, seed=seed, data=POSE_DATA)


def load_affine_network(path: Path) -> AffineNetwork:
    """The network in evaluation mode.

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of something else.
    """
    record, tensors = POSE_NETWORKS.load(path)
    net = AffineNetwork(int(record.design.get("size_px", PAPER_PX)), record.design.get("share", 1.0))
    POSE_NETWORKS.fill(net, tensors, path)
    return net


def identity_maps(count: int) -> Float[Tensor, "n 2 3"]:
    return torch.eye(2, 3).expand(count, 2, 3).clone()


def transformed(moving: Float[Tensor, "n 1 s s"], maps: Float[Tensor, "n 2 3"]) -> Float[Tensor, "n 1 s s"]:
    """The moving picture after the map (spatial transformer, bilinear), differentiable in both."""
    last = maps.new_tensor([0.0, 0.0, 1.0]).expand(len(maps), 1, 3)
    # A sampler asks each pixel of the result where it came from: the inverse.
    inverse = torch.linalg.inv(torch.cat([maps, last], dim=1))[:, :2]
    grid = affine_grid(inverse, list(moving.shape), align_corners=False)
    return grid_sample(moving, grid, align_corners=False, padding_mode="zeros")


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
