"""Similarity measures of two pictures: differentiable, masked, with one value per picture of the batch.

Pictures are (n, ...): whole pictures (n, 1, rows, columns) or chosen pixels (n, rays); the second may have n = 1.
A mask broadcasts over them and weights each pixel. A constant picture has a similarity of 0 with any other, never NaN.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch.nn.functional import one_hot

# A variance below this share of the mean square is rounding noise of a constant float32 picture.
_FLAT_SHARE = 1e-9
_TINY = 1e-20


def ncc(
    moving: Float[torch.Tensor, "n ..."], fixed: Float[torch.Tensor, "m ..."], mask: torch.Tensor | None = None
) -> Float[torch.Tensor, " n"]:
    """Normalised cross-correlation in -1..1 over the pixels of the mask."""
    a, b, weight = _flat(moving, fixed, mask)
    a, a_power, a_flat = _centred(a, weight)
    b, b_power, b_flat = _centred(b, weight)
    flat = a_flat | b_flat
    # Both branches of `where` must stay finite, or the gradient of the unused one becomes NaN.
    norm = torch.where(flat, 1.0, a_power * b_power).sqrt()
    return torch.where(flat, 0.0, (weight * a * b).sum(dim=1) / norm)


def gradient_ncc(
    moving: Float[torch.Tensor, "n 1 rows columns"],
    fixed: Float[torch.Tensor, "m 1 rows columns"],
    mask: torch.Tensor | None = None,
) -> Float[torch.Tensor, " n"]:
    """Mean of the NCCs of both central-difference derivatives (Penney et al. 1998, eq. 4-6): edges, not grey levels.

    A pixel counts if the mask holds at it and at its four neighbours, so that the mask's border is not an edge.
    """
    inside = None
    if mask is not None:
        m = mask.to(moving.dtype).expand(-1, 1, *moving.shape[-2:])
        inside = m[..., 1:-1, 1:-1] * m[..., 2:, 1:-1] * m[..., :-2, 1:-1] * m[..., 1:-1, 2:] * m[..., 1:-1, :-2]
    pairs = zip(_derivatives(moving), _derivatives(fixed), strict=True)
    columns, rows = (ncc(a, b, inside) for a, b in pairs)
    return 0.5 * (columns + rows)


def mutual_information(
    moving: Float[torch.Tensor, "n ..."],
    fixed: Float[torch.Tensor, "m ..."],
    mask: torch.Tensor | None = None,
    *,
    bins: int = 24,
) -> Float[torch.Tensor, " n"]:
    """Mutual information in nats with a cubic B-spline Parzen window on `moving` (Mattes et al. 2003).

    `fixed` is sorted into plain bins, because it needs no gradient. Each picture's own range is scaled to the bins,
    so contrast and polarity do not matter.
    """
    a, b, weight = _flat(moving, fixed, mask)
    total = weight.sum(dim=1).clamp_min(_TINY)
    window = _parzen(_scaled(a, weight) * (bins - 4) + 1.5, bins)
    chosen = one_hot((_scaled(b, weight).detach() * bins).long().clamp(0, bins - 1), bins).to(a.dtype)
    joint = (window * weight[..., None]).transpose(1, 2) @ chosen / total[:, None, None]
    independent = joint.sum(dim=2, keepdim=True) * joint.sum(dim=1, keepdim=True)
    present = joint > 1e-12
    ratio = torch.where(present, joint, 1.0) / torch.where(present, independent, 1.0)
    return (torch.where(present, joint, 0.0) * ratio.log()).sum(dim=(1, 2))


def dice(
    moving: Float[torch.Tensor, "n ..."], fixed: Float[torch.Tensor, "m ..."], mask: torch.Tensor | None = None
) -> Float[torch.Tensor, " n"]:
    """Soft Dice of two maps in 0..1, `2 sum(ab) / sum(a^2 + b^2)`: 1 only for equal maps (Milletari et al. 2016)."""
    a, b, weight = _flat(moving, fixed, mask)
    size = (weight * (a**2 + b**2)).sum(dim=1)
    empty = size <= _TINY
    return torch.where(empty, 0.0, 2.0 * (weight * a * b).sum(dim=1) / torch.where(empty, 1.0, size))


def _flat(
    moving: torch.Tensor, fixed: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    moving, fixed = torch.broadcast_tensors(moving, fixed.to(moving))
    weight = torch.ones_like(moving) if mask is None else mask.to(moving).expand_as(moving)
    return moving.flatten(1), fixed.flatten(1), weight.flatten(1)


def _centred(picture: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The picture minus its mean, its summed square, and whether it is constant."""
    total = weight.sum(dim=1, keepdim=True).clamp_min(_TINY)
    square = (weight * picture**2).sum(dim=1)
    picture = picture - (weight * picture).sum(dim=1, keepdim=True) / total
    power = (weight * picture**2).sum(dim=1)
    return picture, power, power <= _FLAT_SHARE * square + _TINY


def _derivatives(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    columns = 0.5 * (picture[..., 1:-1, 2:] - picture[..., 1:-1, :-2])
    return columns, 0.5 * (picture[..., 2:, 1:-1] - picture[..., :-2, 1:-1])


def _scaled(picture: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The picture scaled to 0..1 by its range inside the mask; a constant picture becomes 0."""
    inside = weight > 0
    low = torch.where(inside, picture, torch.inf).amin(dim=1, keepdim=True).detach()
    high = torch.where(inside, picture, -torch.inf).amax(dim=1, keepdim=True).detach()
    span = high - low
    flat = ~(span > 1e-6 * torch.maximum(low.abs(), high.abs()))  # also True if the mask is empty
    scaled = (picture - torch.where(flat, 0.0, low)) / torch.where(flat, 1.0, span)
    return torch.where(flat, 0.0, scaled.clamp(0.0, 1.0))


def _parzen(place: torch.Tensor, bins: int) -> torch.Tensor:
    """Cubic B-spline weights of every value on the bin centres; they sum to 1 for places in 1.5..bins-2.5."""
    distance = (place[..., None] - torch.arange(bins, device=place.device, dtype=place.dtype)).abs()
    near = 2.0 / 3.0 - distance**2 + 0.5 * distance**3
    far = (2.0 - distance).clamp_min(0.0) ** 3 / 6.0
    return torch.where(distance < 1.0, near, far)
