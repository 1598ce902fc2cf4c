"""LV wall, LV pool and RV pool found in a motion-corrected first pass.

Blood brightens most; the right ventricle before the left. The wall lies around the left pool and brightens late; its
outer border is where that brightening ends (lung, fat, liver) or where the right pool begins. Both borders are closed
radial paths of least cost.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage
from skimage.morphology import convex_hull_image

from calibration.errors import InputError
from engines.cmr.wall.slice_wall import ANGLES, SliceWall, filled, sampled_polar

_STEP_MM = 0.5
_THINNEST_MM, _THICKEST_MM = 4.0, 19.0
_STEEPEST = 2  # radial steps between neighbouring angles
_LEAST_DELAY = 1.5  # frames between the arrivals in both ventricles
_LEAST_RISE = 3.0  # of the left pool, against the series' noise


def bolus_curves(
    aligned: Float[np.ndarray, "columns rows time"],
) -> tuple[Float[np.ndarray, "columns rows time"], float]:
    """Smoothed signal above baseline, and the noise of one pixel."""
    noise = float(np.median(np.abs(np.diff(aligned[..., :], axis=2)))) / 0.6745 / np.sqrt(2.0)
    smooth = ndimage.gaussian_filter(aligned.astype(np.float64), (0.7, 0.7, 0.7))
    return smooth, noise


def find_wall(
    aligned: Float[np.ndarray, "columns rows time"],
    pixel_mm: Float[np.ndarray, " 2"],
    centre_px: Float[np.ndarray, " 2"],
    where: str,
) -> SliceWall:
    """Find the wall around the left pool near `centre_px`.

    Raises:
        InputError: no bolus passes through a left and a right pool within the series.
    """
    smooth, noise = bolus_curves(aligned)
    baseline, rise, arrival = _arrival(smooth)
    pool, right, peak = _pools(smooth, baseline, rise, arrival, pixel_mm, centre_px, noise, where)
    centre = np.array(ndimage.center_of_mass(pool))
    left_share, right_share, wall_share = _shares(smooth, baseline, pool, right, peak, pixel_mm)
    inner, sure_in = _inner_border(left_share, pool, centre, pixel_mm)
    outer, sure_out = _outer_border(wall_share, right_share, centre, pixel_mm, inner)
    shape = aligned.shape[:2]
    inside = filled(inner, centre, pixel_mm, shape)
    both = filled(outer, centre, pixel_mm, shape)
    return SliceWall(
        wall=both & ~inside,
        pool=inside,
        right_pool=right & ~both,
        centre_px=centre,
        inner_mm=inner,
        outer_mm=outer,
        given=False,
        doubt=float(np.clip(1.0 - 0.5 * (sure_in + sure_out), 0.0, 1.0)),
    )


def _arrival(smooth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Baseline, rise above it, and frame of half the rise of every pixel."""
    total = smooth.reshape(-1, smooth.shape[2])
    rising = np.percentile(total, 99.5, axis=0)
    start = int(np.argmax(rising > rising[:3].min() + 0.15 * (rising.max() - rising[:3].min())))
    baseline = smooth[..., : max(2, start - 1)].mean(axis=2)
    above = smooth - baseline[..., None]
    rise = above.max(axis=2)
    return baseline, rise, np.argmax(above > 0.5 * rise[..., None], axis=2).astype(np.float64)


