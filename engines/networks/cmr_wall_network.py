"""A small U-Net over pictures of a short-axis slice, and the one that tells LV wall, LV pool and RV pool."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

CLASSES = ("background", "lv_wall", "lv_pool", "rv_pool")


class SliceNet(nn.Module):
    """Pictures in, pictures out; sides are multiples of 8.

    Args:
        inputs, outputs: number of pictures.
        width: channels at full resolution, two, three and four times as many at three coarser levels.
    """

    def __init__(self, inputs: int, outputs: int, *, width: int = 16) -> None:
        super().__init__()
        self.width = width
        widths = [width, 2 * width, 3 * width, 4 * width]
        self.down = nn.ModuleList(
            _Block(before, after) for before, after in zip([inputs, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _Block(low + skip, skip) for low, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, pictures: Float[Tensor, "b i c r"]) -> Float[Tensor, "b o c r"]:
        hidden, skips = pictures, []
        for block in self.down:
            hidden = block(hidden if not skips else nn.functional.avg_pool2d(hidden, 2))
            skips.append(hidden)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            wide = nn.functional.interpolate(hidden, scale_factor=2.0, mode="bilinear", align_corners=False)
            hidden = block(torch.cat([wide, skip], dim=1))
        return self.head(hidden)


class WallNet(SliceNet):
    """Maps of a first pass in, one logit a class and pixel out.

    Args:
        maps: number of input maps.
    """

    def __init__(self, maps: int, *, width: int = 16) -> None:
        super().__init__(maps, len(CLASSES), width=width)
        self.maps = maps


class _Block(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1, padding_mode="replicate")
        self.norm = nn.GroupNorm(4, after)
        self.second = nn.Conv2d(after, after, 3, padding=1, padding_mode="replicate")

    def forward(self, hidden: Tensor) -> Tensor:
        inner = nn.functional.silu(self.norm(self.first(hidden)))
        return nn.functional.silu(self.second(inner) + inner)
