"""Peers for the networks: Frangi's and Sato's vesselness filters, tuned on other pictures.

An untuned filter would be an unfair comparison, so its scales, threshold and removal of specks are chosen from a grid
by the median Dice over pictures on which it is not scored. Scales are in pixels of a picture 256 wide, so that one
setting serves every size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter

from engines.angiography.field_of_view import find_field_of_view

FilterName = Literal["frangi", "sato"]
ThresholdKind = Literal["top_share", "level"]
FILTERS: tuple[FilterName, ...] = get_args(FilterName)
_REFERENCE_PX = 256
_BORDER_PX = 4  # at 256 px: half a wide vessel; at blades and picture edges the filters respond as at vessels
_BETA = 0.5  # Frangi et al. 1998, section 2.2
_SCALES = ((1.0, 2.0, 3.0), (2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0, 5.0), (2.0, 4.0, 6.0, 9.0))
_CONTRAST_SHARES = (0.25, 0.5)
_TOP_SHARES = (0.04, 0.06, 0.08, 0.10, 0.13, 0.17, 0.25)
_LEVELS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
_SPECKS_PX = (0, 50, 150)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSetting:
    """Everything that determines a filter's mask.

    Args:
        method: the filter's name.
        sigmas_px: scales at a picture 256 px wide.
        contrast_share: Frangi's c as a share of the largest Hessian norm; unused by Sato.
        threshold: kind of threshold. `top_share`: the share of the open field called vessel; `level`: the share of the
            response's 99th percentile from which a pixel is vessel.
        value: value of the threshold.
        smallest_px: smaller connected pieces are removed, in pixels of a picture 256 wide.
    """

    method: FilterName
    sigmas_px: tuple[float, ...]
    contrast_share: float
    threshold: ThresholdKind
    value: float
    smallest_px: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuning:
    """Dice of every setting of the grid on every picture, from which the best for any part of the pictures follows.

    Args:
        settings: the grid.
        dice: (settings, pictures) Dice.
    """

    settings: tuple[FilterSetting, ...]
    dice: Float[np.ndarray, "settings pictures"]

    def best(self, pictures: Sequence[int] | None = None) -> FilterSetting:
        """The setting with the largest median Dice over these pictures; None takes all."""
        chosen = self.dice if pictures is None else self.dice[:, list(pictures)]
        return self.settings[int(np.argmax(np.median(chosen, axis=1)))]


def tune(
    method: FilterName,
    examples: Iterable[tuple[Float[np.ndarray, "rows columns"], Bool[np.ndarray, "rows columns"]]],
) -> Tuning:
    """Score the whole grid on (picture with dark vessels, mask) pairs."""
    settings = tuple(_grid(method))
    columns = []
    for picture, mask in examples:
        inside = _inside(picture)
        responses: dict[tuple, np.ndarray] = {}
        dice = []
        for setting in settings:
            key = (setting.sigmas_px, setting.contrast_share)
            if key not in responses:
                responses[key] = _response(setting, picture) * inside
            dice.append(_dice(_thresholded(setting, responses[key], inside), mask))
        columns.append(dice)
    return Tuning(settings=settings, dice=np.array(columns, dtype=np.float64).T)


def filter_mask(setting: FilterSetting, picture: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """The mask of dark vessels in a picture of any size."""
    inside = _inside(picture)
    return _thresholded(setting, _response(setting, picture) * inside, inside)


def vesselness(
    method: FilterName,
    picture: Float[np.ndarray, "rows columns"],
    sigmas_px: Sequence[float],
    *,
    contrast_share: float = 0.5,
) -> Float[np.ndarray, "rows columns"]:
    """Response to dark tubes at these scales, in pixels of this picture.

    Frangi et al., MICCAI 1998, equations 13 to 15 with the largest response over the scales; Sato et al., Medical
    Image Analysis 1998, in two dimensions the larger eigenvalue of the scaled Hessian where it is positive.
    """
    pairs = [_curvatures(picture, sigma) for sigma in sigmas_px]
    if method == "sato":
        return np.maximum.reduce([np.maximum(largest, 0) for largest, _ in pairs])
    norms = [np.hypot(large, small) for large, small in pairs]
    contrast = contrast_share * max(float(norm.max()) for norm in norms)
    response = np.zeros(picture.shape, np.float32)
    if contrast <= 0:
        return response
    for (large, small), norm in zip(pairs, norms, strict=True):
        swapped = np.abs(large) < np.abs(small)
        across, along = np.where(swapped, small, large), np.where(swapped, large, small)
        blob = along / np.where(across == 0, 1, across)
        tube = np.exp(-(blob**2) / (2 * _BETA**2)) * (1 - np.exp(-(norm**2) / (2 * contrast**2)))
        response = np.maximum(response, np.where(across > 0, tube, 0))
    return response


def _grid(method: FilterName) -> Iterable[FilterSetting]:
    thresholds: list[tuple[ThresholdKind, float]] = [
        *(("top_share", v) for v in _TOP_SHARES), *(("level", v) for v in _LEVELS)
    ]  # fmt: skip
    shares = _CONTRAST_SHARES if method == "frangi" else (0.0,)
    for sigmas, share, (kind, value), smallest in product(_SCALES, shares, thresholds, _SPECKS_PX):
        yield FilterSetting(
            method=method, sigmas_px=sigmas, contrast_share=share, threshold=kind, value=value, smallest_px=smallest
        )  # fmt: skip


def _response(setting: FilterSetting, picture: Float[np.ndarray, "rows columns"]) -> np.ndarray:
    scale = max(picture.shape) / _REFERENCE_PX
    picture = np.asarray(picture, np.float32)
    sigmas = [sigma * scale for sigma in setting.sigmas_px]
    return vesselness(setting.method, picture, sigmas, contrast_share=setting.contrast_share)


def _thresholded(setting: FilterSetting, response: np.ndarray, inside: np.ndarray) -> np.ndarray:
    values = response[inside]
    if not values.size or values.max() <= 0:
        return np.zeros(response.shape, bool)
    if setting.threshold == "top_share":
        level = np.quantile(values, 1 - setting.value)
    else:
        level = setting.value * np.quantile(values, 0.99)
    mask = response > level
    smallest = setting.smallest_px * (max(response.shape) / _REFERENCE_PX) ** 2
    if smallest <= 0:
        return mask
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= smallest
    large[0] = False
    return large[labels]


def _inside(picture: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    field = find_field_of_view(np.asarray(picture, np.float32))
    inside = np.ones(picture.shape, np.uint8) if field is None else field.astype(np.uint8)
    side = 2 * max(round(_BORDER_PX * max(picture.shape) / _REFERENCE_PX), 1) + 1
    return cv2.erode(inside, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _curvatures(picture: Float[np.ndarray, "rows columns"], sigma_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Larger and smaller eigenvalue of the Hessian, times sigma squared."""
    picture = np.asarray(picture, np.float32)
    rows, columns, mixed = (
        gaussian_filter(picture, sigma_px, order=order, mode="reflect")  # pyright: ignore[reportArgumentType] - one per axis
        * sigma_px**2
        for order in ((2, 0), (0, 2), (1, 1))
    )
    middle, half = (rows + columns) / 2, np.hypot((rows - columns) / 2, mixed)
    return middle + half, middle - half


def _dice(found: np.ndarray, reference: np.ndarray) -> float:
    total = float(found.sum() + reference.sum())
    return 2 * float((found & reference).sum()) / total if total else 1.0
