"""The steepest rise of curves: a straight line through four beats, as the clinic draws it through three to five."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_BEATS = 4


def steepest(
    curves: Float[np.ndarray, "n time"], times_ms: Float[np.ndarray, " time"], first: int, last: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], np.ndarray]:
    """Largest slope (1/s) of a line through four samples, its standard error, and its first frame."""
    t = times_ms / 1000.0
    first = max(first, 0)
    last = min(max(last, first + _BEATS - 1), len(t) - 1)
    slopes, errors = [], []
    for start in range(first, max(last - _BEATS + 2, first + 1)):
        window = slice(start, start + _BEATS)
        x = t[window] - t[window].mean()
        y = curves[:, window]
        slope = (y * x).sum(axis=1) / (x**2).sum()
        left = y - y.mean(axis=1, keepdims=True) - slope[:, None] * x
        slopes.append(slope)
        errors.append(np.sqrt((left**2).sum(axis=1) / max(len(x) - 2, 1) / (x**2).sum()))
    table = np.array(slopes)
    best = np.argmax(table, axis=0)
    rows = np.arange(len(curves))
    return table[best, rows], np.array(errors)[best, rows], best + first


def bridged(signal: np.ndarray, excluded: tuple[int, ...]) -> np.ndarray:
    """Frames left out are bridged by their neighbours, along the last axis."""
    if not excluded:
        return signal
    kept = np.setdiff1d(np.arange(signal.shape[-1]), excluded)
    if signal.ndim == 1:
        return np.interp(np.arange(len(signal)), kept, signal[kept])
    return np.stack([np.interp(np.arange(signal.shape[-1]), kept, row[kept]) for row in signal])
