"""How far the patient moved between mask and contrast frame, to a fraction of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32

_MAX_SHIFT_PX = 24.0  # farther is not motion between two frames but a wrong peak
_LEAST_GAIN = 0.995  # residual after over before; a shift that does not help is noise
_FINE_SIGMA_PX, _COARSE_SIGMA_PX = 1.0, 8.0  # band kept: below it quantum noise, above it shading
_EDGE_PX = 16  # the blades do not move with the patient: their edge and its blur are kept out
_REFINE_SIDE_PX = 256
_REFINE_STEPS, _REFINE_EPSILON = 30, 1e-4
_MIN_INSIDE_PX = 400


def estimate_shift_px(
    mask: Float32[np.ndarray, "rows columns"],
    live: Float32[np.ndarray, "rows columns"],
    field: Bool[np.ndarray, "rows columns"] | None = None,
) -> tuple[float, float]:
    """(rows, columns) to move the mask by so that it lies on the live picture; (0, 0) where none is clearly better.

    Phase correlation (Kuglin and Hines 1975) on a band of spatial frequencies gives the start; maximising the
    enhanced correlation coefficient (Evangelidis and Psarakis 2008) takes it to a fraction of a pixel, since parallax
    and contrast broaden the peak.

    Args:
        field: where the collimator is open; None takes the whole picture.
    """
    inside = _inside(field, mask.shape)
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _EDGE_PX / 2)
    mask_band, live_band = _band(mask), _band(live)
    (dx, dy), _ = cv2.phaseCorrelate(mask_band * weight, live_band * weight)
    if not np.isfinite((dx, dy)).all() or max(abs(dx), abs(dy)) > _MAX_SHIFT_PX:
        dx = dy = 0.0
    candidates = [(0.0, 0.0), (dy, dx), _refined(mask_band, live_band, inside, (dy, dx))]
    residuals = [_residual(live_band - shifted(mask_band, candidate), inside) for candidate in candidates]
    best = int(np.argmin(residuals))
    return candidates[best] if residuals[best] < _LEAST_GAIN * residuals[0] else candidates[0]


def shifted(
    picture: Float32[np.ndarray, "rows columns"], shift_px: tuple[float, float]
) -> Float32[np.ndarray, "rows columns"]:
    """The picture moved down and to the right by (rows, columns); its edge is repeated where nothing is known."""
    if not any(shift_px):
        return picture
    move = np.array([[1.0, 0.0, shift_px[1]], [0.0, 1.0, shift_px[0]]])
    return cv2.warpAffine(picture, move, picture.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _inside(field: Bool[np.ndarray, "rows columns"] | None, shape: tuple[int, ...]) -> Bool[np.ndarray, "rows columns"]:
    """The open field without its edge; the whole picture's middle where the field is unknown or too small."""
    side = 2 * min(_EDGE_PX, min(shape) // 8) + 1
    whole = np.ones(shape, np.uint8)
    eroded = cv2.erode(whole if field is None else field.astype(np.uint8), np.ones((side, side)), borderValue=0)
    if field is not None and eroded.sum() < _MIN_INSIDE_PX:
        eroded = cv2.erode(whole, np.ones((side, side)), borderValue=0)
    return eroded.astype(bool)


def _refined(
    mask_band: Float32[np.ndarray, "rows columns"],
    live_band: Float32[np.ndarray, "rows columns"],
    inside: Bool[np.ndarray, "rows columns"],
    start_px: tuple[float, float],
) -> tuple[float, float]:
    scale = min(1.0, _REFINE_SIDE_PX / max(mask_band.shape))
    live, mask = (
        cv2.resize(band, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for band in (live_band, mask_band)
    )
    where = cv2.resize(inside.astype(np.uint8), live.shape[::-1], interpolation=cv2.INTER_NEAREST)
    # ECC wants the place in the mask that a live pixel came from: the way back.
    back = np.array([[1.0, 0.0, -start_px[1] * scale], [0.0, 1.0, -start_px[0] * scale]], np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _REFINE_STEPS, _REFINE_EPSILON)
    try:
        _, back = cv2.findTransformECC(live, mask, back, cv2.MOTION_TRANSLATION, stop, where, 1)
    except cv2.error:  # flat pictures, or no overlap: there is nothing to refine
        return start_px
    moved = (-float(back[1, 2]) / scale, -float(back[0, 2]) / scale)
    return moved if max(map(abs, moved)) <= _MAX_SHIFT_PX else start_px


def _band(picture: Float32[np.ndarray, "rows columns"]) -> Float32[np.ndarray, "rows columns"]:
    return cv2.GaussianBlur(picture, (0, 0), _FINE_SIGMA_PX) - cv2.GaussianBlur(picture, (0, 0), _COARSE_SIGMA_PX)


def _residual(difference: Float32[np.ndarray, "rows columns"], inside: Bool[np.ndarray, "rows columns"]) -> float:
    """Mean absolute difference inside the field, the strongest tenth (contrast) left out."""
    values = np.abs(difference[inside])
    return float(np.sort(values)[: max(1, values.size * 9 // 10)].mean()) if values.size else 0.0
