"""Small pieces that no vessel tree would leave on its own."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

_DAMPED = 0.5  # an island's probabilities end below this share of the threshold


def without_islands(
    probabilities: Float[np.ndarray, "classes rows columns"],
    threshold: float,
    smallest_px: int,
    classes: tuple[str, ...],
) -> Float[np.ndarray, "classes rows columns"]:
    """Damp connected pieces above the threshold that are smaller than `smallest_px`, each class of vessel alone.

    Noise, rib edges and burnt-in marks answer in specks, contrast in long connected pieces. Devices are left as they
    are: of a wire often only a piece is seen.
    """
    if smallest_px <= 1:
        return probabilities
    kept = probabilities.copy()
    for plane, name in zip(kept, classes, strict=True):
        if name == "device":
            continue
        above = (plane >= threshold).astype(np.uint8)
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
        small = statistics[:, cv2.CC_STAT_AREA] < smallest_px
        small[0] = False
        if small.any():
            plane[small[labels]] *= _DAMPED * threshold
    return kept
