"""The measure that the evolution strategy maximises: NCC of the whole picture, of patches, and of gradients."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch.nn.functional import avg_pool2d

from engines.registration.rendered.image_similarity import gradient_ncc, ncc

_PATCH_PX = 13  # Chen et al. 2024, released settings: whole picture and patches of 13 px
_FLAT_SHARE = 1e-3  # share of the picture's variance below which a patch counts as empty


def multiscale_ncc_and_gradient(
    moving: Float[torch.Tensor, "n 1 rows columns"],
    fixed: Float[torch.Tensor, "m 1 rows columns"],
    mask: Float[torch.Tensor, "m 1 rows columns"],
) -> Float[torch.Tensor, " n"]:
    """Mean of NCC over the whole picture, NCC over patches, and gradient NCC; 1 for equal pictures."""
    return (ncc(moving, fixed, mask) + patch_ncc(moving, fixed, mask) + gradient_ncc(moving, fixed, mask)) / 3.0


def patch_ncc(moving: torch.Tensor, fixed: torch.Tensor, mask: torch.Tensor) -> Float[torch.Tensor, " n"]:
    """NCC in every window of 13 px, averaged over the windows in which the fixed picture is not empty."""
    fixed = fixed.to(moving)

    def mean(picture: torch.Tensor) -> torch.Tensor:
        return avg_pool2d(picture, _PATCH_PX, stride=4, padding=_PATCH_PX // 2, count_include_pad=False)

    # Centre the pictures first: a variance as difference of two large numbers would lose weak patches to rounding.
    a, b = (p - p.mean(dim=(2, 3), keepdim=True) for p in (moving, fixed))
    a_mean, b_mean = mean(a), mean(b)
    a_var, b_var = (mean(a * a) - a_mean**2).clamp_min(0.0), (mean(b * b) - b_mean**2).clamp_min(0.0)
    covariance = mean(a * b) - a_mean * b_mean
    a_floor, b_floor = (_FLAT_SHARE * p.var(dim=(2, 3), keepdim=True) + 1e-12 for p in (a, b))
    value = covariance / ((a_var + a_floor) * (b_var + b_floor)).sqrt()
    weight = (mean(mask.to(moving)) > 0.99).to(moving) * (b_var > b_floor)
    return (value * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp_min(1.0)
