"""Diameter and stenosis along a segmented vessel: a path through the mask, and how wide the mask is around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d, maximum_filter
from skimage.graph import route_through_array

from calibration.errors import InputError
from engines.angiography.measurement import Figure, PixelSize

_NEAR_PX = 12.0  # a click that is further from vessel means no vessel
_OUTSIDE_COST = 1e4
_SMOOTH_PX = 2.0
_HEALTHY_SHARE = 0.25  # of the path at each end that is taken as healthy
_LEAST_POINTS = 12
_FINER = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VesselWidth:
    """Along the vessel from the first click to the second.

    Args:
        path_px: (n, 2) column and row of its middle.
        width_px: (n,) diameter, in pixels along columns.
        reference_px: (n,) diameter that the healthy ends let expect.
        narrowest: place of the greatest narrowing against that.
    """

    path_px: Float[np.ndarray, "n 2"]
    width_px: Float[np.ndarray, " n"]
    reference_px: Float[np.ndarray, " n"]
    narrowest: int

    @property
    def stenosis_percent(self) -> float:
        """Of the diameter; it needs no calibration."""
        return float(100.0 * (1.0 - self.width_px[self.narrowest] / self.reference_px[self.narrowest]))

    def narrowest_diameter(self, size: PixelSize | None) -> Figure:
        return _figure(float(self.width_px[self.narrowest]), size)

    def reference_diameter(self, size: PixelSize | None) -> Figure:
        """At the narrowest place."""
        return _figure(float(self.reference_px[self.narrowest]), size)


def vessel_width(
    mask: Bool[np.ndarray, "rows columns"], start_px: tuple[float, float], end_px: tuple[float, float]
) -> VesselWidth:
    """Between two places on one vessel.

    The reference is a straight line through the medians of both ends, a quarter of the path each: the vessel tapers.

    Raises:
        InputError: a place lies beside the vessels, or the two are too near to each other or on different vessels.
    """
    if not mask.any():
        raise InputError("diameter: this picture shows no segmented vessel; choose a frame with contrast")
    depth = _depth_px(mask)
    ends = [_on_vessel(depth, at) for at in (start_px, end_px)]
    cost = np.where(depth > 0.0, 1.0 / np.maximum(depth, 0.5) ** 2, _OUTSIDE_COST)
    route, total = route_through_array(cost, ends[0], ends[1], fully_connected=True, geometric=True)
    path = np.asarray(route, dtype=np.float64)
    if total >= _OUTSIDE_COST:
        raise InputError("diameter: the two places lie on vessels that do not meet; choose both on one vessel")
    if len(path) < _LEAST_POINTS:
        raise InputError(f"diameter: {len(path)} pixels of vessel between the two places, {_LEAST_POINTS} are needed")
    rows, columns = path.astype(int).T
    # The path runs beside the middle where it turns; the deepest place next to it is the middle.
    deepest = maximum_filter(depth, size=3)
    width = np.maximum(gaussian_filter1d(2.0 * deepest[rows, columns], _SMOOTH_PX, mode="nearest"), 0.5)
    reference = _reference(width)
    inner = slice(len(width) // 10, len(width) - len(width) // 10)
    narrowest = int((width / reference)[inner].argmin()) + inner.start
    return VesselWidth(path_px=path[:, ::-1], width_px=width, reference_px=reference, narrowest=narrowest)


def _depth_px(mask: Bool[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Distance of each pixel's centre to the mask's border, which is smoothed on a finer grid; 0 outside."""
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    rows, columns = mask.shape
    fine = cv2.resize(np.asarray(smooth), (columns * _FINER, rows * _FINER), interpolation=cv2.INTER_LINEAR)
    inside = (np.asarray(fine) >= 0.5).astype(np.uint8)
    # Half a fine pixel is lost at the border: distances count from centre to centre.
    away = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)) - 0.5 * inside
    depth = away[_FINER // 2 :: _FINER, _FINER // 2 :: _FINER] / _FINER
    return np.where(mask, np.maximum(depth, 0.25), 0.0)


def _on_vessel(depth: Float[np.ndarray, "rows columns"], at_px: tuple[float, float]) -> tuple[int, int]:
    """Row and column of the deepest vessel pixel near a click."""
    column, row = at_px
    rows, columns = np.nonzero(depth > 0.0)
    away = np.hypot(columns - column, rows - row)
    near = away <= max(_NEAR_PX / 3.0, float(away.min()) + 2.0)
    if float(away.min()) > _NEAR_PX:
        raise InputError("diameter: no segmented vessel at this place; click on the vessel")
    best = np.flatnonzero(near)[depth[rows[near], columns[near]].argmax()]
    return int(rows[best]), int(columns[best])


def _reference(width: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    count = max(3, math.ceil(_HEALTHY_SHARE * len(width)))
    first, last = float(np.median(width[:count])), float(np.median(width[-count:]))
    at = np.array([0.5 * (count - 1), len(width) - 1 - 0.5 * (count - 1)])
    along = np.arange(len(width))
    return np.maximum(first + (along - at[0]) * (last - first) / max(at[1] - at[0], 1.0), 0.5)


def _figure(width_px: float, size: PixelSize | None) -> Figure:
    if size is None:
        return Figure(value=width_px, unit="px", way="no calibration: pixels")
    return Figure(value=width_px * 0.5 * (size.column_mm + size.row_mm), unit="mm", way=size.way)
