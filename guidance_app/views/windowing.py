"""Window and level: stored values to grey, through one table of 65,536 entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import UInt8, UInt16

from engines.angiography.frame import Frame

LUT_ENTRIES = 65536  # one entry for every value that 16 bits can hold
_MIN_WIDTH = 2.0


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
