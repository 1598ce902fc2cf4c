"""A small U-Net that gives a stationary velocity field between two pictures, and the field's exponential.

The field is integrated by scaling and squaring (Arsigny 2006), so that it has an inverse, its negative's exponential,
and cannot fold as long as it is smooth.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engines.networks.cmr_wall_network import SliceNet

INPUTS = ("ct", "ct_wall", "cmr", "cmr_wall")
_SQUARINGS = 6
_SMOOTH_PX = 2.0  # of the velocity: a heart's wall deforms smoothly


class DeformationNet(nn.Module):
    """CT picture and its wall's distance, CMR picture and its wall's distance; out comes a velocity in pixels.

    Args:
        width: of the U-Net.
    """

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.net = SliceNet(len(INPUTS), 2, width=width)
        nn.init.zeros_(self.net.head.weight)
        nn.init.zeros_(self.net.head.bias if self.net.head.bias is not None else torch.zeros(0))

    def forward(self, pictures: Float[Tensor, "b 4 c r"]) -> Float[Tensor, "b 2 c r"]:
        return smoothed(self.net(pictures))


def smoothed(field: Float[Tensor, "b 2 c r"]) -> Float[Tensor, "b 2 c r"]:
    reach = int(3 * _SMOOTH_PX)
    place = torch.arange(-reach, reach + 1, dtype=field.dtype)
    bell = torch.exp(-0.5 * (place / _SMOOTH_PX) ** 2)
    bell = (bell / bell.sum()).expand(2, 1, -1)
    wide = nn.functional.pad(field, (reach,) * 4, mode="replicate")
    wide = nn.functional.conv2d(wide, bell[..., None], groups=2)
    return nn.functional.conv2d(wide, bell[:, :, None], groups=2)


def displacement(velocity: Float[Tensor, "b 2 c r"]) -> Float[Tensor, "b 2 c r"]:
    """Where each pixel comes from after unit time, in pixels from where it is."""
    moved = velocity / 2**_SQUARINGS
    for _ in range(_SQUARINGS):
        moved = moved + carried(moved, moved)
    return moved


def carried(pictures: Float[Tensor, "b n c r"], moved: Float[Tensor, "b 2 c r"]) -> Float[Tensor, "b n c r"]:
    """Pictures read at x + moved(x)."""
    columns, rows = pictures.shape[-2:]
    c, r = torch.meshgrid(
        torch.arange(columns, dtype=moved.dtype), torch.arange(rows, dtype=moved.dtype), indexing="ij"
    )
    # grid_sample takes the last axis first, from -1 to 1 over pixel centres.
    grid = torch.stack([2 * (r + moved[:, 1]) / (rows - 1) - 1, 2 * (c + moved[:, 0]) / (columns - 1) - 1], dim=-1)
    return nn.functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=True)
