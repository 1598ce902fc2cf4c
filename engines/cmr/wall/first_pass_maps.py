"""The whole time curve of a slice as a few maps: before contrast, right and left blood, late wall, slope, arrival.

A single frame would show either blood or wall; the maps together say what each pixel is. They lie on a grid of their
own about the heart, so that a network sees every scanner at one scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy import ndimage

GRID, STEP_MM = 64, 2.0
MAPS = ("baseline", "right", "left", "late", "upslope", "arrival")
_NEAR_MM = 60.0
_LATE = (5, 18)  # frames after the left peak in which the wall is bright and blood is not yet gone
_APART = 6  # frames from the right peak to the left where one group of arrivals is all there is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstPassMaps:
    """Args:
    maps: in the order of `MAPS`; 1 is what the brightest left blood rises by.
    centre_px: pixel at the middle of the grid.
    """

    maps: Float32[np.ndarray, "6 64 64"]
    centre_px: Float[np.ndarray, " 2"]
    pixel_mm: Float[np.ndarray, " 2"]

    def grid_of(self, pixels: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
        """Places on the grid of places in the picture."""
        return (pixels - self.centre_px) * self.pixel_mm / STEP_MM + 0.5 * (GRID - 1)


def first_pass_maps(
    aligned: Float[np.ndarray, "columns rows time"],
    pixel_mm: Float[np.ndarray, " 2"],
    centre_px: Float[np.ndarray, " 2"],
) -> FirstPassMaps:
    """Maps of a motion-corrected slice about `centre_px`."""
    smooth = ndimage.gaussian_filter(aligned, (0.5, 0.5, 0.7))
    c, r = np.indices(aligned.shape[:2])
    near = np.hypot((c - centre_px[0]) * pixel_mm[0], (r - centre_px[1]) * pixel_mm[1]) < _NEAR_MM
    start, right, left = bolus_frames(smooth[near])
    count = aligned.shape[2]
    base = smooth[..., : max(2, start)].mean(axis=2)
    above = smooth - base[..., None]
    late = above[..., min(left + _LATE[0], count - 2) : min(left + _LATE[1], count)].mean(axis=2)
    rise = above[..., : min(left + _LATE[1], count)].max(axis=2)
    slope = np.maximum(above[..., 3:] - above[..., :-3], 0.0)[..., : left + 6].max(axis=2)
    half = np.argmax(above > 0.5 * np.maximum(rise, 1e-9)[..., None], axis=2).astype(np.float64)
    scale = max(float(np.percentile(above[..., left][near], 97)), 1e-9)
    arrival = np.clip((half - left) / 10.0, -1.5, 1.5) * np.clip(rise / (0.3 * scale), 0.0, 1.0)
    around = (slice(max(left - 1, 0), left + 2), slice(max(right - 1, 0), right + 2))
    pictures = [
        base / scale, above[..., around[1]].mean(axis=2) / scale, above[..., around[0]].mean(axis=2) / scale,
        late / scale, slope / scale, arrival,
    ]  # fmt: skip
    return FirstPassMaps(
        maps=on_grid(np.stack(pictures, axis=-1), pixel_mm, centre_px), centre_px=centre_px, pixel_mm=pixel_mm
    )


def bolus_frames(curves: Float[np.ndarray, "n time"]) -> tuple[int, int, int]:
    """Last frame before contrast, peak of the right and of the left blood."""
    top = np.percentile(curves, 99, axis=0)
    level = float(np.median(top[:3]))
    start = max(1, int(np.argmax(top > level + 0.15 * (top.max() - level))) - 1)
    rise = curves.max(axis=1) - curves[:, : start + 1].mean(axis=1)
    bright = curves[rise > 0.6 * np.percentile(rise, 98.5)]
    peaks = np.argmax(bright, axis=1).astype(np.float64)
    split = float(np.median(peaks))
    early, later = peaks[peaks <= split], peaks[peaks > split]
    for _ in range(10):  # two means: the blood of the right ventricle and that of the left
        early, later = peaks[peaks <= split], peaks[peaks > split]
        if not len(early) or not len(later):
            break
        split = 0.5 * (float(early.mean()) + float(later.mean()))
    if len(early) and len(later) and later.mean() - early.mean() > 2.0:
        left = int(np.argmax(bright[peaks > split].mean(axis=0)))
        return start, int(np.argmax(bright[peaks <= split].mean(axis=0))), left
    left = int(np.argmax(bright.mean(axis=0)))
    return start, max(start, left - _APART), left


def single_picture_maps(
    picture: Float[np.ndarray, "columns rows"], pixel_mm: Float[np.ndarray, " 2"], centre_px: Float[np.ndarray, " 2"]
) -> FirstPassMaps:
    """A picture without a first pass, as a cine frame is: it stands in for the late map, all others are 0."""
    shown = on_grid(np.asarray(picture, dtype=np.float64)[..., None], pixel_mm, centre_px)[0]
    return FirstPassMaps(maps=single_maps(shown), centre_px=centre_px, pixel_mm=pixel_mm)


def single_maps(shown: Float32[np.ndarray, "64 64"]) -> Float32[np.ndarray, "6 64 64"]:
    maps = np.zeros((len(MAPS), GRID, GRID), dtype=np.float32)
    low, high = np.percentile(shown, (5, 95))
    maps[MAPS.index("late")] = (shown - low) / max(float(high - low), 1e-9)
    return maps


def on_grid(
    pictures: Float[np.ndarray, "columns rows n"], pixel_mm: np.ndarray, centre_px: np.ndarray, *, order: int = 1
) -> Float32[np.ndarray, "n 64 64"]:
    """Pictures about a centre at the network's scale; fine pixels are averaged first."""
    wide = np.maximum(STEP_MM / pixel_mm - 1.0, 0.0) * 0.5 if order else np.zeros(2)
    side = (np.arange(GRID) - 0.5 * (GRID - 1)) * STEP_MM
    c, r = np.meshgrid(centre_px[0] + side / pixel_mm[0], centre_px[1] + side / pixel_mm[1], indexing="ij")
    found = [
        ndimage.map_coordinates(ndimage.gaussian_filter(pictures[..., k], wide) if wide.any() else pictures[..., k],
                                [c, r], order=order, mode="nearest")
        for k in range(pictures.shape[2])
    ]  # fmt: skip
    return np.stack(found).astype(np.float32)
