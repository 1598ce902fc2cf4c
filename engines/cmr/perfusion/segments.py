"""AHA segments: curves, relative upslope with its uncertainty, inner and outer half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion
from engines.cmr.perfusion.upslope import steepest

_FEWEST_PIXELS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentPerfusion:
    """Of one AHA segment; None where no slice saw it.

    Args:
        relative_upslope: stress upslope over the LV pool's.
        sigma: standard error of it.
        endo, epi: of the inner and the outer half.
        pixels: number of pixels behind it.
    """

    relative_upslope: float | None
    sigma: float | None
    endo: float | None
    epi: float | None
    pixels: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelPlaces:
    """Where the interior pixels of one slice lie in the heart.

    Args:
        level: share of the LV length.
        half_slab: half of the slice's thickness as share of the LV length.
        degrees: from the anterior RV insertion through the septum.
    """

    level: Float[np.ndarray, " n"]
    half_slab: float
    degrees: Float[np.ndarray, " n"]


def segments_of(places: PixelPlaces) -> list[Int[np.ndarray, " n"]]:
    """Segment numbers of every pixel: a thick slice that reaches well into a neighbouring level counts there too."""
    own = aha_segments(np.clip(places.level, 0.0, 1.0), places.degrees)
    found = [own]
    for sign in (-1.0, 1.0):
        # A quarter of the slab must lie beyond the border.
        other = aha_segments(np.clip(places.level + sign * 0.5 * places.half_slab, 0.0, 1.0), places.degrees)
        found.append(np.where(other != own, other, 0))
    return found


def segment_table(
    slices: Sequence[SlicePerfusion], places: Sequence[PixelPlaces], pool_per_s: float
) -> dict[int, SegmentPerfusion]:
    """All 16 segments; segment 17 belongs to long-axis pictures and stays empty."""
    numbers = [segments_of(place) for place in places]
    table = {}
    for segment in range(1, 17):
        parts = []
        for index, part in enumerate(slices):
            # Pixels of the segment's own level first; neighbours only where nothing else saw it.
            own = numbers[index][0] == segment
            parts.append((part, own))
        if sum(int(own.sum()) for _, own in parts) < _FEWEST_PIXELS:
            parts = [
                (part, np.any([n == segment for n in numbers[index]], axis=0)) for index, part in enumerate(slices)
            ]
        table[segment] = _segment(parts, pool_per_s)
    table[17] = SegmentPerfusion(relative_upslope=None, sigma=None, endo=None, epi=None, pixels=0)
    return table


def _segment(parts: list[tuple[SlicePerfusion, np.ndarray]], pool_per_s: float) -> SegmentPerfusion:
    whole, endo, epi = ([], [], [])
    variances, weights = [], []
    for part, chosen in parts:
        if chosen.sum() < 2:
            continue
        depth = part.depth[part.interior]
        for store, keep in ((whole, chosen), (endo, chosen & (depth < 0.5)), (epi, chosen & (depth >= 0.5))):
            if keep.any():
                slope, error, _ = steepest(part.curves[keep].mean(axis=0)[None], part.part.times_ms, *part.window())
                store.append((float(slope[0]), int(keep.sum())))
                if store is whole:
                    variances.append(_slope_variance(part, keep, float(error[0])))
                    weights.append(int(keep.sum()))
    count = sum(weights)
    if count < _FEWEST_PIXELS:
        return SegmentPerfusion(relative_upslope=None, sigma=None, endo=None, epi=None, pixels=count)

    def mean(store: list[tuple[float, int]]) -> float | None:
        total = sum(n for _, n in store)
        return sum(value * n for value, n in store) / total / pool_per_s if total else None

    share = np.array(weights) / count
    return SegmentPerfusion(
        relative_upslope=mean(whole),
        sigma=float(np.sqrt((share**2 * np.array(variances)).sum())) / pool_per_s,
        endo=mean(endo),
        epi=mean(epi),
        pixels=count,
    )


def _slope_variance(part: SlicePerfusion, keep: np.ndarray, error: float) -> float:
    """Of the slope of a mean curve: what the line leaves over, and what pixels differ by."""
    spread = float(part.upslope_per_s[keep].std()) / np.sqrt(max(keep.sum() / 4.0, 1.0))  # neighbours share noise
    return error**2 + spread**2
