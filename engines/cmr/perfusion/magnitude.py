"""What noise does to a magnitude picture, and how to take it out.

A magnitude is never negative: noise lifts dark pixels (E[M^2] = A^2 + 2 sigma^2, Gudbjartsson and Patz 1995). The wall
before contrast is dark, and a coil makes one side darker than the other, so a baseline that is not corrected tilts the
whole map of perfusion.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_CLEAR = 4.0  # times the noise: brighter pixels scatter as the channel does


def channel_noise(frames: Float[np.ndarray, "columns rows time"]) -> float:
    """Standard deviation of the noise of one channel, from bright pixels' second differences over time."""
    second = np.diff(np.asarray(frames, dtype=np.float64), 2, axis=2)
    scatter = np.median(np.abs(second), axis=2) / 0.6745 / np.sqrt(6.0)
    level = np.median(frames, axis=2)
    noise = float(np.median(scatter))
    for _ in range(4):
        clear = level > _CLEAR * noise
        if clear.sum() < 50:
            break
        noise = float(np.median(scatter[clear]))
    return noise


def true_mean(mean: np.ndarray, noise: float) -> np.ndarray:
    """The amplitude whose magnitudes have this mean."""
    amplitude = np.asarray(mean, dtype=np.float64).copy()
    for _ in range(8):  # E[M] = A + sigma^2 / 2A for A well above the noise
        amplitude = np.maximum(mean - noise**2 / (2 * np.maximum(amplitude, 1.5 * noise)), 0.3 * noise)
    return amplitude


def true_level(power: np.ndarray | float, noise: float) -> np.ndarray:
    """The amplitude whose magnitudes have this mean square."""
    return np.sqrt(np.maximum(np.asarray(power) - 2 * noise**2, 0.05 * np.asarray(power) + 1e-12))
