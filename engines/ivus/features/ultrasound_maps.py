"""Landmarks in the frames: border of the lumen, openings of branches, calcium with its shadow, guidewire."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter1d, uniform_filter1d

from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps, border_centroid, circular_blur, main_border
from engines.ivus.features.lumen_border import about_place, border_profiles, evened, learned_border
from engines.ivus.features.radial_profiles import landmark_probabilities, radial_profiles
from engines.ivus.files.pullback import Pullback
from engines.networks.ivus_network import PolarLandmarkNet

_FINE = 96  # angles of the border's search
_STEP_MM = 0.04
_REACH_MM = 4.4
_CATHETER_MM = 0.58  # what lies nearer is the catheter and its ring-down
_STIFF = 0.5  # cost of one radial step between neighbouring angles
_LARGEST_STEP = 3
_CRUMB_MM = 0.12  # of brightness beyond the last tissue is speckle
_BRIGHT_PERCENT = 60.0  # of the tissue's grey values: what throws a shadow is brighter
_LEAST_SAMPLES = 500
_SPREAD_SHARE, _LEAST_SPREAD = 0.6, 5.0  # of the distance between blood and tissue; grey values
_RIM_SHARE = 0.3  # of the threshold: beyond, the picture has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Grey values for what is no tissue: the catheter's disc, and everything beyond the picture's rim."""

    catheter: float
    rim_mm: float
    rim: float


def ultrasound_maps(
    pullback: Pullback, chosen: np.ndarray | None = None, *, network: PolarLandmarkNet | None = None,
    border: PolarLandmarkNet | None = None,
) -> LandmarkMaps:  # fmt: skip
    """Maps of the chosen frames (all of them where None), about the middle of each lumen.

    Args:
        network: tells openings and calcium from radial profiles; None for the rules without learning.
        border: finds the lumen's border; None for the rules without learning.
    """
    maps, profiles = maps_and_profiles(pullback, chosen, border=border)
    if network is None:
        return maps
    branch, calcium = landmark_probabilities(network, profiles)
    return replace(maps, branch=branch * maps.valid, calcium=calcium * maps.valid)


def maps_and_profiles(
    pullback: Pullback, chosen: np.ndarray | None = None, *, border: PolarLandmarkNet | None = None
) -> tuple[LandmarkMaps, Float32[np.ndarray, "n b r"]]:
    """Maps of landmarks without learning, and what the landmark network looks at."""
    index = np.arange(len(pullback.frames)) if chosen is None else np.asarray(chosen)
    z_mm = pullback.z_mm[index]
    spacing = float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else 0.4
    about_catheter = polar_frames(pullback, index, np.zeros((len(index), 2)))
    threshold, spread = _threshold(about_catheter)
    rim_mm = _rim_mm(about_catheter, threshold)
    if border is None:
        found = _border(about_catheter, threshold, spread, spacing, from_mm=_CATHETER_MM)
        found = main_border(found, np.ones_like(found))
    else:
        found, _ = learned_border(border, border_profiles(about_catheter, _STEP_MM, rim_mm))
        found = evened(found, spacing)
        threshold, spread = _levels(about_catheter, found, threshold, spread)
    centre = gaussian_filter1d(border_centroid(found), max(0.8 / spacing, 0.5), axis=0, mode="nearest")
    polar = polar_frames(pullback, index, centre, hidden=Hidden(
        catheter=threshold - 1.5 * spread, rim_mm=rim_mm, rim=threshold - 0.02 * spread))  # fmt: skip
    known = None if border is None else about_place(found, centre, angles=_FINE)
    return _maps(polar, threshold, spread, spacing, z_mm, centre, known)


def profiles_from_catheter(pullback: Pullback) -> Float32[np.ndarray, "n a d"]:
    """What the network of the lumen's border looks at, for all frames."""
    index = np.arange(len(pullback.frames))
    polar = polar_frames(pullback, index, np.zeros((len(index), 2)))
    return border_profiles(polar, _STEP_MM, _rim_mm(polar, _threshold(polar)[0]))


