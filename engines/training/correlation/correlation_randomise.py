"""Domain randomisation of the fixed picture: random differences between a DRR and an X-ray picture.

The kinds of change follow the released training code of ProST's successors (Gao et al. 2023, SyntheX: smoothing, noise,
grey-level curves, erasing). Overlays of vessels, wires and collimator blades are added for this program's use.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float


def randomised(picture: Float[np.ndarray, "rows columns"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """A picture as another machine, dose and display might show it; grey levels in about 0..1."""
    low, high = float(picture.min()), float(picture.max())
    grey = ((picture - low) / max(high - low, 1e-6)).astype(np.float32)
    grey = _overlaid(grey, rng)
    grey = _toned(grey, rng)
    if rng.uniform() < 0.5:  # displays remove slow variations
        grey = grey - rng.uniform(0.2, 0.7) * cv2.GaussianBlur(grey, (0, 0), rng.uniform(8.0, 16.0))
    if rng.uniform() < 0.6:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.3, 1.3))
    grey = grey + _noise(grey.shape, rng) * float(grey.std())
    grey = _erased(grey, rng)
    return _collimated(grey, rng)


def _overlaid(grey: Float[np.ndarray, "r c"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """The picture with bent, mostly absorbing lines: vessels that the moving picture lacks, catheters and wires."""
    for _ in range(rng.poisson(1.5)):
        line = np.zeros(grey.shape, np.float32)
        size = max(grey.shape)
        points = rng.uniform(0.0, size, 2) + np.cumsum(rng.normal(scale=size / 6, size=(5, 2)), axis=0)
        at = np.linspace(0.0, 4.0, 24)
        bent = np.column_stack([np.interp(at, np.arange(5), points[:, axis]) for axis in range(2)])
        cv2.polylines(line, [np.rint(bent * 8).astype(np.int32)], False, 1.0, int(rng.integers(1, 3)), cv2.LINE_AA, 3)
        line = cv2.GaussianBlur(line, (0, 0), rng.uniform(0.4, 0.9))
        grey = grey + rng.uniform(-0.1, 0.5) * line
    return grey


def _toned(grey: Float[np.ndarray, "r c"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """The picture after gain, gamma, and a monotone sinusoidal tone curve."""
    grey = np.clip(grey, 0.0, 1.5) ** np.float32(np.exp(rng.normal(scale=0.35)))
    waves, phase = rng.uniform(0.5, 1.5), rng.uniform(0.0, 2 * np.pi)
    swing = rng.uniform(0.0, 0.8) / (2 * np.pi * waves)
    return (grey + swing * np.sin(2 * np.pi * waves * grey + phase)).astype(np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """White and smooth noise, in units of the picture's own spread."""
    white = rng.standard_normal(shape, dtype=np.float32) * rng.uniform(0.0, 0.2)
    cloud = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), 6.0)
    return white + cloud / max(float(cloud.std()), 1e-6) * rng.uniform(0.0, 0.25)


def _erased(grey: Float[np.ndarray, "r c"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    for _ in range(rng.integers(0, 3)):
        rows, columns = rng.integers(4, max(5, grey.shape[0] // 4), 2)
        row, column = rng.integers(0, grey.shape[0] - rows), rng.integers(0, grey.shape[1] - columns)
        grey[row : row + rows, column : column + columns] = grey.mean() + rng.normal(scale=0.5) * grey.std()
    return grey


def _collimated(grey: Float[np.ndarray, "r c"], rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    if rng.uniform() > 0.3:
        return grey
    rows, columns = np.mgrid[-1.0 : 1.0 : grey.shape[0] * 1j, -1.0 : 1.0 : grey.shape[1] * 1j]
    inside = rows**2 + columns**2 < rng.uniform(0.8, 1.1) ** 2
    if rng.uniform() < 0.5:
        inside = (np.abs(rows) < rng.uniform(0.75, 1.0)) & (np.abs(columns) < rng.uniform(0.75, 1.0))
    return np.where(inside, grey, grey[inside].mean()).astype(np.float32)
