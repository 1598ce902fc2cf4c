"""Shares and medians with the spread that their number of trials allows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

_Z_95 = 1.959964
_RESAMPLES = 1000


class Interval(BaseModel):
    """A figure with its 95 % confidence interval; null where there was nothing to count."""

    model_config = ConfigDict(frozen=True)
    value: float | None
    low: float | None
    high: float | None
    n: int


def share(successes: int, n: int) -> Interval:
    """A proportion with Wilson's interval, which stays sensible near 0 and 1 (Wilson 1927)."""
    if n == 0:
        return Interval(value=None, low=None, high=None, n=0)
    p = successes / n
    middle = (p + _Z_95**2 / (2 * n)) / (1 + _Z_95**2 / n)
    half = _Z_95 * np.sqrt(p * (1 - p) / n + _Z_95**2 / (4 * n**2)) / (1 + _Z_95**2 / n)
    return Interval(value=p, low=max(0.0, float(middle - half)), high=min(1.0, float(middle + half)), n=n)


def median(values: Float[np.ndarray, " n"], *, seed: int = 0) -> Interval:
    """A median with its percentile bootstrap interval; values that are not finite are left out."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Interval(value=None, low=None, high=None, n=0)
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(values, size=(_RESAMPLES, len(values))), axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return Interval(value=float(np.median(values)), low=float(low), high=float(high), n=len(values))
