"""How far the patient moved between mask and contrast frame, to a fraction of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

_MAX_SHIFT_PX = 24.0  # farther is not motion between two frames but a wrong peak
_LEAST_GAIN = 0.995  # residual after over before; a shift that does not help is noise
_FINE_SIGMA_PX, _COARSE_SIGMA_PX = 1.5, 16.0  # band kept: below it quantum noise, above it collimator and shading


def estimate_shift_px(
    mask: Float32[np.ndarray, "rows columns"], live: Float32[np.ndarray, "rows columns"]
) -> tuple[float, float]:
    """(rows, columns) to move the mask by so that it lies on the live picture; (0, 0) where none is clearly better.

    Phase correlation (Kuglin and Hines 1975) with a centroid about the peak, on a band of spatial frequencies.
    """
    window = cv2.createHanningWindow(mask.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(_band(mask), _band(live), window)
    if not np.isfinite((dx, dy)).all() or max(abs(dx), abs(dy)) > _MAX_SHIFT_PX:
        return 0.0, 0.0
    before = _residual(live - mask)
    after = _residual(live - shifted(mask, (dy, dx)))
    return (dy, dx) if after < _LEAST_GAIN * before else (0.0, 0.0)


def shifted(
    picture: Float32[np.ndarray, "rows columns"], shift_px: tuple[float, float]
) -> Float32[np.ndarray, "rows columns"]:
    """The picture moved down and to the right by (rows, columns); its edge is repeated where nothing is known."""
    move = np.array([[1.0, 0.0, shift_px[1]], [0.0, 1.0, shift_px[0]]])
    return cv2.warpAffine(picture, move, picture.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _band(picture: Float32[np.ndarray, "rows columns"]) -> Float32[np.ndarray, "rows columns"]:
    return cv2.GaussianBlur(picture, (0, 0), _FINE_SIGMA_PX) - cv2.GaussianBlur(picture, (0, 0), _COARSE_SIGMA_PX)


def _residual(difference: Float32[np.ndarray, "rows columns"]) -> float:
    """Mean absolute difference of the middle, the strongest tenth (contrast) left out."""
    rows, columns = difference.shape
    middle = np.abs(_band(difference)[rows // 8 : -rows // 8 or None, columns // 8 : -columns // 8 or None])
    limit = np.percentile(middle, 90)
    return float(middle[middle <= limit].mean())
