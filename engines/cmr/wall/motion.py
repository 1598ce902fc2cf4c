"""In-plane motion of the heart over a first pass: edges first, then each frame against a picture that time itself
explains.

Contrast comes and goes, so frames are never compared by raw intensity across the bolus. Step one compares edge
orientations, which do not care which side is brighter, between many pairs of frames and solves for one shift a frame.
Step two compares each frame with a synthetic one: the low-rank part of the aligned series, in which a steady scene
with moving contrast is almost all there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

_FIELD_MM = 110.0
_REACH_MM = 22.0
_NEIGHBOURS = (1, 2, 3, 5, 8, 13, 21)
_RANKS = (3, 4)
_ROUNDS_OF_WEIGHTS = 12
_CHANCE_PEAK = 2.5  # height of an agreement that may be chance, in deviations
_FOLLOW = 0.15
_CORRELATED_PX = 300.0  # noise, and what a low-rank picture cannot say: not every pixel is a witness of its own
_ANCHOR_SD_PX = 0.4  # of what the model may add to what edges say
_BEYOND_REPAIR = 6.0  # residual against its neighbours', in robust deviations


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """Motion of one slice.

    Args:
        shift_px: (2, time) columns and rows from the reference picture to each frame.
        excluded: frames that do not fit the series even after correction.
        roughness_before, roughness_after: mean absolute second difference over time inside the heart, share of its
            mean.
    """

    shift_px: Float[np.ndarray, "2 time"]
    excluded: tuple[int, ...]
    roughness_before: float
    roughness_after: float

    def corrected(self, frames: Float[np.ndarray, "columns rows time"]) -> Float[np.ndarray, "columns rows time"]:
        """Every frame brought to the reference picture's place."""
        return shifted(frames, self.shift_px)


