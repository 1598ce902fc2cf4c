"""Condition any picture for the networks; training and inference share this code.

Two channels at the working size, both zero outside the collimator's opening:

0. the picture, robustly scaled over the field of view;
1. the picture relative to its neighbourhood (minus the local mean, divided by the local deviation), in which a vessel
   looks the same over lung, spine or a subtracted background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Num

from engines.angiography.field_of_view import find_field_of_view
from engines.segmentation.burned_text import without_text

FindsField = Callable[[Float[np.ndarray, "rows columns"]], Bool[np.ndarray, "rows columns"] | None]

CHANNELS = 2
MIN_SIDE_PX = 8  # a smaller picture shows no vessel
# Kernel width as a share of the working size, chosen for the widest coronary and the aorta.
_LOCAL_MEAN_SHARE = 0.06
_LOCAL_DEVIATION_SHARE = 0.12
_CLIP = 5.0
_FLAT = 1e-6
_LOG_FLOOR = 0.02  # share of the brightest parts; blades and lead letters lie below it
# Vessels count as bright only on clear evidence, so that an empty frame does not change a run's polarity.
_POLARITY_EVIDENCE = 1.6
_POLARITY_LEVELS = 127  # 8-bit steps for values up to the clip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditioned:
    """A picture ready for the network.

    Args:
        channels: (2, size, size) float32.
        field_of_view: on the working grid, or None if the whole picture is open.
        inverted: whether vessels were bright, so that the picture was inverted.
    """

    channels: Float[np.ndarray, "2 rows columns"]
    field_of_view: Bool[np.ndarray, "rows columns"] | None
    inverted: bool


def condition(
    pixels: Num[np.ndarray, "rows columns"],
    size_px: int,
    *,
    vessels_bright: bool | None = False,
    detect_polarity: bool = True,
    log: bool = False,
    find_field: FindsField = find_field_of_view,
) -> Conditioned | None:
    """Condition a picture of any size and depth; None if it shows nothing (constant or too small).

    Args:
        pixels: stored values.
        size_px: side of the square working picture.
        vessels_bright: polarity if known; False and None ask for detection.
        detect_polarity: False where vessels are thick: what is thin in such a picture is bone and lung, which tells
            nothing, and one frame may seem inverted beside the next.
        log: whether the values are linear in dose, so that the logarithm must be taken.
        find_field: finds the open field at the working size; the frames of a run share a `FieldMemory`.
    """
    rows, columns = pixels.shape
    if min(rows, columns) < MIN_SIDE_PX:
        return None
    cleaned = without_text(pixels)
    picture = np.asarray(pixels, dtype=np.float32) if cleaned is None else cleaned
    if not np.isfinite(picture).all():
        picture = np.nan_to_num(picture, nan=0.0, posinf=0.0, neginf=0.0)
    if log:
        picture = _logarithm(picture)
    if picture.max() - picture.min() < _FLAT:
        return None
    shrink = rows > size_px or columns > size_px
    picture = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return condition_working(
        picture, vessels_bright=vessels_bright, detect_polarity=detect_polarity, find_field=find_field
    )


def _logarithm(picture: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """The logarithm relative to the brightest parts; a floor stops dark noise from filling the range."""
    picture = picture - min(float(picture.min()), 0.0)
    return np.log(picture / max(float(np.percentile(picture, 99.5)), _FLAT) + _LOG_FLOOR)


def condition_working(
    picture: Float[np.ndarray, "rows columns"],
    *,
    vessels_bright: bool | None = False,
    detect_polarity: bool = True,
    working_px: int | None = None,
    find_field: FindsField = find_field_of_view,
) -> Conditioned | None:
    """Condition a resized picture; training calls this for patches of a picture `working_px` wide."""
    field = find_field(picture)
    inside = np.ones(picture.shape, bool) if field is None else field
    low, middle, high = np.percentile(picture[inside], [1, 50, 99])
    if high - low < _FLAT:
        return None
    # Clip the values, so that saturated text and clips do not set the scale of the local steps below.
    scaled = np.clip((picture - middle) / (high - low), -1.5, 1.5).astype(np.float32)
    weight = inside.astype(np.float32)
    local = _against_neighbourhood(scaled, weight, working_px or max(picture.shape))
    inverted = bool(vessels_bright) or (detect_polarity and _vessels_look_bright(local, inside))
    channels = np.stack([scaled * 2.0, local]) * weight
    if inverted:
        channels = -channels
    return Conditioned(channels=np.ascontiguousarray(channels, np.float32), field_of_view=field, inverted=inverted)


def _against_neighbourhood(
    picture: Float[np.ndarray, "rows columns"], weight: Float[np.ndarray, "rows columns"], working_px: int
) -> Float[np.ndarray, "rows columns"]:
    mean = _masked_blur(picture, weight, _LOCAL_MEAN_SHARE * working_px)
    flat = (picture - mean) * weight
    variance = _masked_blur(flat**2, weight, _LOCAL_DEVIATION_SHARE * working_px)
    overall = float((flat**2).sum() / max(weight.sum(), 1.0))
    return np.clip(flat / np.sqrt(0.7 * variance + 0.3 * overall + _FLAT), -_CLIP, _CLIP) * weight


def _masked_blur(
    picture: Float[np.ndarray, "rows columns"], weight: Float[np.ndarray, "rows columns"], sigma_px: float
) -> Float[np.ndarray, "rows columns"]:
    """The Gaussian mean over the open field only; wide kernels run on a smaller grid."""
    step = max(int(sigma_px / 4), 1)
    shape = (picture.shape[1], picture.shape[0])
    small = (max(shape[0] // step, 1), max(shape[1] // step, 1))
    blurred = [
        cv2.GaussianBlur(cv2.resize(plane, small, interpolation=cv2.INTER_AREA), (0, 0), sigma_px / step)
        for plane in (picture * weight, weight)
    ]
    return cv2.resize(blurred[0] / np.maximum(blurred[1], 1e-3), shape, interpolation=cv2.INTER_LINEAR)


def _vessels_look_bright(local: Float[np.ndarray, "rows columns"], inside: Bool[np.ndarray, "rows columns"]) -> bool:
    """Whether thin bright structures clearly outweigh thin dark ones."""
    # 8 bits make OpenCV's morphology several times faster, and one step is a 25th of the local deviation.
    smooth = cv2.GaussianBlur(local, (0, 0), 1.2)
    smooth = np.rint(smooth * (_POLARITY_LEVELS / _CLIP) + _POLARITY_LEVELS).astype(np.uint8)
    size = max(3, int(0.05 * max(local.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    core = cv2.erode(inside.astype(np.uint8), kernel, borderValue=0) > 0
    if core.sum() < 0.1 * core.size:
        return False
    dark, bright = (
        np.bincount(cv2.morphologyEx(smooth, operation, kernel)[core], minlength=256)
        for operation in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)
    )
    # Dark and bright structures share the same noise floor; vessels are the upper tail.
    both = np.cumsum(dark + bright)
    floor = int(np.searchsorted(both, both[-1] / 2))
    excess = np.maximum(np.arange(256) - 2 * floor, 0) * (_CLIP / _POLARITY_LEVELS)
    excess_dark, excess_bright = (float(excess @ counts) / counts.sum() for counts in (dark, bright))
    return bool(excess_bright > _POLARITY_EVIDENCE * excess_dark + 0.01)
