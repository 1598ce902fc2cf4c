"""Shares and medians with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict

_Z_95 = 1.959964
_RESAMPLES = 1000


class Interval(BaseModel):
    """A figure with its 95 % confidence interval; null if there was nothing to count."""

    model_config = ConfigDict(frozen=True)
    value: float | None
    low: float | None
    high: float | None
    n: int


def share(successes: int, n: int) -> Interval:
    """A proportion with Wilson's interval, which stays valid near 0 and 1 (Wilson 1927)."""
    if n == 0:
        return Interval(value=None, low=None, high=None, n=0)
    p = successes / n
    middle = (p + _Z_95**2 / (2 * n)) / (1 + _Z_95**2 / n)
    half = _Z_95 * np.sqrt(p * (1 - p) / n + _Z_95**2 / (4 * n**2)) / (1 + _Z_95**2 / n)
    return Interval(value=p, low=max(0.0, float(middle - half)), high=min(1.0, float(middle + half)), n=n)


def share_over_groups(right: Bool[np.ndarray, " n"], groups: Sequence[str], *, seed: int = 0) -> Interval:
    """A proportion whose interval resamples whole groups (percentile bootstrap); `n` counts the groups.

    Starts of one patient often fail together, so they are not independent trials, as Wilson's interval assumes.
    """
    names = sorted(set(groups))
    if not names:
        return Interval(value=None, low=None, high=None, n=0)
    place = np.array([names.index(group) for group in groups])
    good = np.bincount(place, weights=right.astype(np.float64), minlength=len(names))
    count = np.bincount(place, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(_RESAMPLES, len(names)))
    low, high = np.percentile(good[drawn].sum(axis=1) / count[drawn].sum(axis=1), (2.5, 97.5))
    return Interval(value=float(good.sum() / count.sum()), low=float(low), high=float(high), n=len(names))


def percentile(values: Float[np.ndarray, " n"], percent: float, *, seed: int = 0) -> Interval:
    """A percentile with its bootstrap interval; values that are not finite are left out."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Interval(value=None, low=None, high=None, n=0)
    drawn = np.random.default_rng(seed).choice(values, size=(_RESAMPLES, len(values)))
    low, high = np.percentile(np.percentile(drawn, percent, axis=1), (2.5, 97.5))
    return Interval(value=float(np.percentile(values, percent)), low=float(low), high=float(high), n=len(values))


def median(values: Float[np.ndarray, " n"], *, seed: int = 0) -> Interval:
    """A median with its percentile bootstrap interval; values that are not finite are left out."""
    return percentile(values, 50.0, seed=seed)


def mean_interval(values: Float[np.ndarray, " n"], *, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean of at least one value."""
    drawn = np.random.default_rng(seed).choice(values, size=(_RESAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
