"""Small networks over (angle, length): side branches, calcium and the lumen's border in polar pictures."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

CLASSES = ("bifurcation", "calcification")


class PolarLandmarkNet(nn.Module):
    """Radial profiles in, a few numbers at each angle and frame out.

    Angles go round, frames end: padding is circular along the angle and repeats along the length.

    Args:
        profiles: numbers of a radial profile.
        outputs: one logit a class, perhaps more behind them.
        width: channels.
        blocks: residual blocks of two 3 x 3 convolutions.
    """

    def __init__(self, profiles: int, *, outputs: int = len(CLASSES), width: int = 24, blocks: int = 3) -> None:
        super().__init__()
        self.design = {"profiles": profiles, "outputs": outputs, "width": width, "blocks": blocks}
        self.entry = nn.Sequential(nn.Conv2d(profiles, 2 * width, 1), nn.SiLU(), nn.Conv2d(2 * width, width, 1))
        self.blocks = nn.ModuleList(_Block(width, dilation=1 + number) for number in range(blocks))
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, profiles: Float[Tensor, "b r f a"]) -> Float[Tensor, "b o f a"]:
        hidden = self.entry(profiles)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(hidden)


class _Block(nn.Module):
    def __init__(self, width: int, *, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.GroupNorm(4, width)
        self.first = nn.Conv2d(width, width, 3, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3)

    def forward(self, hidden: Tensor) -> Tensor:
        inner = self.first(_padded(nn.functional.silu(self.norm(hidden)), self.dilation))
        return hidden + self.second(_padded(nn.functional.silu(inner), 1))


def _padded(values: Tensor, by: int) -> Tensor:
    around = torch.cat([values[..., -by:], values, values[..., :by]], dim=-1)
    return torch.cat([around[..., :1, :].expand(*around.shape[:-2], by, -1), around,
                      around[..., -1:, :].expand(*around.shape[:-2], by, -1)], dim=-2)  # fmt: skip
