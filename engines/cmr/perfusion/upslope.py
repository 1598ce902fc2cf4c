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
from engines.cmr.perfusion.magnitude import true_mean
from engines.cmr.perfusion.shading import pool_level
from engines.cmr.perfusion.steepness import bridged, steepest
from engines.cmr.wall.slice_wall import SliceWall

_AFTER_PEAK_S = 9.0  # an ischaemic wall brightens late
_ONSET = 0.10
_EARLY = 0.3
_SHAPES = 5
_LOCAL_PX = 1.5  # neighbourhood whose mean tells how far noise lifts a pixel


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
    channel: float = 0.0,
) -> PoolCurve:
    """Curve of the pool's brightest stable core.

    Args:
        channel: noise of a channel, which lifts the dark frames before contrast.

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
    signal = bridged(pixels.mean(axis=0), excluded)
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
    usable = np.setdiff1d(np.arange(before), excluded)
    baseline = pool_level(pixels, usable if len(usable) else np.arange(before), channel)
    if baseline <= 0:
        raise InputError(f"{where}: the LV pool's baseline is {baseline:.3g}, expected a positive signal")
    normal = true_mean(signal, channel) / baseline
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


def wall_curves(
    frames: Float[np.ndarray, "columns rows time"],
    interior: Bool[np.ndarray, "columns rows"],
    baseline: Float[np.ndarray, " n"],
    excluded: tuple[int, ...],
    channel: float,
    smooth_px: float,
) -> Float[np.ndarray, "n time"]:
    """Curves of the interior's pixels over their baseline, smoothed within it, without what noise lifts them by."""
    weight = interior.astype(np.float64)

    def smoothed(width: float) -> np.ndarray:
        share = np.maximum(ndimage.gaussian_filter(weight, width), 1e-6)
        soft = ndimage.gaussian_filter(frames * weight[..., None], (width, width, 0)) / share[..., None]
        return soft[interior]

    values = smoothed(smooth_px) if smooth_px > 0 else frames[interior].astype(np.float64)
    local = ndimage.gaussian_filter1d(smoothed(_LOCAL_PX), 0.7, axis=1)
    return bridged(values - (local - true_mean(local, channel)), excluded) / baseline[:, None]


def denoised(curves: Float[np.ndarray, "n time"], last: int) -> Float[np.ndarray, "n time"]:
    """Curves up to frame `last` by the few shapes that all of a slice's wall shares; later frames stay as they are.

    Healthy, slow and late wall differ by height, steepness, delay and what blood leaks into them: a few shapes hold
    them. For maps alone: of a segment's mean they would make what all segments share.
    """
    last = min(last + 1, curves.shape[1])
    if len(curves) <= 3 * _SHAPES:
        return curves
    first_pass = curves[:, :last] - 1.0
    _, _, shapes = np.linalg.svd(first_pass, full_matrices=False)
    basis = shapes[:_SHAPES]
    return np.concatenate([1.0 + first_pass @ basis.T @ basis, curves[:, last:]], axis=1)


def late_frame(times_ms: Float[np.ndarray, " time"], pool: PoolCurve) -> int:
    """Last frame at which a first-pass upslope of the wall may lie."""
    return int(np.searchsorted(times_ms, times_ms[pool.peak] + 1000.0 * _AFTER_PEAK_S))
