"""Find the open field: the area in which the collimator lets X-rays through."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float

_ANALYSIS_SIDE_PX = 256
_MIN_CLOSED_SHARE = 0.01
_MIN_OPEN_SHARE = 0.15
_MIN_CONVEXITY = 0.94
_MIN_EDGE_STEP = 0.15  # smallest brightness step at the collimator's edge, as a share of the picture's range
EDGE_MARGIN_PX = 2  # distance of the field from that edge, in pixels of the analysis size
_MAX_SHOULDER_SHARE = 0.04


def find_field_of_view(picture: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"] | None:
    """The open field inside rectangular, circular or polygonal collimator blades; None if no blade is visible.

    Blades are flat, reach the picture's border, end in a sharp step, and leave a convex opening. Most
    pictures store them dark, inverted ones bright; both are tried.
    """
    rows, columns = picture.shape
    scale = min(1.0, _ANALYSIS_SIDE_PX / max(rows, columns))
    small_shape = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    small = cv2.resize(np.asarray(picture, np.float32), small_shape, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(small, [0.5, 99.5])
    if high - low <= 0:
        return None
    small = cv2.medianBlur(np.clip((small - low) / (high - low), 0, 1).astype(np.float32), 3)
    field = _open_field(small)
    if field is None:
        field = _open_field(1 - small)
    if field is None:
        return None
    field = cv2.erode(field, np.ones((2 * EDGE_MARGIN_PX + 1,) * 2, np.uint8), borderValue=1)
    return cv2.resize(field, (columns, rows), interpolation=cv2.INTER_NEAREST) > 0


def _open_field(dark: Float[np.ndarray, "rows columns"]) -> np.ndarray | None:
    border = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
    floor = float(np.percentile(border, 5))
    if floor > 0.2:
        return None
    # Find the threshold between blades and anatomy. A low one misses a blade's blurred shoulder, a high one takes dark
    # anatomy for a blade: raise it while the opening stays convex and sharply bounded and shrinks only a little.
    found: np.ndarray | None = None
    for threshold in (floor + 0.06, floor + 0.1, floor + 0.16, floor + 0.24):
        below = (dark <= threshold).astype(np.uint8)
        # Morphological opening first removes thin dark vessels that leave the picture; they are no blades.
        closed = _reaching_the_border(cv2.morphologyEx(below, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
        share = np.count_nonzero(closed) / closed.size
        if share < _MIN_CLOSED_SHARE or share > 1 - _MIN_OPEN_SHARE:
            continue
        field = _largest(1 - closed)
        field = _without_holes(field)
        hull = _hull(field)
        if field.sum() < _MIN_CONVEXITY * hull.sum() or _edge_step(dark, hull) < _MIN_EDGE_STEP:
            continue
        if (1 - hull).mean() < _MIN_CLOSED_SHARE:
            continue
        if found is not None and hull.mean() < found.mean() - _MAX_SHOULDER_SHARE:
            break
        found = hull
    return found


def _reaching_the_border(mask: np.ndarray) -> np.ndarray:
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    labels = np.asarray(labels, np.int32)  # already int32; OpenCV's type stubs do not say so
    # A lookup table of labels, because searching for them took most of the conditioning's time.
    touching = np.zeros(count, np.uint8)
    for border in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[border] = 1
    touching[0] = 0
    return touching.take(labels)


def _largest(mask: np.ndarray) -> np.ndarray:
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    if count < 2:
        return mask
    return (labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))).astype(np.uint8)


def _without_holes(mask: np.ndarray) -> np.ndarray:
    return 1 - _reaching_the_border(1 - mask)


def _hull(mask: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return mask
    hull = cv2.convexHull(np.concatenate(contours))
    return cv2.fillConvexPoly(np.zeros_like(mask), hull, 1)


def _edge_step(dark: Float[np.ndarray, "rows columns"], field: np.ndarray) -> float:
    """Median brightness step from 3 px outside to 4 px inside the edge."""
    padded = cv2.copyMakeBorder(field, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inner = field - cv2.erode(padded, np.ones((9, 9), np.uint8))[1:-1, 1:-1]
    outer = cv2.dilate(padded, np.ones((7, 7), np.uint8))[1:-1, 1:-1] - field
    if not inner.any() or not outer.any():
        return 0.0
    return float(np.median(dark[inner > 0]) - np.median(dark[outer > 0]))