def _pools(
    smooth: np.ndarray,
    baseline: np.ndarray,
    rise: np.ndarray,
    arrival: np.ndarray,
    pixel_mm: np.ndarray,
    centre_px: np.ndarray,
    noise: float,
    where: str,
) -> tuple[np.ndarray, np.ndarray, int]:
    c, r = np.indices(rise.shape)
    away = np.hypot((c - centre_px[0]) * pixel_mm[0], (r - centre_px[1]) * pixel_mm[1])
    near = away < 75.0
    top = float(np.percentile(rise[near], 98.5))
    if top < _LEAST_RISE * noise:
        raise InputError(
            f"{where}: nothing brightens (rise {top:.3g}, noise {noise:.3g}); expected the first pass of a bolus"
        )
    blood = near & (rise > 0.5 * top)
    # Two arrivals, weighted by brightness: Otsu's rule on the frame of half rise.
    early, late, cut = _two_groups(arrival[blood], rise[blood])
    if late - early < _LEAST_DELAY:  # one arrival: a slice below the right ventricle shows the left pool alone
        cut = float(arrival[blood].min()) - 1.0
    left = _roundest(blood & (arrival > cut), rise, pixel_mm)
    if left is None:
        raise InputError(f"{where}: no LV pool was found; give masks in perfusion.json")
    curve = smooth[left].mean(axis=0) - baseline[left].mean()
    right_all = blood & (arrival <= cut)
    parts, count = ndimage.label(right_all)  # pyright: ignore[reportGeneralTypeIssues]
    right = np.zeros_like(left)
    if count:
        sizes = ndimage.sum_labels(np.ones_like(rise), parts, np.arange(1, count + 1)) * float(np.prod(pixel_mm))
        gap = ndimage.distance_transform_edt(~left, sampling=pixel_mm)
        nearest = np.asarray(ndimage.minimum(gap, parts, np.arange(1, count + 1)))
        good = np.flatnonzero((sizes > 60.0) & (nearest < 26.0)) + 1
        right = np.isin(parts, good)
    return left, right, int(np.argmax(curve))