def _rim_mm(about_catheter: Float32[np.ndarray, "n a r"], threshold: float) -> float:
    profile = about_catheter.mean(axis=(0, 1))
    return float(np.flatnonzero(profile > _RIM_SHARE * threshold)[-1]) * _STEP_MM


def _levels(
    polar: Float32[np.ndarray, "n a r"], border: Float[np.ndarray, "n b"], threshold: float, spread: float
) -> tuple[float, float]:
    """Grey level midway between what lies within the border and just beyond it, and half the distance between them."""
    radius = (np.arange(polar.shape[2]) + 0.5) * _STEP_MM
    beyond = radius[None, None, :] - np.repeat(border, polar.shape[1] // border.shape[1], axis=1)[:, :, None]
    blood = polar[(beyond < -0.15) & (radius > _CATHETER_MM + 0.05)]
    tissue = polar[(beyond > 0.05) & (beyond < 0.8)]
    if len(blood) < _LEAST_SAMPLES or len(tissue) < _LEAST_SAMPLES:
        return threshold, spread
    dark, bright = float(np.median(blood)), float(np.median(tissue))
    return 0.5 * (dark + bright), max(_SPREAD_SHARE * (bright - dark), _LEAST_SPREAD)


def polar_frames(
    pullback: Pullback, index: np.ndarray, centre_mm: Float[np.ndarray, "n 2"], *, hidden: Hidden | None = None
) -> Float32[np.ndarray, "n a r"]:
    """Frames by (frame, angle from columns towards rows, radius), about a place off the catheter.

    Args:
        hidden: what replaces the catheter's own disc and what lies beyond the picture's rim.
    """
    angle = np.arange(_FINE) * 2 * np.pi / _FINE
    radius = (np.arange(int(_REACH_MM / _STEP_MM)) + 0.5) * _STEP_MM
    x_mm = np.cos(angle)[:, None] * radius
    y_mm = np.sin(angle)[:, None] * radius
    out = np.empty((len(index), _FINE, len(radius)), dtype=np.float32)
    for k, frame in enumerate(index):
        off = centre_mm[k]
        columns = (pullback.centre_px[0] + (x_mm + off[0]) / pullback.pixel_mm).astype(np.float32)
        rows = (pullback.centre_px[1] + (y_mm + off[1]) / pullback.pixel_mm).astype(np.float32)
        picture = pullback.frames[frame]
        out[k] = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        if hidden is not None:
            far = np.hypot(x_mm + off[0], y_mm + off[1])
            out[k][far < _CATHETER_MM] = hidden.catheter
            out[k][far > hidden.rim_mm - 0.1] = hidden.rim
    return gaussian_filter(out, (0.6, 1.0, 2.0), mode=("nearest", "wrap", "nearest"))  # pyright: ignore[reportArgumentType]


def _threshold(polar: Float32[np.ndarray, "n a r"]) -> tuple[float, float]:
    """Grey level between blood and tissue, and the usual distance to it (Otsu 1979)."""
    radius = (np.arange(polar.shape[2]) + 0.5) * _STEP_MM
    values = polar[:, :, (radius > _CATHETER_MM) & (radius < 2.6)].ravel()[::3]
    counts, edges = np.histogram(values, bins=128)
    middle = 0.5 * (edges[1:] + edges[:-1])
    weight = np.cumsum(counts) / max(counts.sum(), 1)
    mean = np.cumsum(counts * middle) / max(counts.sum(), 1)
    between = (mean[-1] * weight - mean) ** 2 / np.maximum(weight * (1 - weight), 1e-6)
    best = int(np.argmax(between))
    return float(middle[best]), max(float(values.std()), 1.0)


def _border(
    polar: Float32[np.ndarray, "n a r"], threshold: float, spread: float, spacing_mm: float, *, from_mm: float
) -> Float[np.ndarray, "n a"]:
    """First bright layer behind dark blood, by dynamic programming around the circle, all frames at once."""
    last_mm, shadow = _shadows(polar, threshold)
    radius = (np.arange(polar.shape[2]) + 0.5) * _STEP_MM
    # Clipped low: the intima counts as much as the brighter adventitia behind it.
    dark = np.clip((threshold - polar) / spread, -0.4, 0.4)
    # Behind a bright layer darkness is shadow, not blood.
    dark *= 1.0 - shadow[:, :, None] * (radius > last_mm[:, :, None])
    first = int(from_mm / _STEP_MM)
    dark[:, :, :first] = 0.0
    within = np.cumsum(dark, axis=2)
    ahead = int(0.4 / _STEP_MM)
    padded = np.concatenate([within, np.repeat(within[:, :, -1:], ahead, axis=2)], axis=2)
    score = within - (padded[:, :, ahead:] - within)
    score = gaussian_filter1d(score, max(0.4 / spacing_mm, 0.3), axis=0, mode="nearest")
    score[:, :, :first] = -50.0
    return (_circular_path(score * _STEP_MM * 10.0) + 0.5) * _STEP_MM


def _shadows(
    polar: Float32[np.ndarray, "n a r"], threshold: float
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n a"]]:
    """Radius of the last tissue on each ray, and how surely all beyond it is shadow (0 to 1)."""
    bright = polar > threshold
    bright[:, :, : int(_CATHETER_MM / _STEP_MM)] = False
    left = np.cumsum(bright[:, :, ::-1], axis=2)[:, :, ::-1] * _STEP_MM
    last_mm = (left > _CRUMB_MM).sum(axis=2) * _STEP_MM
    usual = np.percentile(last_mm, 65, axis=1, keepdims=True)
    return last_mm, np.clip((usual - 0.6 - last_mm) / 0.4, 0.0, 1.0)


def _circular_path(score: Float[np.ndarray, "n a r"]) -> Float[np.ndarray, "n a"]:
    """Best closed path: twice around, the middle of it kept."""
    frames, angles, radii = score.shape
    order = np.concatenate([np.arange(angles), np.arange(angles)])
    best = score[:, 0].copy()
    came = np.zeros((len(order), frames, radii), dtype=np.int8)
    moves = range(-_LARGEST_STEP, _LARGEST_STEP + 1)
    for k, angle in enumerate(order[1:], start=1):
        choice = np.full((len(moves), frames, radii), -1e9)
        for m, move in enumerate(moves):
            source = slice(max(move, 0), radii + min(move, 0))
            target = slice(max(-move, 0), radii + min(-move, 0))
            choice[m][:, target] = best[:, source] - _STIFF * 0.05 * move * move
        pick = np.argmax(choice, axis=0)
        came[k] = pick - _LARGEST_STEP
        best = np.take_along_axis(choice, pick[None], axis=0)[0] + score[:, angle]
    path = np.empty((len(order), frames), dtype=np.int64)
    path[-1] = np.argmax(best, axis=1)
    for k in range(len(order) - 1, 0, -1):
        path[k - 1] = path[k] + came[k, np.arange(frames), path[k]]
    half = angles // 2
    return np.roll(path[half : half + angles], half, axis=0).T.astype(np.float64)


def _maps(
    polar: Float32[np.ndarray, "n a r"], threshold: float, spread: float, spacing_mm: float, z_mm: np.ndarray,
    centre_mm: np.ndarray, known: Float[np.ndarray, "n a"] | None,
) -> tuple[LandmarkMaps, Float32[np.ndarray, "n b r"]]:  # fmt: skip
    radius = (np.arange(polar.shape[2]) + 0.5) * _STEP_MM
    last_mm, shadow = _shadows(polar, threshold)
    # The layer that throws the shadow: a wire within the lumen, calcium at the wall.
    bright = (polar > threshold) & (radius < last_mm[:, :, None] + 0.1)
    layer = last_mm - _layer_mm(bright, last_mm)
    main = known
    if main is None:
        raw = _border(polar, threshold, spread, spacing_mm, from_mm=0.3)
        main = main_border(raw, 1.0 - 0.9 * shadow)
        wire = shadow * np.clip((main - 0.15 - layer) / 0.2, 0.0, 1.0)
        main = circular_blur(main_border(raw, 1.0 - 0.9 * wire), along=max(0.5 / spacing_mm, 0.3), about=1.0)
    wire = shadow * np.clip((main - 0.15 - layer) / 0.2, 0.0, 1.0)
    wire = maximum_filter1d(wire, 3, axis=1, mode="wrap")
    near = polar[:, :, (radius > 0.6) & (radius < 2.6)]
    level = float(np.percentile(near[near > threshold], _BRIGHT_PERCENT))
    beyond = radius[None, None, :] - main[:, :, None]
    peak = np.where((beyond > -0.35) & (beyond < 0.9), polar, 0.0).max(axis=2)
    calcium = shadow * (1.0 - wire) * np.clip((peak - level) / (0.3 * spread) + 0.7, 0.0, 1.0)
    hidden = maximum_filter1d(shadow, 5, axis=1, mode="wrap")
    branch = _openings(polar, radius, main, threshold, spread) * (1.0 - hidden)
    coarse = slice(None, None, _FINE // ANGLES)
    profiles = radial_profiles(polar, _STEP_MM, main, (branch, calcium, wire), threshold, spread)

    def reduced(values: np.ndarray) -> np.ndarray:
        return circular_blur(values, along=0.5, about=1.0)[:, coarse]

    maps = LandmarkMaps(
        place_mm=z_mm, branch=reduced(branch), calcium=reduced(calcium), valid=1.0 - reduced(wire),
        radius_mm=main[:, coarse], wall_mm=_wall(polar, radius, main, shadow, spacing_mm)[:, coarse],
        centre_mm=centre_mm, pulled_mm=-centre_mm,
    )  # fmt: skip
    return maps, profiles


def _wall(polar: np.ndarray, radius: np.ndarray, main: np.ndarray, shadow: np.ndarray, spacing_mm: float) -> np.ndarray:
    """From the lumen to where the adventitia is brightest, against the frame's mean; 0 in shadows."""
    beyond = radius[None, None, :] - main[:, :, None]
    smooth = gaussian_filter(polar, (0.5 / spacing_mm, 2.0, 3.0), mode=("nearest", "wrap", "nearest"))  # pyright: ignore[reportArgumentType]
    # Nearer is likelier: far structures are as bright now and then.
    score = np.where((beyond > 0.15) & (beyond < 2.2), smooth - 6.0 * beyond, -1e3)
    thickness = np.take_along_axis(beyond, np.argmax(score, axis=2)[:, :, None], axis=2)[:, :, 0]
    seen = 1.0 - shadow
    mean = (thickness * seen).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1.0)
    return circular_blur(np.clip(thickness - mean, -1.0, 1.0) * seen, along=0.8 / spacing_mm, about=2.5)


def _layer_mm(bright: np.ndarray, last_mm: np.ndarray) -> np.ndarray:
    """Thickness of the last unbroken bright layer on each ray."""
    end = np.clip((last_mm / _STEP_MM).astype(int), 0, bright.shape[2] - 1)
    place = np.arange(bright.shape[2])
    gap = ~bright & (place < end[:, :, None])
    last_gap = np.where(gap.any(axis=2), bright.shape[2] - 1 - np.argmax(gap[:, :, ::-1], axis=2), 0)
    return np.maximum(end - last_gap, 0) * _STEP_MM


def _openings(polar: np.ndarray, radius: np.ndarray, main: np.ndarray, threshold: float, spread: float) -> np.ndarray:
    """Blood-dark places beyond the artery's border that end in tissue again."""
    dark = np.clip((threshold - polar) / spread + 0.3, 0.0, 1.0)
    dark = uniform_filter1d(dark, int(0.4 / _STEP_MM), axis=2)  # the media is thinner and never reaches 1
    beyond = radius[None, None, :] - main[:, :, None]
    window = (beyond > 0.3) & (beyond < 2.0)
    filled = (dark * window).sum(axis=2) / np.maximum(window.sum(axis=2), 1)
    peak = np.where(window, dark, 0.0).max(axis=2)
    behind = (beyond > 1.0) & (beyond < 3.0)
    tissue = np.where(behind, np.clip((polar - threshold) / spread + 0.7, 0.0, 1.0), 0.0)
    ends = np.clip(uniform_filter1d(tissue, int(0.3 / _STEP_MM), axis=2).max(axis=2) / 0.5, 0.0, 1.0)
    return np.clip(1.3 * np.clip(0.6 * peak + 1.2 * filled - 0.45, 0.0, 1.0), 0.0, 1.0) * ends
