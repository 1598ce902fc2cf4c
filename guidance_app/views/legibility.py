"""How large words must be so that they are read from where people stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

ARC_MINUTES = 16.0  # least height of a capital letter that must be read in a hurry (ISO 9241-303: 16, better 20 to 22)
LIVE_DISTANCE_MM = 2000.0  # from the table to the screen
# Of a 24-inch screen of 1920 x 1080; where a screen does not state its size, or states nonsense.
USUAL_MM_PER_PX = 0.277
_PLAUSIBLE_MM_PER_PX = (0.03, 2.0)
CAP_SHARE = 0.729  # height of a capital letter of DejaVu Sans in its nominal size
_LEAST_PX = 11.0  # letters of fewer pixels run together
_SECONDARY_PX = 14.0  # on the usual screen: read by who sits before it


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSizes:
    """Nominal sizes in view pixels: of what is read from afar, and of what is read from near."""

    primary_px: float
    secondary_px: float

    def scaled(self, factor: float) -> TextSizes:
        return TextSizes(primary_px=self.primary_px * factor, secondary_px=self.secondary_px * factor)


def mm_per_px(width_px: float, width_mm: float) -> float:
    """Of a screen as it states itself; the usual one where that cannot be true."""
    stated = width_mm / width_px if width_px > 0.0 else 0.0
    low, high = _PLAUSIBLE_MM_PER_PX
    return stated if low <= stated <= high else USUAL_MM_PER_PX


def sizes_for(pixel_mm: float, distance_mm: float = LIVE_DISTANCE_MM) -> TextSizes:
    """Letters of `ARC_MINUTES` at this distance, on a screen with pixels of this size."""
    capital_mm = 2.0 * distance_mm * math.tan(math.radians(ARC_MINUTES / 60.0) / 2.0)
    primary_px = capital_mm / (CAP_SHARE * pixel_mm)
    secondary_px = max(_SECONDARY_PX * USUAL_MM_PER_PX / pixel_mm, _LEAST_PX)
    return TextSizes(primary_px=primary_px, secondary_px=min(primary_px, secondary_px))


def arc_minutes(size_px: float, pixel_mm: float, distance_mm: float) -> float:
    """Height of a capital letter of this nominal size."""
    return 60.0 * math.degrees(2.0 * math.atan(CAP_SHARE * size_px * pixel_mm / (2.0 * distance_mm)))
