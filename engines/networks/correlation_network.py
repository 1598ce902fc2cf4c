"""The correlation network at a size that a CPU can train: shared encoder, global and local branch, gated heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, softplus

from engines.networks.correlation_blocks import Coupling, FourierBlock, Stage

Branches = Literal["global-local", "single"]
_CHANNELS = (16, 32, 48, 64)
_STRIDES = (2, 2, 2, 1)  # full-size feature maps would take most of the time and add little to a pose
_HEAD_CHANNELS = 24
_POOLED = 4
_TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The variant of the network.

    Args:
        branches: "single" is one encoder with one head, as in ProST (Gao et al. 2020).
        gate: whether a head weights its value by how far its features can be trusted.
    """

    branches: Branches = "global-local"
    gate: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """The network's comparison of pairs of pictures.

    Args:
        distance: 0 for equal pictures; it grows with the distance of their poses.
        fixed_global, moving_global, fixed_local, moving_local: the features of both branches; a single encoder
            stores its features as global ones and has no local ones.
    """

    distance: Float[torch.Tensor, " n"]
    fixed_global: Float[torch.Tensor, "n c h w"]
    moving_global: Float[torch.Tensor, "n c h w"]
    fixed_local: Float[torch.Tensor, "n c h w"] | None = None
    moving_local: Float[torch.Tensor, "n c h w"] | None = None


class CorrelationNetwork(nn.Module):
    """Estimates the distance between the poses of two pictures; below 0.5 M weights, pictures from 32 px on.

    The published network flattens its features into heads of 353 M weights; pooled features need a thousandth.
    """

    def __init__(self, design: Design | None = None) -> None:
        super().__init__()
        self.design = design or Design()
        sizes = (1, *_CHANNELS)
        self.shared = nn.Sequential(*[Stage(*stage) for stage in zip(sizes[:-1], sizes[1:], _STRIDES, strict=True)])
        width = _CHANNELS[-1]
        self.whole = nn.Sequential(FourierBlock(width), FourierBlock(width))
        self.whole_head = Head(width, gate=self.design.gate)
        self.has_local = self.design.branches == "global-local"
        if self.has_local:
            self.detail = nn.Sequential(Coupling(width), Coupling(width), Coupling(width))
            self.detail_head = Head(width, gate=self.design.gate)

    def forward(
        self, fixed: Float[torch.Tensor, "n 1 rows columns"], moving: Float[torch.Tensor, "n 1 rows columns"]
    ) -> Comparison:
        """Compare pairs of pictures; grey levels may have any scale, but both pictures the same polarity."""
        pair = self.shared(standardised(torch.cat([fixed, moving])))
        if not self.has_local:
            fixed_features, moving_features = self.whole(pair).chunk(2)
            distance = self.whole_head((fixed_features - moving_features) ** 2)
            return Comparison(distance=distance, fixed_global=fixed_features, moving_global=moving_features)
        fixed_global, moving_global = self.whole(avg_pool2d(pair, 2)).chunk(2)
        fixed_local, moving_local = self.detail(pair).chunk(2)
        distance = self.whole_head((fixed_global - moving_global) ** 2)
        distance = distance + self.detail_head((fixed_local - moving_local) ** 2)
        return Comparison(
            distance=distance,
            fixed_global=fixed_global,
            moving_global=moving_global,
            fixed_local=fixed_local,
            moving_local=moving_local,
        )


class Head(nn.Module):
    """Turns squared feature differences into a distance: their size times a weight that depends on their pattern.

    Because of the first factor, equal pictures have a distance of exactly 0 and lie at a stationary point.
    """

    def __init__(self, channels: int, *, gate: bool) -> None:
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(channels, _HEAD_CHANNELS, 3, padding=1), nn.SiLU())
        self.worth = nn.Sequential(nn.Linear(_HEAD_CHANNELS * _POOLED**2, 32), nn.SiLU(), nn.Linear(32, 1))
        self.gate = nn.Linear(_HEAD_CHANNELS * _POOLED**2, 1) if gate else None

    def forward(self, squared: Float[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, " n"]:
        energy = squared.mean(dim=(1, 2, 3))
        seen = adaptive_avg_pool2d(self.look(squared), _POOLED).flatten(1)
        value = energy * softplus(self.worth(seen))[:, 0]
        return value if self.gate is None else value * 2.0 * torch.sigmoid(self.gate(seen))[:, 0]


def standardised(pictures: Float[torch.Tensor, "n 1 rows columns"]) -> Float[torch.Tensor, "n 1 rows columns"]:
    """Each picture scaled to mean 0 and standard deviation 1; a constant picture becomes 0."""
    centred = pictures - pictures.mean(dim=(1, 2, 3), keepdim=True)
    power = (centred**2).mean(dim=(1, 2, 3), keepdim=True)
    return centred / (power + _TINY * (pictures.detach() ** 2).mean(dim=(1, 2, 3), keepdim=True) + 1e-12).sqrt()
