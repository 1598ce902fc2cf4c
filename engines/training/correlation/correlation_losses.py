"""Losses of the similarity network: gradient direction, decomposition of features, and the weights between them."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import nn

from engines.networks.correlation_network import Comparison

Decomposition = Literal["cddfuse", "poster", "none"]
# CDDFuse (Zhao et al. 2023, eq. 10): keeps the denominator above 0 for correlations down to -1.
EPSILON = 1.01
_TINY = 1e-8


def approximation_loss(
    gradient: Float[torch.Tensor, "n 6"],
    displacement: Float[torch.Tensor, "n 6"],
    *,
    magnitude: float = 0.1,
    growth: float = 1.0,
) -> Float[torch.Tensor, ""]:
    """The deviation of the network's gradient from the gradient of the poses' squared distance.

    The squared distance of the unit vectors, for rotation and translation separately (Gao et al. 2020, eq. 6), plus a
    term for the ratio of lengths. That term makes the similarity grow with the distance, so it is convex and a descent
    can tell when it is near.

    Args:
        gradient: gradient of the similarity by rotation (rad) and translation (100 mm).
        displacement: from the moving to the fixed pose, in the same units; the gradient should point the opposite way.
        magnitude: weight of the lengths; 0 keeps only the direction.
        growth: target length of the gradient per length of displacement.
    """
    away = -displacement
    rotation = 2.0 * (1.0 - _cosine(gradient[:, :3], away[:, :3]))
    translation = 2.0 * (1.0 - _cosine(gradient[:, 3:], away[:, 3:]))
    ratio = _length(gradient) / (growth * _length(away))
    return (rotation + translation + magnitude * ratio.log().abs()).mean()


def decomposition_loss(found: Comparison, form: Decomposition) -> Float[torch.Tensor, ""]:
    """Separate global from local features by their correlations between the two pictures.

    "cddfuse": the squared local correlation over the global one (both pictures show one scene, but each has its own
    details). "poster": global over local, as printed by Chen et al. 2024, with exchanged roles; its epsilon keeps the
    denominator positive. For a network without local features the loss is 0.
    """
    if form == "none" or found.fixed_local is None or found.moving_local is None:
        return found.distance.new_zeros(())
    whole = correlation(found.fixed_global, found.moving_global)
    detail = correlation(found.fixed_local, found.moving_local)
    if form == "cddfuse":
        return (detail**2 / (EPSILON + whole)).mean()
    return (whole / (EPSILON + detail)).mean()


def correlation(
    first: Float[torch.Tensor, "n c h w"], second: Float[torch.Tensor, "n c h w"]
) -> Float[torch.Tensor, " n"]:
    """Normalised cross-correlation over positions, averaged over channels; a constant channel counts 0."""
    a, b = (x.flatten(2) - x.flatten(2).mean(dim=2, keepdim=True) for x in (first, second))
    power = (a**2).sum(dim=2) * (b**2).sum(dim=2)
    return ((a * b).sum(dim=2) / (power + _TINY).sqrt()).mean(dim=1)


class UncertaintyWeights(nn.Module):
    """Losses balanced by learnt variances (Kendall et al. 2018): sum of loss / (2 s^2) + log s.

    Log variances are limited to -3..3, because a decomposition loss near 0 would otherwise get an unbounded weight.
    """

    def __init__(self, losses: int = 2) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(losses))

    def forward(self, *losses: Float[torch.Tensor, ""]) -> Float[torch.Tensor, ""]:
        held = self.log_variance.clamp(-3.0, 3.0)
        return sum(
            (0.5 * torch.exp(-s) * loss + 0.5 * s for s, loss in zip(held, losses, strict=True)), held.new_zeros(())
        )


def _cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(dim=1) / (_length(a) * _length(b))


def _length(vectors: torch.Tensor) -> torch.Tensor:
    return ((vectors**2).sum(dim=1) + _TINY**2).sqrt()
