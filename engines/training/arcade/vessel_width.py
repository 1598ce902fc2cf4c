"""Where a vessel's border lies in a marked picture, by the rule that the synthetic pictures follow.

The people who marked ARCADE drew outlines along the foot of a vessel's profile. The synthetic pictures of this program
have labels whose border lies where the vessel is about two thirds as deep as at its centre. A network that learns from
both gets two answers for one border. So the marked masks are trimmed to the synthetic rule. Both depths were measured
on synthetic pictures (seed 9,000,000) and on ARCADE's training part; no other picture was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.morphology import skeletonize

_CERTAIN = 0.7  # depth, relative to the centre's, from which a pixel counts as vessel
_OUTSIDE = 0.55  # and below which it does not; the median border of synthetic labels lies at 0.65
_SMOOTH_PX = 1.4  # noise and JPEG blocks, of a 512x512 picture as all below
_ALONG_PX = 4.0  # how far the centre's depth is averaged
_AROUND_PX = 10.0  # and that of the background
_GAP_PX, _RING_PX = 1, 6
_CORE = 0.6  # of the local radius; what lies deeper inside stays vessel, whatever lies over it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrimmedMask:
    """A marked mask within the border of the synthetic rule.

    Args:
        vessel: what counts as vessel.
        unsure: marked pixels at the border, which may be either.
    """

    vessel: Bool[np.ndarray, "rows columns"]
    unsure: Bool[np.ndarray, "rows columns"]


def trimmed(picture: UInt8[np.ndarray, "rows columns"], marked: Bool[np.ndarray, "rows columns"]) -> TrimmedMask:
    """Trim a person's mask.

    Args:
        picture: grey values, vessels dark.
        marked: what a person marked.
    """
    if not marked.any():
        return TrimmedMask(vessel=marked, unsure=np.zeros_like(marked))
    line = skeletonize(marked)
    values = gaussian_filter(picture.astype(np.float32), _SMOOTH_PX)
    ring = _grown(marked, _RING_PX) & ~_grown(marked, _GAP_PX)
    background, centre = _mean_of(values, ring, _AROUND_PX), _mean_of(values, line, _ALONG_PX)
    # Where the centre is no darker than what lies around, the picture says nothing of the border.
    depth = background - centre
    relative = np.where(depth > 1.0, (background - values) / np.maximum(depth, 1.0), 1.0)
    inside = np.asarray(distance_transform_edt(marked))
    core = line | (inside >= _CORE * _local_radius(inside, line))
    vessel = marked & (core | (relative >= _CERTAIN))
    return TrimmedMask(vessel=vessel, unsure=marked & ~vessel & (relative >= _OUTSIDE))


def _local_radius(inside: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Of the centerline's nearest pixel."""
    _, nearest = distance_transform_edt(~line, return_indices=True)  # pyright: ignore[reportGeneralTypeIssues]
    return inside[tuple(nearest)]


def _mean_of(values: np.ndarray, where: np.ndarray, sigma_px: float) -> np.ndarray:
    weight = gaussian_filter(where.astype(np.float32), sigma_px)
    total = gaussian_filter(np.where(where, values, 0).astype(np.float32), sigma_px)
    return total / np.maximum(weight, 1e-6)


def _grown(mask: np.ndarray, by_px: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by_px + 1, 2 * by_px + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0