def _two_groups(values: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    levels = np.unique(values)
    best, found = -1.0, (float(levels[0]), float(levels[0]), float(levels[0]))
    for cut in levels[:-1]:
        low, high = values <= cut, values > cut
        a, b = weight[low].sum(), weight[high].sum()
        first, second = np.average(values[low], weights=weight[low]), np.average(values[high], weights=weight[high])
        between = a * b * (second - first) ** 2
        if between > best:
            best, found = between, (float(first), float(second), float(cut))
    return found


def _roundest(mask: np.ndarray, rise: np.ndarray, pixel_mm: np.ndarray) -> np.ndarray | None:
    """The left pool: large, compact, bright; trabeculae and papillary muscles inside it are filled."""
    opened = np.asarray(ndimage.binary_opening(mask, iterations=1))
    parts, count = ndimage.label(opened if opened.any() else mask)  # pyright: ignore[reportGeneralTypeIssues]
    best, found = 0.0, None
    area = float(np.prod(pixel_mm))
    for number in range(1, count + 1):
        part = parts == number
        size = float(part.sum()) * area
        if size < 60.0:
            continue
        hull = np.asarray(convex_hull_image(part))
        c, r = np.argwhere(hull).std(axis=0) * pixel_mm
        compact = part.sum() / hull.sum() * min(c, r) / max(c, r)
        score = compact**2 * np.sqrt(size) * float(rise[part].mean())
        if score > best:
            best, found = score, part
    return found


def _shares(
    smooth: np.ndarray, baseline: np.ndarray, pool: np.ndarray, right: np.ndarray, peak: int, pixel_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much each pixel behaves like LV blood, RV blood and wall."""
    above = smooth - baseline[..., None]
    core = np.asarray(ndimage.binary_erosion(pool, iterations=2))
    core = core if core.sum() > 8 else pool
    first, last = max(peak - 1, 0), min(peak + 2, smooth.shape[2])
    bright = above[..., first:last].mean(axis=2)
    left_share = bright / float(np.percentile(bright[core], 60))
    count = smooth.shape[2]
    late = above[..., min(peak + 5, count - 2) : min(peak + 18, count)].mean(axis=2)
    right_share = np.zeros_like(late)
    if right.any():
        curve = above[right].mean(axis=0)
        at = int(np.argmax(curve[: peak + 1]))
        early = above[..., max(at - 1, 0) : at + 2].mean(axis=2)
        right_share = early / float(np.percentile(early[right], 60))
    ring = np.asarray(ndimage.distance_transform_edt(~np.asarray(convex_hull_image(pool)), sampling=pixel_mm))
    around = (ring > 2.5) & (ring < 6.0) & (right_share < 0.35)
    level = float(np.median(late[around])) if around.any() else float(np.median(late[pool])) * 0.4
    return left_share, right_share, late / max(level, 1e-9)


def _inner_border(
    left_share: np.ndarray, pool: np.ndarray, centre: np.ndarray, pixel_mm: np.ndarray
) -> tuple[np.ndarray, float]:
    """Outermost edge of the pool, hulled so that papillary muscles stay inside."""
    near = np.asarray(ndimage.distance_transform_edt(~pool, sampling=pixel_mm)) < 6.0
    half = (left_share > 0.5) & near
    parts, _ = ndimage.label(half)  # pyright: ignore[reportGeneralTypeIssues]
    names = np.bincount(parts[pool & half], minlength=2)
    names[0] = 0
    hull = np.asarray(convex_hull_image(parts == names.argmax()))
    radius = np.arange(3.0, 45.0, _STEP_MM)
    soft = np.maximum(ndimage.gaussian_filter(hull.astype(np.float64), 0.8), np.clip(left_share, 0, 1) * hull)
    fall = -np.gradient(sampled_polar(soft, centre, pixel_mm, radius), axis=1)
    fall += 0.5 * np.clip(
        -np.gradient(sampled_polar(np.clip(left_share, 0, 1), centre, pixel_mm, radius), axis=1), 0, None
    )
    path = closed_path(-fall)
    sure = float(np.clip(fall[np.arange(ANGLES), path].mean() / 0.15, 0, 1))
    return smooth_border(radius[path], harmonics=6), sure


def _outer_border(
    wall_share: np.ndarray,
    right_share: np.ndarray,
    centre: np.ndarray,
    pixel_mm: np.ndarray,
    inner: np.ndarray,
) -> tuple[np.ndarray, float]:
    thickness = np.arange(_THINNEST_MM, _THICKEST_MM, _STEP_MM)
    radius = inner[:, None] + np.concatenate([np.arange(1.0, _THINNEST_MM, _STEP_MM), thickness])[None]
    skip = radius.shape[1] - len(thickness)
    share = sampled_polar(wall_share, centre, pixel_mm, radius)
    blood = sampled_polar(right_share, centre, pixel_mm, radius)
    # Each ray by its own wall: coil shading and defects make the wall's level differ from place to place.
    own = np.clip(np.median(share[:, 2 : skip + 4], axis=1), 0.35, 1.8)
    own = ndimage.gaussian_filter1d(own, 2.0, mode="wrap")[:, None]
    muscle = np.clip(share / own, 0.0, 1.0) * (1.0 - np.clip(1.3 * blood, 0.0, 1.0))
    fall = -ndimage.gaussian_filter1d(np.gradient(ndimage.gaussian_filter1d(muscle, 1.0, axis=1), axis=1), 0.6, axis=1)
    usual = float(np.median(thickness[np.argmax(fall[:, skip:], axis=1)]))
    prior = 0.006 * np.abs(thickness - usual)[None]
    kept = np.cumsum(1.0 - muscle, axis=1)[:, skip:] * 0.012  # what lies inside the border should be muscle
    path = closed_path(-fall[:, skip:] + prior + kept)
    sure = float(np.clip(fall[:, skip:][np.arange(ANGLES), path].mean() / 0.10, 0, 1))
    outer = smooth_border(inner + thickness[path], harmonics=6)
    return np.maximum(outer, inner + 3.0), sure


def closed_path(cost: Float[np.ndarray, "angles radii"]) -> np.ndarray:
    """Radial index at each angle of the closed path of least cost, at most a few steps between neighbours."""
    doubled = np.concatenate([cost, cost, cost])
    total = np.empty_like(doubled)
    came = np.zeros(doubled.shape, dtype=np.int64)
    total[0] = doubled[0]
    n = cost.shape[1]
    steps = np.arange(-_STEEPEST, _STEEPEST + 1)
    for row in range(1, len(doubled)):
        padded = np.pad(total[row - 1], _STEEPEST, constant_values=np.inf)
        options = np.stack([padded[_STEEPEST + s : _STEEPEST + s + n] + 0.004 * abs(s) for s in steps])
        best = np.argmin(options, axis=0)
        came[row] = np.arange(n) + steps[best]
        total[row] = doubled[row] + options[best, np.arange(n)]
    path = np.empty(len(doubled), dtype=np.int64)
    path[-1] = int(np.argmin(total[-1]))
    for row in range(len(doubled) - 1, 0, -1):
        path[row - 1] = came[row][path[row]]
    # The middle turn has neighbours on both sides: its ends meet.
    return path[ANGLES : 2 * ANGLES]


def smooth_border(radius_mm: np.ndarray, *, harmonics: int) -> np.ndarray:
    spectrum = np.fft.rfft(ndimage.median_filter(radius_mm, 5, mode="wrap"))
    spectrum[harmonics + 1 :] = 0.0
    return np.fft.irfft(spectrum, ANGLES)
