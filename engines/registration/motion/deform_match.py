"""Match a displaced vessel tree with the vessels of one picture in both directions, and measure their distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from engines.registration.features.image_features import ORIENTATION_MM, FeatureSet
from engines.registration.features.projected_model import ModelInView

_SLIDE_WEIGHT = 0.1  # a match determines little along the vessel
_FORWARD_WEIGHT = 0.4  # model to image; the model always has more branches than the contrast shows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Matched pairs, one per row; `offset_mm` is model minus image in the isocentre plane, `share` sums to 1.

    Args:
        point: (n,) index of the model's point.
        normal: (n, 2) unit vector across the vessel in the picture.
        asked_by_model: the number of first rows that were matched from a model point to an image point.
        distance_mm2: (n,) squared distance, with little weight along the vessel, plus a term for the direction.
    """

    point: Int[np.ndarray, " n"]
    offset_mm: Float[np.ndarray, "n 2"]
    normal: Float[np.ndarray, "n 2"]
    asked_by_model: int
    distance_mm2: Float[np.ndarray, " n"]
    share: Float[np.ndarray, " n"]

    def loss(self, scale_mm: float) -> float:
        """Mean robust squared distance over `scale_mm` squared: 0 for a perfect match, 1 for no match."""
        ratio = self.distance_mm2 / scale_mm**2
        return float((self.share * ratio / (1.0 + ratio)).sum())

    def unexplained(self, scale_mm: float) -> float:
        """The `loss` of the image's points alone: the soft share of the picture's vessels that the tree misses."""
        ratio, share = self.distance_mm2[self.asked_by_model :] / scale_mm**2, self.share[self.asked_by_model :]
        return float((share * ratio / (1.0 + ratio)).sum() / share.sum())


def matched(
    part: ModelInView,
    offset_mm: Float[np.ndarray, "n 2"],
    image: FeatureSet,
    *,
    of_model: Bool[np.ndarray, " n"] | None = None,
    of_image: Bool[np.ndarray, " m"] | None = None,
) -> Pairs | None:
    """Pair each point with the nearest point of similar direction on the other side; None if there are no pairs.

    Args:
        offset_mm: displacement of the model's points in the isocentre plane.
        of_model, of_image: which points seek a partner; the partner may be any point.
    """
    seen = np.flatnonzero(part.usable)
    if len(seen) < 3 or image.near is None:
        return None
    described = np.hstack([part.plane_mm[seen] + offset_mm[seen], ORIENTATION_MM * part.direction[seen]])
    asking = np.arange(len(seen)) if of_model is None else np.flatnonzero(of_model[seen])
    asked = np.arange(len(image)) if of_image is None else np.flatnonzero(of_image)
    if not len(asking) or not len(asked):
        return None
    to_image = image.near.nearest_to(described[asking])
    to_model = image.near.nearest_among(described, None if of_image is None else asked)
    rows = np.concatenate([asking, to_model])
    columns = np.concatenate([to_image, asked])
    forward, backward = part.weight[seen[asking]], image.weight[asked]
    share = np.concatenate(
        [_FORWARD_WEIGHT / forward.sum() * forward, (1 - _FORWARD_WEIGHT) / backward.sum() * backward]
    )
    offset = described[rows, :2] - image.points_mm[columns]
    normal = image.normal[columns]
    across = offset[:, 0] * normal[:, 0] + offset[:, 1] * normal[:, 1]
    slide = offset[:, 1] * normal[:, 0] - offset[:, 0] * normal[:, 1]
    turned = part.direction[seen[rows]] - image.direction[columns]
    disagreement = turned[:, 0] ** 2 + turned[:, 1] ** 2
    return Pairs(
        point=seen[rows],
        offset_mm=offset,
        normal=normal,
        asked_by_model=len(asking),
        distance_mm2=across**2 + _SLIDE_WEIGHT * slide**2 + (0.5 * ORIENTATION_MM) ** 2 * disagreement,
        share=share,
    )


def pull(pairs: Pairs, scale_mm: float, points: int) -> tuple[Float[np.ndarray, "n 2 2"], Float[np.ndarray, "n 2"]]:
    """Stiffness and pull of the pairs on each model point; distant pairs lose weight (Geman-McClure)."""
    weight = pairs.share / (1.0 + pairs.distance_mm2 / scale_mm**2) ** 2
    nx, ny = pairs.normal[:, 0], pairs.normal[:, 1]
    # n n^T acts across the vessel, a small share of the identity also along it.
    along = _SLIDE_WEIGHT
    xx, yy, xy = nx * nx + along * ny * ny, ny * ny + along * nx * nx, (1 - along) * nx * ny
    sums = lambda values: np.bincount(pairs.point, weights=weight * values, minlength=points)  # noqa: E731
    stiffness = np.empty((points, 2, 2))
    stiffness[:, 0, 0], stiffness[:, 1, 1] = sums(xx), sums(yy)
    stiffness[:, 0, 1] = stiffness[:, 1, 0] = sums(xy)
    dx, dy = pairs.offset_mm[:, 0], pairs.offset_mm[:, 1]
    return stiffness, np.column_stack([sums(xx * dx + xy * dy), sums(xy * dx + yy * dy)])
