"""A network that compares a model's projection with the vessels in the picture and predicts how the model must move.

It follows the initialisation of DeepIterReg (Downs et al. 2025, doi:10.1007/s11548-025-03412-2): a ResNet18 on two
vessel masks predicts rotation and translation. Ours is narrower by default. It states the motion in the camera's frame,
so that one network serves every C-arm angle, distance and picture size. It is applied several times, each time to the
projection at its last answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engines.networks.pose_answer import DEPTH_LOG, PICTURE_PX, SHIFT_WIDTHS, TURN_RAD


class _Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation, bridged by a shortcut (He et al. 2016)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outside)
        self.shortcut = nn.Sequential()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class PoseNetwork(nn.Module):
    """ResNet18 with two input channels (drawn model, vessels of the picture) and six outputs, which start at zero.

    Args:
        width: channels of the first stage; 64 is the published network (11.2 M weights), 16 has 0.7 M.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(
            nn.Conv2d(2, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        stages: list[nn.Module] = []
        inside = width
        for outside, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
            stages += [_Block(inside, outside, stride), _Block(outside, outside, 1)]
            inside = outside
        self.stages = nn.Sequential(*stages)
        # The last maps keep 3x3 places instead of one average, because the position of a vessel matters.
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * inside, 6))
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, pictures: Float[Tensor, "n 2 96 96"]) -> Float[Tensor, "n 6"]:
        return self.head(self.stages(self.stem(pictures)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraView:
    """A batch of cameras with one pivot in the patient and one set of intrinsics.

    Args:
        camera_from_lps: (n, 4, 4) poses, mm.
        intrinsics_px: (3, 3) intrinsics of the small picture with PICTURE_PX sides.
        pivot_lps_mm: (3,) point about which the model turns.
    """

    camera_from_lps: Float[Tensor, "n 4 4"]
    intrinsics_px: Float[Tensor, "3 3"]
    pivot_lps_mm: Float[Tensor, " 3"]

    def moved(self, outputs: Float[Tensor, "n 6"]) -> CameraView:
        """The cameras after the network's motion: a turn about the pivot, a shift in the picture, a change of depth.

        Differentiable in the outputs.
        """
        outputs = outputs.to(self.camera_from_lps)
        turn = torch.linalg.matrix_exp(cross_matrices(outputs[:, :3] * TURN_RAD))
        pose, focal = self.camera_from_lps, self.intrinsics_px.diagonal()[:2].to(outputs)
        pivot = pose[:, :3, :3] @ self.pivot_lps_mm.to(pose) + pose[:, :3, 3]
        depth = pivot[:, 2:] * torch.exp(outputs[:, 5:] * DEPTH_LOG)
        place = pivot[:, :2] / pivot[:, 2:] + outputs[:, 3:5] * SHIFT_WIDTHS * PICTURE_PX / focal
        there = torch.cat([place * depth, depth], dim=1)
        rotation = turn @ pose[:, :3, :3]
        translation = there - rotation @ self.pivot_lps_mm.to(pose)
        top = torch.cat([rotation, translation[:, :, None]], dim=2)
        return CameraView(
            camera_from_lps=torch.cat([top, pose[:, 3:]], dim=1),
            intrinsics_px=self.intrinsics_px,
            pivot_lps_mm=self.pivot_lps_mm,
        )


def cross_matrices(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """Skew-symmetric matrices: cross_matrices(a) @ b = a x b."""
    x, y, z = vectors.unbind(dim=1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
