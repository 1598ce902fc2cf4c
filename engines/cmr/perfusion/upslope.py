"""Relative upslope: the steepest rise of the wall during the first pass over that of the LV pool, each by its own
baseline.

Dividing by the baseline removes the coil's shading. A straight line through four beats follows the clinical habit of
three to five (Schwitter 2001; Biglands 2015 compares the indices). Upslope ratios underestimate flow reserve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from calibration.errors import InputError
from engines.cmr.wall.slice_wall import SliceWall

_BEATS = 4
_AFTER_PEAK_S = 9.0  # an ischaemic wall brightens late
_ONSET = 0.10
_EARLY = 0.3
_SHAPES = 3
_SATURATED = 0.12  # of the rise: a plateau this flat around the peak


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolCurve:
    """The arterial input of a slice or a study.

    Args:
        signal: (time,) mean of the pool's core, by its own baseline.
        baseline_frames: number of frames before the bolus.
        onset, peak: frames.
        upslope_per_s: steepest rise, baseline-normalised.
        contrast_to_noise: rise over the noise of one pixel.
        recirculates: the series goes on after the first pass.
        saturated: its top is flat.
    """

    signal: Float[np.ndarray, " time"]
    baseline_frames: int
    onset: int
    peak: int
    upslope_per_s: float
    contrast_to_noise: float
    saturated: bool


def pool_curve(
    frames: Float[np.ndarray, "columns rows time"],
    times_ms: Float[np.ndarray, " time"],
    wall: SliceWall,
    where: str,
    excluded: tuple[int, ...] = (),
) -> PoolCurve:
    """Curve of the pool's brightest stable core.

    Raises:
        InputError: the pool does not brighten, or the series begins after the bolus has arrived.
    """
    core = np.asarray(ndimage.binary_erosion(wall.pool, iterations=2), dtype=bool)
    core = core if core.sum() >= 12 else wall.pool
    if not core.any():
        raise InputError(f"{where}: the LV pool is empty; draw lv_pool or leave the masks out")
    pixels = np.asarray(frames[core], dtype=np.float64)
    # Papillary muscles inside the core brighten less: the brighter half is blood alone.
    low, high = np.percentile(pixels, (5, 95), axis=1)
    pixels = pixels.compress(high - low >= np.median(high - low), axis=0)
    signal = _bridged(pixels.mean(axis=0), excluded)
    noise = float(np.median(np.abs(np.diff(pixels, axis=1)))) / 0.6745 / np.sqrt(2.0) + 1e-9
    smooth = ndimage.gaussian_filter1d(signal, 0.8)
    start = float(np.median(smooth[: max(3, len(smooth) // 12)]))
    peak = int(np.argmax(smooth))
    height = float(smooth[peak] - start)
    if height < 2.0 * noise or height < 0.3 * max(start, noise):
        raise InputError(
            f"{where}: the LV pool brightens by {height:.3g} over {start:.3g}; expected the first pass of a bolus"
        )
    # A bolus that fades from the first frame on never returns so far below its own beginning.
    early = start - float(np.percentile(smooth, 3)) > _EARLY * height
    onset = int(np.argmax(smooth > start + _ONSET * height))
    if onset < 2 or early:
        raise InputError(
            f"{where}: the bolus is there from the first frame on; expected pictures before it as baseline"
        )
    before = max(2, onset - 1)
    baseline = float(signal[:before].mean())
    if baseline <= 0:
        raise InputError(f"{where}: the LV pool's baseline is {baseline:.3g}, expected a positive signal")
    normal = signal / baseline
    slope, _, _ = steepest(normal[None], times_ms, onset - 1, peak)
    top = smooth[max(peak - 2, 0) : peak + 3]
    return PoolCurve(
        signal=normal,
        baseline_frames=before,
        onset=onset,
        peak=peak,
        upslope_per_s=float(slope[0]),
        contrast_to_noise=height / noise,
        saturated=bool(len(top) == 5 and float(np.ptp(top)) < 0.012 * height),
    )


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


def _bridged(signal: np.ndarray, excluded: tuple[int, ...]) -> np.ndarray:
    """Frames left out are bridged by their neighbours, along the last axis."""
    if not excluded:
        return signal
    kept = np.setdiff1d(np.arange(signal.shape[-1]), excluded)
    if signal.ndim == 1:
        return np.interp(np.arange(len(signal)), kept, signal[kept])
    return np.stack([np.interp(np.arange(signal.shape[-1]), kept, row[kept]) for row in signal])


def wall_interior(
    wall: SliceWall, pixel_mm: Float[np.ndarray, " 2"]
) -> tuple[Bool[np.ndarray, "c r"], Float[np.ndarray, "c r"]]:
    """Pixels of the wall that no neighbour shines into, and every pixel's depth (0 inner, 1 outer border).

    Blood rises ten times as steeply as muscle: a pixel that holds a tenth of it is worth nothing.
    """
    c, r = np.indices(wall.wall.shape)
    x, y = (c - wall.centre_px[0]) * pixel_mm[0], (r - wall.centre_px[1]) * pixel_mm[1]
    at = (np.arctan2(y, x) % (2 * np.pi)) / (2 * np.pi) * len(wall.inner_mm)
    places = np.arange(len(wall.inner_mm) + 1)
    inner = np.interp(at, places, np.append(wall.inner_mm, wall.inner_mm[0]))
    outer = np.interp(at, places, np.append(wall.outer_mm, wall.outer_mm[0]))
    radius = np.hypot(x, y)
    depth = (radius - inner) / np.maximum(outer - inner, 1.0)
    pixel = float(pixel_mm.mean())
    away_in, away_out = radius - inner, outer - radius
    interior = wall.wall & (away_in > 1.15 * pixel) & (away_out > 0.75 * pixel)
    if interior.sum() < 0.2 * wall.wall.sum():  # a thin wall: keep its middle rather than nothing
        interior = wall.wall & (depth > 0.3) & (depth < 0.75)
    return interior, depth


def normalised(
    frames: Float[np.ndarray, "columns rows time"],
    interior: Bool[np.ndarray, "columns rows"],
    baseline_frames: int,
    excluded: tuple[int, ...],
    smooth_px: float,
) -> Float[np.ndarray, "n time"]:
    """Curves of the interior's pixels, smoothed within it and divided by the wall's own smooth baseline."""
    weight = interior.astype(np.float64)
    kept = np.setdiff1d(np.arange(baseline_frames), excluded)
    before = frames[..., kept if len(kept) else np.arange(baseline_frames)].mean(axis=2)
    base = within_mask(before, weight, 3.0)[interior]
    base = np.maximum(base, 0.2 * float(np.median(base)) + 1e-9)
    if smooth_px > 0:
        share = np.maximum(ndimage.gaussian_filter(weight, smooth_px), 1e-6)
        soft = ndimage.gaussian_filter(frames * weight[..., None], (smooth_px, smooth_px, 0)) / share[..., None]
        values = soft[interior]
    else:
        values = frames[interior].astype(np.float64)
    return _bridged(values, excluded) / base[:, None]


def denoised(curves: Float[np.ndarray, "n time"], last: int) -> Float[np.ndarray, "n time"]:
    """Curves up to frame `last` by the few shapes that all of a slice's wall shares; later frames stay as they are.

    Healthy, slow and late wall differ by height, steepness and delay: three shapes hold them, and noise has no place
    in them.
    """
    last = min(last + 1, curves.shape[1])
    if len(curves) <= 3 * _SHAPES:
        return curves
    first_pass = curves[:, :last] - 1.0
    _, _, shapes = np.linalg.svd(first_pass, full_matrices=False)
    basis = shapes[:_SHAPES]
    return np.concatenate([1.0 + first_pass @ basis.T @ basis, curves[:, last:]], axis=1)


def within_mask(picture: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean of a picture over a mask alone."""
    return ndimage.gaussian_filter(picture * weight, sigma) / np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-6)


def late_frame(times_ms: Float[np.ndarray, " time"], pool: PoolCurve) -> int:
    """Last frame at which a first-pass upslope of the wall may lie."""
    return int(np.searchsorted(times_ms, times_ms[pool.peak] + 1000.0 * _AFTER_PEAK_S))
