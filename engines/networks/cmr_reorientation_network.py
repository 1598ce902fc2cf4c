"""Reorientation STN: a 3-D ResNet18 that tells how a heart lies in a CT, and the transformer that reads the CT there.

The form is that of Jiang et al. (a ResNet18 with a spatial transformer), of which the abstract alone was to be had:
inputs, outputs and losses are ours.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

_KEPT = 2  # places of the last map along each side: a mean over all of them would forget where things are


class ReorientationNet(nn.Module):
    """HU of a cube in, pose of the left ventricle out.

    Args:
        width: channels of the first stage; 64 in a full ResNet18.
    """

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.width = width
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.entry = nn.Sequential(
            nn.Conv3d(1, width, 7, stride=2, padding=3), nn.GroupNorm(4, width), nn.ReLU(), nn.MaxPool3d(3, 2, 1)
        )
        stages = []
        for number, (before, after) in enumerate(pairwise(widths)):
            stages += [_Basic(before, after, stride=1 if number == 0 else 2), _Basic(after, after, stride=1)]
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(8 * width * _KEPT**3, 10)
        nn.init.normal_(self.head.weight, std=0.003)
        nn.init.zeros_(self.head.bias)

    def forward(self, hu: Float[Tensor, "b 1 n n n"]) -> Float[Tensor, "b 10"]:
        """Six numbers of a rotation, three of the middle (in units of 10 mm), one of the length's logarithm."""
        last = self.stages(self.entry(hu))
        return self.head(nn.functional.adaptive_avg_pool3d(last, _KEPT).flatten(1))


class _Basic(nn.Module):
    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.GroupNorm(4, after)
        self.second = nn.Conv3d(after, after, 3, padding=1, bias=False)
        self.norm_two = nn.GroupNorm(4, after)
        self.across = nn.Identity() if stride == 1 and before == after else nn.Conv3d(before, after, 1, stride=stride)

    def forward(self, hidden: Tensor) -> Tensor:
        inner = torch.relu(self.norm(self.first(hidden)))
        return torch.relu(self.norm_two(self.second(inner)) + self.across(hidden))


def rotation_of(six: Float[Tensor, "b 6"], usual: Float[Tensor, "3 3"]) -> Float[Tensor, "b 3 3"]:
    """Columns septum, ahead, axis, by Gram-Schmidt (Zhou 2019); zeros give the usual heart."""
    axis = nn.functional.normalize(six[:, :3] + usual[:, 2], dim=1)
    right = six[:, 3:] + usual[:, 0]
    right = nn.functional.normalize(right - (right * axis).sum(dim=1, keepdim=True) * axis, dim=1)
    return torch.stack([right, torch.cross(axis, right, dim=1), axis], dim=2)


def read_at(
    volume: Float[Tensor, "b 1 n n n"], points_mm: Float[Tensor, "b p 3"], spacing_mm: float
) -> Float[Tensor, "b p"]:
    """The spatial transformer's sampler: a cube read at points about its middle."""
    half = 0.5 * (volume.shape[-1] - 1) * spacing_mm
    grid = torch.flip(points_mm / half, dims=[-1])[:, :, None, None]
    return nn.functional.grid_sample(volume, grid, align_corners=True)[:, 0, :, 0, 0]
