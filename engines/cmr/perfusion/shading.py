"""The wall's signal before contrast as the coil shades it: one smooth field that muscle and both pools share.

Before contrast all muscle has one signal, and so has blood; what differs from place to place is the coil. Its
logarithm is a quadratic over the heart, fitted to muscle and blood at once, so that the few dark frames of the wall do
not have to carry it alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.cmr.perfusion.magnitude import true_level
from engines.cmr.wall.slice_wall import SliceWall

_UNIT_MM = 30.0
_SLOPE_SD, _BEND_SD = 0.4, 0.1  # of the logarithm, over `_UNIT_MM`
_FEWEST = 15
_EFFECTIVE = 0.6  # frames share some noise once they were moved
_FIRST_RISE = 0.1  # of the right pool's: its contrast has come


def wall_baseline(
    frames: Float[np.ndarray, "columns rows time"],
    wall: SliceWall,
    interior: Bool[np.ndarray, "columns rows"],
    pixel_mm: Float[np.ndarray, " 2"],
    before: np.ndarray,
    noise: float,
) -> Float[np.ndarray, " n"]:
    """Baseline of each pixel of the interior.

    Args:
        before: frames before the left pool brightens.
    """
    regions = [interior]
    powers = [(frames[..., before].astype(np.float64) ** 2).mean(axis=2)]
    core = np.asarray(ndimage.binary_erosion(wall.pool, iterations=2))
    if core.sum() > _FEWEST:
        regions.append(core)
        powers.append(powers[0])
    right = np.asarray(ndimage.binary_erosion(wall.right_pool, iterations=2))
    early = _before_right(frames, right, before) if right.sum() > _FEWEST else before[:0]
    if len(early) >= 3:
        regions.append(right)
        powers.append((frames[..., early].astype(np.float64) ** 2).mean(axis=2))
    c, r = np.indices(interior.shape)
    x, y = ((g - m) * mm / _UNIT_MM for g, m, mm in zip((c, r), wall.centre_px, pixel_mm, strict=True))
    shapes = np.stack([x, y, x**2, x * y, y**2], axis=-1)
    columns = []
    for number, region in enumerate(regions):
        own = np.zeros((int(region.sum()), len(regions)))
        own[:, number] = 1.0
        columns.append(np.concatenate([own, shapes[region]], axis=1))
    values = [power[region] - 2 * noise**2 for power, region in zip(powers, regions, strict=True)]
    start = [0.5 * np.log(max(float(np.median(part)), 0.05 * noise**2, 1e-9)) for part in values]
    design = np.concatenate(columns)
    solved = _fitted(design, np.concatenate(values), np.array([*start, *[0.0] * 5]), len(before), noise)
    return np.exp((design @ solved)[: int(interior.sum())])


def _fitted(design: np.ndarray, values: np.ndarray, start: np.ndarray, frames: int, noise: float) -> np.ndarray:
    """values = exp(2 design x) with the scatter of squared magnitudes; pixels that lie far off lose their weight."""
    own = design.shape[1] - 5
    hold = np.diag([0.0] * own + [1 / _SLOPE_SD] * 2 + [1 / _BEND_SD] * 3)
    solved = start
    for _ in range(15):
        expected = np.exp(2 * design @ solved)
        variance = (4 * expected * noise**2 + 4 * noise**4) / max(_EFFECTIVE * frames, 1.0)
        root = expected / np.sqrt(variance + 1e-12)
        left = (values - expected) / expected * root
        spread = max(float(np.median(np.abs(left))) / 0.6745, 0.3)
        root = root / np.sqrt(1 + (left / (3 * spread)) ** 2) / max(spread, 1.0)
        aim = 2 * design @ solved + (values - expected) / expected
        solved = np.linalg.lstsq(
            np.concatenate([2 * design * root[:, None], hold]), np.concatenate([aim * root, np.zeros(len(hold))]),
            rcond=None,
        )[0]  # fmt: skip
    return solved


def _before_right(frames: np.ndarray, right: np.ndarray, before: np.ndarray) -> np.ndarray:
    curve = ndimage.gaussian_filter1d(frames[right].mean(axis=0).astype(np.float64), 0.8)
    level = float(curve[:3].mean())
    come = int(np.argmax(curve > level + _FIRST_RISE * (curve.max() - level)))
    return before[before < come - 1]


def pool_level(pixels: Float[np.ndarray, "n time"], before: np.ndarray, noise: float) -> float:
    """Baseline of a pool's pixels."""
    return float(true_level(float((pixels[:, before].astype(np.float64) ** 2).mean()), noise))
