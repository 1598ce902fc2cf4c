"""A small 3-D U-Net at three millimetres that tells the chambers of a contrast CT."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

CLASSES = ("background", "lv_cavity", "lv_wall", "rv", "la", "ra", "aorta")
STRIDE = 4  # sides are multiples of it


class HeartNet(nn.Module):
    """HU in, one logit a class and voxel out.

    Args:
        width: channels at full resolution, doubled at each of two coarser levels.
    """

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.first = _Block(1, width)
        self.second = _Block(width, 2 * width)
        self.third = nn.Sequential(_Block(2 * width, 4 * width), _Block(4 * width, 4 * width))
        self.fourth = _Block(6 * width, 2 * width)
        self.fifth = _Block(3 * width, width)
        self.head = nn.Conv3d(width, len(CLASSES), 1)

    def forward(self, hu: Float[Tensor, "b 1 i j k"]) -> Float[Tensor, "b c i j k"]:
        fine = self.first(hu)
        middle = self.second(nn.functional.avg_pool3d(fine, 2))
        coarse = self.third(nn.functional.avg_pool3d(middle, 2))
        middle = self.fourth(torch.cat([_wide(coarse), middle], dim=1))
        return self.head(self.fifth(torch.cat([_wide(middle), fine], dim=1)))


class _Block(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(before, after, 3, padding=1, padding_mode="replicate")
        self.norm = nn.GroupNorm(4, after)

    def forward(self, hidden: Tensor) -> Tensor:
        return nn.functional.silu(self.norm(self.conv(hidden)))


def _wide(hidden: Tensor) -> Tensor:
    return nn.functional.interpolate(hidden, scale_factor=2.0, mode="nearest")
