"""AHA segments: curves, relative upslope with its uncertainty, inner and outer half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.perfusion.blood_flow import FlowModel, SegmentFlow
from engines.cmr.perfusion.pooling import pooled
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion

_FEWEST_PIXELS = 5
_SHADING = 0.012  # of the upslope: what the smooth field of the coil leaves open
_SEED = 174_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentPerfusion:
    """Of one AHA segment; None where no slice saw it.

    Args:
        relative_upslope: stress upslope over the LV pool's, drawn towards the other segments as far as it is unsure.
        sigma: standard error of it.
        endo, epi: of the inner and the outer half.
        pixels: number of pixels behind it.
        flow: blood flow; None where the input allows none.
    """

    relative_upslope: float | None
    sigma: float | None
    endo: float | None
    epi: float | None
    pixels: int
    flow: SegmentFlow | None = None


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
    slices: Sequence[SlicePerfusion], places: Sequence[PixelPlaces], pool_per_s: float, flow: FlowModel | None = None
) -> dict[int, SegmentPerfusion]:
    """All 16 segments; segment 17 belongs to long-axis pictures and stays empty.

    Args:
        flow: None where blood flow cannot be told.
    """
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
        table[segment] = _segment(parts, pool_per_s, segment, flow)
    table = _drawn_together(table)
    table[17] = SegmentPerfusion(relative_upslope=None, sigma=None, endo=None, epi=None, pixels=0)
    return table


def _segment(
    parts: list[tuple[SlicePerfusion, np.ndarray]], pool_per_s: float, segment: int, flow: FlowModel | None
) -> SegmentPerfusion:
    whole, endo, epi = ([], [], [])
    variances, weights, flows = [], [], []
    for part, chosen in parts:
        if chosen.sum() < 2:
            continue
        depth = part.depth[part.interior]
        for store, keep in ((whole, chosen), (endo, chosen & (depth < 0.5)), (epi, chosen & (depth >= 0.5))):
            if keep.any():
                curve = part.curves[keep].mean(axis=0)
                fit = part.tissue.fit(curve)
                store.append((fit.upslope_per_s, int(keep.sum())))
                if store is whole:
                    random = np.random.default_rng([_SEED, segment])
                    variances.append(part.tissue.slope_sd(fit, random) ** 2 + (_SHADING * fit.upslope_per_s) ** 2)
                    weights.append(int(keep.sum()))
                    flows.append(flow.fit(part, curve) if flow is not None else None)
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
        flow=_mean_flow(flows, weights),
    )


def _mean_flow(flows: list[SegmentFlow | None], weights: list[int]) -> SegmentFlow | None:
    """Of the slices that see a segment; a slice whose fit is not good enough leaves it to the others."""
    known = [(one, weight) for one, weight in zip(flows, weights, strict=True) if one is not None]
    if not known:
        return None
    good = [(one, weight) for one, weight in known if one.ml_min_g is not None]
    total = sum(weight for _, weight in good or known)
    return SegmentFlow(
        ml_min_g=sum((one.ml_min_g or 0.0) * weight for one, weight in good) / total if good else None,
        residual=sum(one.residual * weight for one, weight in good or known) / total,
    )


def _drawn_together(table: dict[int, SegmentPerfusion]) -> dict[int, SegmentPerfusion]:
    """Segments pooled by their own uncertainty; the halves of a segment move with it."""
    known = {k: one for k, one in table.items() if one.relative_upslope is not None and one.sigma is not None}
    if len(known) < 4:
        return table
    values = np.array([one.relative_upslope for one in known.values()], dtype=np.float64)
    sigmas = np.array([one.sigma for one in known.values()], dtype=np.float64)
    drawn, errors = pooled(values, sigmas)
    found = dict(table)
    for (number, one), before, value, error in zip(known.items(), values, drawn, errors, strict=True):
        ratio = float(value / before) if before > 0 else 1.0
        found[number] = replace(
            one,
            relative_upslope=float(value),
            sigma=float(error),
            endo=None if one.endo is None else one.endo * ratio,
            epi=None if one.epi is None else one.epi * ratio,
        )
    return found
