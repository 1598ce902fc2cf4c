"""Window and level: stored values to grey, through one table of 65,536 entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from engines.angiography.frame import Frame

LUT_ENTRIES = 65536  # one entry for every value that 16 bits can hold
_FEW_SHARE = 0.04  # of the brightest: below it so few X-rays came that their logarithm is noise
_SOFT_SHARE = 0.1  # of the brightest, added to all: from there downwards noise grows no more
_MIN_WIDTH = 2.0
_SUBTRACTED_MIDDLE = 32768
# At the moment it is set the mask is the very picture that it is taken from: their difference has no range of its own.
_LEAST_SUBTRACTED_WIDTH = 0.3 * _SUBTRACTED_MIDDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLevel:
    """What range of stored values is spread over the greys, in stored values."""

    center: float
    width: float
    inverted: bool = False

    def lut(self) -> UInt8[np.ndarray, " 65536"]:
        """The linear VOI function of DICOM PS3.3 C.11.2.1.2.1."""
        values = np.arange(LUT_ENTRIES, dtype=np.float32)
        grey = ((values - (self.center - 0.5)) / max(self.width - 1.0, 1.0) + 0.5) * 255.0
        table = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
        return 255 - table if self.inverted else table

    def dragged(self, *, right: float, up: float, value_range: float) -> WindowLevel:
        """The window after a drag by a share of the view: right widens, up brightens."""
        width = max(self.width + right * value_range, _MIN_WIDTH)
        return replace(self, width=width, center=self.center - up * value_range)


def window_of(frame: Frame) -> WindowLevel:
    """The window the picture asks for, else one that shows all but its outermost values."""
    if frame.window_center is not None and frame.window_width is not None and frame.window_width >= _MIN_WIDTH:
        return WindowLevel(center=frame.window_center, width=frame.window_width)
    low, high = np.percentile(frame.pixels[::4, ::4], (0.5, 99.5))
    return _between(low, high)


PresetName = Literal["header", "whole", "most", "vessels"]


def presets_of(frame: Frame) -> dict[PresetName, WindowLevel]:
    """Windows to choose from: as `window_of`, all that the bits hold, nine values in ten, and the side of the vessels.

    For the vessels the half that they lie in is spread out: the dark one, in subtracted series that show them white the
    bright one.
    """
    low, lower, middle, upper, high = np.percentile(frame.pixels[::4, ::4], (0.5, 5.0, 60.0, 95.0, 99.5))
    if frame.vessels_bright:
        middle = np.percentile(frame.pixels[::4, ::4], 40.0)
    first, last = (middle, high) if frame.vessels_bright else (low, middle)
    span = value_range_of(frame)
    return {
        "header": window_of(frame),
        "whole": WindowLevel(center=span / 2.0, width=span),
        "most": _between(lower, upper),
        "vessels": _between(first, last),
    }


def _between(low: float, high: float) -> WindowLevel:
    return WindowLevel(center=float(low + high) / 2.0, width=max(float(high - low), _MIN_WIDTH))


def value_range_of(frame: Frame) -> float:
    """How many values the frame's stored bits span."""
    return float(2**frame.bits_stored)


def grey_of(
    pixels: UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"], lut: UInt8[np.ndarray, " 65536"]
) -> UInt8[np.ndarray, "rows columns"]:
    return np.ascontiguousarray(lut[pixels])


def subtracted(frame: Frame, mask: Frame, field: Bool[np.ndarray, "rows columns"] | None = None) -> Frame:
    """`frame` minus `mask` for the eye alone, in logarithms, so that a vessel looks the same over bone and lung.

    Nothing that computes reads this picture. Zero difference lies in the middle of 16 bits.

    Args:
        field: where X-rays come through; outside nothing is subtracted. None: everywhere.
    """
    floor = _FEW_SHARE * float(np.percentile(mask.pixels[::4, ::4], 99.0))
    difference = _logarithm(frame, floor) - _logarithm(mask, floor)
    if field is not None:
        difference = np.where(field, difference, 0.0)
    pixels = np.clip(_SUBTRACTED_MIDDLE * (1.0 + difference), 0, LUT_ENTRIES - 1).astype(np.uint16)
    low, high = np.percentile(pixels[::4, ::4], (0.2, 99.8))
    # What has not changed is mid grey: white would flood a dark room.
    reach = float(max(_SUBTRACTED_MIDDLE - low, high - _SUBTRACTED_MIDDLE))
    return replace(
        frame, pixels=pixels, bits_stored=16, window_center=float(_SUBTRACTED_MIDDLE),
        window_width=max(2.0 * reach, _LEAST_SUBTRACTED_WIDTH),
    )  # fmt: skip


def _logarithm(frame: Frame, floor: float) -> Float[np.ndarray, "rows columns"]:
    """Values below the floor count as the floor: a logarithm would make their noise the loudest of all."""
    soft = floor * _SOFT_SHARE / _FEW_SHARE
    return np.log((np.maximum(frame.pixels.astype(np.float32), floor) + soft + 1.0) / value_range_of(frame))
