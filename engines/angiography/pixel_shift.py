"""Estimate the patient's motion between mask and contrast frame to a fraction of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

_MAX_SHIFT_PX = 24.0  # a larger shift is a wrong peak, not motion between two frames
_LEAST_GAIN = 0.995  # largest ratio of the residual after to the one before; otherwise the shift is noise
_FINE_SIGMA_PX, _COARSE_SIGMA_PX = 0.7, 4.0  # band-pass that removes quantum noise and shading
_SIDE_PX = 256  # size for the estimate: few pixels suffice, and a live frame cannot wait
_EDGE_PX = 8  # margin to the blades' blurred edge, which does not move with the patient
_REFINE_STEPS, _REFINE_EPSILON = 30, 1e-4
_REFINE_ROUNDS, _ALIKE_SHARE = 3, 0.9
_MIN_INSIDE_PX = 400
_MIN_SIDE_PX = 8  # a narrower strip cannot determine a shift in two directions


def estimate_shift_px(
    mask: Float32[np.ndarray, "rows columns"],
    live: Float32[np.ndarray, "rows columns"],
    field: Bool[np.ndarray, "rows columns"] | None = None,
    *,
    least_gain: float = _LEAST_GAIN,
) -> tuple[float, float]:
    """The shift (rows, columns) that moves the mask onto the live picture; (0, 0) if no shift is clearly better.

    Phase correlation (Kuglin and Hines 1975) on a band of spatial frequencies gives the start; maximising the
    enhanced correlation coefficient (Evangelidis and Psarakis 2008) refines it to a fraction of a pixel, because
    parallax and contrast broaden the correlation peak.

    Args:
        field: mask of the open field; None takes the whole picture.
        least_gain: a shift is better where it leaves less than this share of what no shift leaves.
    """
    scale = min(1.0, _SIDE_PX / max(mask.shape))
    if scale * min(mask.shape) < _MIN_SIDE_PX:
        return 0.0, 0.0
    inside = _inside(field, mask.shape, scale)
    mask_band, live_band = _band(mask, scale), _band(live, scale)
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _EDGE_PX / 2)
    (dx, dy), _ = cv2.phaseCorrelate(mask_band * weight, live_band * weight)
    limit = _MAX_SHIFT_PX * scale
    if not np.isfinite((dx, dy)).all() or max(abs(dx), abs(dy)) > limit:
        dx = dy = 0.0
    candidates = [(0.0, 0.0), (dy, dx)]
    candidates += [_refined(mask_band, live_band, inside, start) for start in candidates]
    residuals = [
        _residual(live_band - shifted(mask_band, candidate), inside) if max(map(abs, candidate)) <= limit else np.inf
        for candidate in candidates
    ]
    best = int(np.argmin(residuals))
    if residuals[best] >= least_gain * residuals[0]:
        return 0.0, 0.0
    return candidates[best][0] / scale, candidates[best][1] / scale


def shifted(
    picture: Float32[np.ndarray, "rows columns"], shift_px: tuple[float, float]
) -> Float32[np.ndarray, "rows columns"]:
    """The picture moved down and right by (rows, columns); uncovered pixels repeat its edge."""
    if not any(shift_px):
        return picture
    move = np.array([[1.0, 0.0, shift_px[1]], [0.0, 1.0, shift_px[0]]])
    return cv2.warpAffine(picture, move, picture.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _inside(
    field: Bool[np.ndarray, "rows columns"] | None, shape: tuple[int, ...], scale: float
) -> Bool[np.ndarray, "small_rows small_columns"]:
    """The open field without its edge; the middle of the picture if the field is unknown or too small."""
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    whole = np.ones(size[::-1], np.uint8)
    side = 2 * min(_EDGE_PX, min(size) // 8) + 1
    for open_field in (None if field is None else field.astype(np.uint8), whole):
        if open_field is None:
            continue
        small = cv2.resize(open_field, size, interpolation=cv2.INTER_NEAREST)
        eroded = cv2.erode(small, np.ones((side, side), np.uint8), borderValue=0)
        if eroded.sum() >= _MIN_INSIDE_PX:
            return eroded.astype(bool)
    return whole.astype(bool)


def _refined(
    mask: Float32[np.ndarray, "rows columns"],
    live: Float32[np.ndarray, "rows columns"],
    inside: Bool[np.ndarray, "rows columns"],
    start_px: tuple[float, float],
) -> tuple[float, float]:
    moved = start_px
    for _ in range(_REFINE_ROUNDS):
        # Only the live picture holds contrast, which would bias the shift: leave out the most different pixels.
        difference = np.abs(live - shifted(mask, moved))
        different = (difference > np.quantile(difference[inside], _ALIKE_SHARE)).astype(np.uint8)
        different = cv2.morphologyEx(different, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        different = cv2.dilate(different, np.ones((5, 5), np.uint8))
        moved = _correlated(mask, live, inside.astype(np.uint8) * (1 - different), moved)
    return moved


def _correlated(
    mask: Float32[np.ndarray, "rows columns"],
    live: Float32[np.ndarray, "rows columns"],
    where: UInt8[np.ndarray, "rows columns"],
    start_px: tuple[float, float],
) -> tuple[float, float]:
    # ECC wants the inverse: the place in the mask from which a live pixel came.
    back = np.array([[1.0, 0.0, -start_px[1]], [0.0, 1.0, -start_px[0]]], np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _REFINE_STEPS, _REFINE_EPSILON)
    try:
        _, back = cv2.findTransformECC(live, mask, back, cv2.MOTION_TRANSLATION, stop, where, 1)
    except cv2.error:  # flat pictures or no overlap cannot be refined
        return start_px
    return -float(back[1, 2]), -float(back[0, 2])


def _band(
    picture: Float32[np.ndarray, "rows columns"], scale: float
) -> Float32[np.ndarray, "small_rows small_columns"]:
    small = picture if scale == 1.0 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), _FINE_SIGMA_PX) - cv2.GaussianBlur(small, (0, 0), _COARSE_SIGMA_PX)


def _residual(difference: Float32[np.ndarray, "rows columns"], inside: Bool[np.ndarray, "rows columns"]) -> float:
    """Mean absolute difference inside the field without the largest fifth (contrast)."""
    values = np.abs(difference[inside])
    return float(np.sort(values)[: max(1, values.size * 8 // 10)].mean()) if values.size else 0.0
