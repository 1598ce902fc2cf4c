"""Vary what came with the contrast, so that a network does not hang on the injector and detector of our simulator.

In real runs contrast is dense in one place and thin in another, patients breathe and swallow between mask and frame,
doses are low, and scatter changes with the filling.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32

_GAIN = (0.2, 1.6)  # of the contrast, over the whole picture
_GAIN_SPREAD = 0.5  # and from place to place, as a logarithm: a descending aorta fills late and thinly
_GAIN_PATCH_PX = 28.0
_SHIFT_PX = (0.05, 3.0)  # of the picture before the bolus, standard deviation
_STILL_SHARE = 0.5
_NOISE = (0.002, 0.06)  # log units at the working size
_MOST_NOISE_OF_GAIN = 0.15
_SHADING = (0.001, 0.03)
_SHADING_PX = 30.0
_OFFSET = 0.005  # what is left of a change of exposure


def varied(
    random: np.random.Generator,
    darkening: Float[np.ndarray, "rows columns"],
    before: Float[np.ndarray, "rows columns"],
) -> Float32[np.ndarray, "rows columns"]:
    """A darkening of another dose, injection, exposure and patient motion; both in log units."""
    gain = _between(random, _GAIN)
    cloudy = random.uniform(0, _GAIN_SPREAD) * _smooth(random, darkening.shape, _GAIN_PATCH_PX)
    seen = gain * darkening * np.exp(cloudy)
    if random.random() >= _STILL_SHARE:
        move = np.eye(2, 3)
        move[:, 2] = random.normal(0, _between(random, _SHIFT_PX), 2)
        size = (before.shape[1], before.shape[0])
        moved = cv2.warpAffine(before, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen = seen + (moved - before)
    # Where few photons arrive, their logarithm is noisier.
    noisier = np.exp(np.clip(0.5 * (np.median(before) - before), -1.0, 1.0))
    # Contrast that no reader would find in the noise teaches to guess.
    noise = min(_between(random, _NOISE), _MOST_NOISE_OF_GAIN * gain)
    seen = seen + random.normal(0, noise, seen.shape) * noisier
    seen = seen + _between(random, _SHADING) * _smooth(random, darkening.shape, _SHADING_PX)
    return (seen + random.normal(0, _OFFSET)).astype(np.float32)


def _between(random: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(random.uniform(*np.log(limits))))


def _smooth(random: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> np.ndarray:
    """Cloudy values with a standard deviation of 1."""
    step = max(int(sigma_px / 3), 1)
    small = (shape[0] // step + 2, shape[1] // step + 2)
    cloud = cv2.GaussianBlur(random.normal(0, 1, small), (0, 0), sigma_px / step)
    cloud = (cloud - cloud.mean()) / (cloud.std() + 1e-9)
    return cv2.resize(cloud, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
