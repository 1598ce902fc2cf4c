"""The steepest rise of curves: a straight line through four beats, as the clinic draws it through three to five."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

_BEATS = 4


def steepest(
    curves: Float[np.ndarray, "n time"], times_ms: Float[np.ndarray, " time"], first: int, last: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], np.ndarray]:
    """Largest slope (1/s) of a line through four samples, its standard error, and its first frame."""
    t = times_ms / 1000.0
    first = max(first, 0)
    last = min(max(last, first + _BEATS - 1), len(t) - 1)
    count = max(last - _BEATS + 2 - first, 1)
    x = sliding_window_view(t[first : first + count + _BEATS - 1], _BEATS)
    x = x - x.mean(axis=1, keepdims=True)
    spread = (x**2).sum(axis=1)
    y = sliding_window_view(curves[:, first : first + count + _BEATS - 1], _BEATS, axis=1)
    slopes = np.einsum("nwb,wb->nw", y, x) / spread
    best = slopes.argmax(axis=1)
    rows = np.arange(len(curves))
    x, y, slope = x[best], y[rows, best], slopes[rows, best]
    left = y - y.mean(axis=1, keepdims=True) - slope[:, None] * x
    error = np.sqrt((left**2).sum(axis=1) / max(_BEATS - 2, 1) / spread[best])
    return slope, error, best + first


def bridged(signal: np.ndarray, excluded: tuple[int, ...]) -> np.ndarray:
    """Frames left out are bridged by their neighbours, along the last axis."""
    if not excluded:
        return signal
    kept = np.setdiff1d(np.arange(signal.shape[-1]), excluded)
    if signal.ndim == 1:
        return np.interp(np.arange(len(signal)), kept, signal[kept])
    return np.stack([np.interp(np.arange(signal.shape[-1]), kept, row[kept]) for row in signal])
