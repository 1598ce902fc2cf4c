"""Remove small isolated pieces, which are no vessels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

_DAMPED = 0.5  # an island's probabilities are scaled below this share of the threshold


def without_islands(
    probabilities: Float[np.ndarray, "classes rows columns"],
    threshold: float,
    smallest_px: int,
    classes: tuple[str, ...],
) -> Float[np.ndarray, "classes rows columns"]:
    """Lower the probabilities of connected pieces smaller than `smallest_px`, separately for each vessel class.

    Noise, rib edges and burnt-in marks appear as specks, contrast as long connected pieces. Devices are not changed,
    because often only a piece of a wire is visible.
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
