"""Landmarks one by one, from maps over length and angle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.fusion import Landmark

_LEAST = {"bifurcation": 0.3, "calcification": 0.35}  # evidence from which a place belongs to a landmark
_LEAST_PEAK = 0.5
_LEAST_MM_DEG = 12.0  # length times angle; less is speckle


def landmark_list(maps: LandmarkMaps, place: Float[np.ndarray, " n"]) -> tuple[Landmark, ...]:
    """Connected pieces of evidence; angles go round.

    Args:
        place: what each row is called in the result: a frame's number or an arc length.
    """
    step_mm = float(np.median(np.abs(np.diff(maps.place_mm))))
    found: list[Landmark] = []
    for kind, values in (("bifurcation", maps.branch), ("calcification", maps.calcium)):
        labels = _pieces(values > _LEAST[kind])
        for piece in np.unique(labels[labels > 0]):
            rows, columns = np.nonzero(labels == piece)
            weight = values[rows, columns]
            if weight.max() < _LEAST_PEAK or len(rows) * step_mm * 360.0 / ANGLES < _LEAST_MM_DEG:
                continue
            turn = np.angle((weight * np.exp(2j * np.pi * columns / ANGLES)).sum())
            row = float((weight * rows).sum() / weight.sum())
            found.append(
                Landmark(
                    kind=kind,
                    place=round(float(np.interp(row, np.arange(len(place)), place)), 2),
                    angle_deg=round(float(np.rad2deg(turn)) % 360.0, 1),
                    probability=round(float(min(weight.max(), 1.0)), 3),
                )
            )
    return tuple(sorted(found, key=lambda landmark: landmark.place))


def _pieces(mask: np.ndarray) -> np.ndarray:
    labels = np.asarray(ndimage.label(mask)[0])  # pyright: ignore[reportIndexIssue]
    for row in range(len(mask)):
        left, right = labels[row, 0], labels[row, -1]
        if left and right and left != right:
            labels[labels == max(left, right)] = min(left, right)
    return labels