def shifted(frames: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    """Frame t sampled at x + shift: what lay at the reference place x."""
    moved = [
        ndimage.shift(frames[..., t], -shift_px[:, t], order=3, mode="nearest", prefilter=True)
        for t in range(frames.shape[-1])
    ]
    return np.stack(moved, axis=-1).astype(np.float32)


def estimate_motion(
    frames: Float[np.ndarray, "columns rows time"],
    pixel_mm: Float[np.ndarray, " 2"],
    centre_px: Float[np.ndarray, " 2"],
    reference: int,
) -> Motion:
    """Shifts of the heart around `centre_px` against the picture of frame `reference`."""
    cut, weight = _window(frames.shape[:2], centre_px, pixel_mm)
    series = frames[cut].astype(np.float64)
    anchor = _by_edges(series, weight, pixel_mm)
    shift = anchor
    for rank in _RANKS:
        shift = _by_model(series, weight, shift, anchor, rank, pixel_mm)
    shift -= shift[:, reference : reference + 1]
    aligned = shifted(series, shift)
    return Motion(
        shift_px=shift,
        excluded=_outliers(aligned, weight, reference),
        roughness_before=_roughness(series, weight),
        roughness_after=_roughness(aligned, weight),
    )


def no_motion(frames: Float[np.ndarray, "columns rows time"]) -> Motion:
    """Every frame where it was taken."""
    return Motion(shift_px=np.zeros((2, frames.shape[2])), excluded=(), roughness_before=1.0, roughness_after=1.0)


def heart_centre(
    frames: Float[np.ndarray, "columns rows time"], pixel_mm: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, " 2"]:
    """Pixel in the middle of what brightens most: the two pools of blood."""
    smooth = ndimage.gaussian_filter(frames.astype(np.float64), (*(3.0 / pixel_mm), 1.0))
    early = np.percentile(smooth, 10, axis=2)
    rise = np.percentile(smooth, 97, axis=2) - early
    # Edges of bright fat flicker with breathing; blood brightens as a whole, many times its baseline.
    parts, count = ndimage.label(rise > 0.55 * np.percentile(rise, 99.5))  # pyright: ignore[reportGeneralTypeIssues]
    c, r = np.indices(rise.shape)
    away = np.hypot((c - rise.shape[0] / 2) * pixel_mm[0], (r - rise.shape[1] / 2) * pixel_mm[1])
    total = ndimage.sum_labels(rise * np.exp(-((away / 70.0) ** 2)), parts, np.arange(1, count + 1))
    best = parts == 1 + int(np.argmax(total))
    centre = np.array(ndimage.center_of_mass(rise * best))
    bright = np.where(rise > 0.35 * np.percentile(rise, 99.5), rise, 0.0)
    for _ in range(8):  # the brightest part may be one pool alone: drift to the middle of what lies around it
        away = np.hypot((c - centre[0]) * pixel_mm[0], (r - centre[1]) * pixel_mm[1])
        centre = np.array(ndimage.center_of_mass(bright * np.exp(-((away / 45.0) ** 2))))
    return centre


def _window(shape: tuple[int, ...], centre: np.ndarray, pixel_mm: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray]:
    half = 0.5 * _FIELD_MM / pixel_mm
    low = np.clip(np.floor(centre - half), 0, None).astype(int)
    high = np.minimum(np.ceil(centre + half) + 1, shape).astype(int)
    c, r = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
    away = np.hypot((c - centre[0]) * pixel_mm[0], (r - centre[1]) * pixel_mm[1])
    weight = 1.0 / (1.0 + np.exp((away - 0.42 * _FIELD_MM) / 4.0))
    return (slice(low[0], high[0]), slice(low[1], high[1])), weight


def _by_edges(series: np.ndarray, weight: np.ndarray, pixel_mm: np.ndarray) -> np.ndarray:
    smooth = ndimage.gaussian_filter(series, (1.0, 1.0, 0))
    gx, gy = np.gradient(smooth, axis=(0, 1))
    power = gx**2 + gy**2
    noise = np.percentile(power, 60, axis=(0, 1)) + 0.1 * power.mean() + 1e-9
    # The square of the gradient as a complex number has the same value for an edge and its negative.
    edges = (gx + 1j * gy) ** 2 / (power + noise) * weight[..., None]
    spectra = np.fft.fft2(edges, axes=(0, 1))
    count = series.shape[2]
    reach = np.maximum(2, np.round(_REACH_MM / pixel_mm)).astype(int)
    pairs, moves, trust = [], [], []
    for step in _NEIGHBOURS:
        for t in range(count - step):
            agreement = np.real(np.fft.ifft2(spectra[..., t + step] * np.conj(spectra[..., t])))
            move, height = _peak(agreement, reach)
            pairs.append((t, t + step))
            moves.append(move)
            trust.append(height)
    return _solve(count, np.array(pairs), np.array(moves), np.array(trust))


def _peak(agreement: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, float]:
    a, b = reach
    near = np.fft.fftshift(agreement)
    mc, mr = np.array(near.shape) // 2
    near = near[mc - a : mc + a + 1, mr - b : mr + b + 1]
    c, r = np.unravel_index(int(np.argmax(near)), near.shape)
    best = np.array([c, r], dtype=np.float64)
    if 0 < c < 2 * a and 0 < r < 2 * b:
        for k, (low, high) in enumerate(((near[c - 1, r], near[c + 1, r]), (near[c, r - 1], near[c, r + 1]))):
            bend = low - 2 * near[c, r] + high
            best[k] += 0.5 * (low - high) / bend if bend < 0 else 0.0
    spread = float(near.std()) + 1e-12
    return best - reach, max(0.1, (float(near[c, r]) - float(near.mean())) / spread)


def _solve(count: int, pairs: np.ndarray, moves: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """One shift a frame from shifts between pairs; pairs that contradict the others lose their weight."""
    later, earlier = pairs[:, 1], pairs[:, 0]
    start = np.clip(trust - _CHANCE_PEAK, 0.0, None) ** 2
    start = start / max(float(start.mean()), 1e-9) + 1e-3
    weight = start.copy()
    # Where pictures show nothing to hold on to, before contrast comes, a frame stays where its neighbours are.
    follow = _FOLLOW * (np.eye(count, k=1)[:-1] - np.eye(count)[:-1])
    smooth = follow.T @ follow
    solution = np.zeros((count, 2))
    for _ in range(_ROUNDS_OF_WEIGHTS):
        normal = 1e-6 * np.eye(count) + smooth
        right = np.zeros((count, 2))
        for here, there, sign in ((later, earlier, 1.0), (earlier, later, -1.0)):
            np.add.at(normal, (here, here), weight)
            np.add.at(normal, (here, there), -weight)
            np.add.at(right, here, sign * weight[:, None] * moves)
        solution = np.linalg.solve(normal, right)
        solution -= solution.mean(axis=0)
        left = np.linalg.norm(solution[later] - solution[earlier] - moves, axis=1)
        weight = start / (0.3 + left) ** 1.5
    return solution.T


def _by_model(
    series: np.ndarray, weight: np.ndarray, shift: np.ndarray, anchor: np.ndarray, rank: int, pixel_mm: np.ndarray
) -> np.ndarray:
    """One round: low-rank pictures from the aligned series, then a Gauss-Newton step of each frame."""
    root = np.sqrt(weight)
    smooth = ndimage.gaussian_filter(series, (0.6, 0.6, 0))
    aligned = shifted(smooth, shift).astype(np.float64)
    model = _low_rank(aligned * root[..., None], rank) / np.maximum(root[..., None], 1e-3)
    result = shift.copy()
    variance = float(np.median(np.abs(np.diff(smooth, axis=2)))) ** 2 * 2.0 * _CORRELATED_PX
    limit = 2.0 * 4.0 / float(pixel_mm.mean())
    for t in range(series.shape[2]):
        picture = model[..., t]
        gx, gy = np.gradient(picture)
        columns = np.stack([gx, gy, picture, np.ones_like(picture)], axis=-1).reshape(-1, 4)
        weighted = columns * weight.reshape(-1, 1)
        normal = weighted.T @ columns
        hold = variance / _ANCHOR_SD_PX**2
        normal[0, 0] += hold
        normal[1, 1] += hold
        for _ in range(5):
            seen = ndimage.shift(smooth[..., t], -result[:, t], order=1, mode="nearest")
            right = weighted.T @ (seen - picture).ravel()
            right[:2] += hold * (result[:, t] - anchor[:, t])
            step = np.linalg.lstsq(normal, right, rcond=None)[0][:2]
            # seen(x) = frame(x + shift); where the shift is short by e, seen = model + e' . gradient with e' = -e.
            result[:, t] -= np.clip(step, -0.7, 0.7)
            if np.abs(step).max() < 0.01:
                break
        if np.linalg.norm(result[:, t] - shift[:, t]) > limit:
            result[:, t] = shift[:, t]
    return result


def _low_rank(series: np.ndarray, rank: int) -> np.ndarray:
    flat = series.reshape(-1, series.shape[-1])
    gram = flat.T @ flat
    _, vectors = np.linalg.eigh(gram)
    basis = vectors[:, -rank:]
    return (flat @ basis @ basis.T).reshape(series.shape)


def _outliers(aligned: np.ndarray, weight: np.ndarray, reference: int) -> tuple[int, ...]:
    model = _low_rank(aligned.astype(np.float64) * weight[..., None], 4)
    left = np.sqrt(((aligned * weight[..., None] - model) ** 2).mean(axis=(0, 1)))
    # Bright frames leave more: what counts is the excess over the neighbours in time.
    usual = ndimage.median_filter(left, 9, mode="nearest")
    excess = left / np.maximum(usual, 1e-9) - 1.0
    spread = 1.4826 * np.median(np.abs(excess - np.median(excess))) + 0.03
    found = np.flatnonzero(excess > max(0.5, _BEYOND_REPAIR * spread))
    return tuple(int(t) for t in found if t != reference)


def _roughness(series: np.ndarray, weight: np.ndarray) -> float:
    second = np.abs(np.diff(series, 2, axis=2)).mean(axis=2)
    return float((second * weight).sum() / max((series.mean(axis=2) * weight).sum(), 1e-9))


def in_frame(
    mask: Bool[np.ndarray, "columns rows"], shift_px: Float[np.ndarray, " 2"]
) -> Bool[np.ndarray, "columns rows"]:
    """A mask of the reference picture where it lies in a frame that moved by `shift_px`."""
    return ndimage.shift(mask.astype(np.float32), shift_px, order=1, mode="constant") > 0.5
