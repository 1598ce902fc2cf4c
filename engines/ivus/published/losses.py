"""What the published method minimises: Dice with cross-entropy of landmark maps, and normalised mutual information."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

BINS = 32
_TINY = 1e-6


def dice_ce(fixed: Float[Tensor, "*k c n"], moving: Float[Tensor, "*k c n"]) -> Float[Tensor, "*k"]:
    """Mean over the classes of 1 - soft Dice, plus binary cross-entropy; the fixed map is the soft target."""
    both = (fixed * moving).sum(-1)
    dice = (2.0 * both + 1e-3) / (fixed.sum(-1) + moving.sum(-1) + 1e-3)
    sure = moving.clamp(1e-3, 1.0 - 1e-3)
    entropy = -(fixed * sure.log() + (1.0 - fixed) * (1.0 - sure).log()).mean(-1)
    return (1.0 - dice + entropy).mean(-1)


def nmi_loss(fixed: Float[Tensor, " n"], moving: Float[Tensor, " n"]) -> Tensor:
    """2 - (H(F) + H(M)) / H(F, M) of grey values in 0 to 1, in 32 bins with linear Parzen windows (seed 000, [15])."""
    joint = torch.zeros(BINS * BINS, dtype=fixed.dtype)
    rows, columns = _windows(fixed), _windows(moving)
    for row, row_share in rows:
        for column, column_share in columns:
            joint = joint.index_add(0, row * BINS + column, row_share * column_share)
    joint = (joint / joint.sum()).reshape(BINS, BINS)
    return 2.0 - (_entropy(joint.sum(0)) + _entropy(joint.sum(1))) / _entropy(joint.reshape(-1)).clamp(min=_TINY)


def _windows(values: Float[Tensor, " n"]) -> list[tuple[Tensor, Tensor]]:
    at = values.clamp(0.0, 1.0) * (BINS - 1)
    low = at.detach().floor().clamp(max=BINS - 2).long()
    part = at - low
    return [(low, 1.0 - part), (low + 1, part)]


def _entropy(share: Tensor) -> Tensor:
    return -(share * (share + 1e-12).log()).sum()
