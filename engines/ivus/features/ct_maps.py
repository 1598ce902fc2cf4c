"""Landmarks in the CT: lumen by half maximum that calcium does not fool, openings of branches, calcium."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps, circular_blur, main_border
from engines.ivus.features.radial_profiles import COUNT, FROM_MM, STEP_MM, chance_of, network_outputs
from engines.ivus.geometry.straightened import polar_sections
from engines.ivus.geometry.vessel_course import VesselCourse
from engines.networks.ivus_network import PolarLandmarkNet

_STEP_MM, _COUNT = 0.15, 36
_CALCIUM_HU = 130.0  # above the blood's level
_CALCIUM_FULL_HU = 330.0
_FAT_BORDER_HU, _THICKEST_MM = -15.0, 2.2
_STIFF_MM = 4.0
_WALL_HU = 50.0
CT_PROFILE = COUNT + 3  # and two maps without learning, and the border's radius
_BRANCH_FROM_MM, _BRANCH_TO_MM = 0.55, 2.0  # beyond the artery's border


def ct_maps(ct: CtVolume, course: VesselCourse, *, network: PolarLandmarkNet | None = None) -> LandmarkMaps:
    """Maps along the whole course, a row each 0.3 mm.

    Args:
        network: tells openings and calcium from radial profiles; None for the rules without learning.
    """
    maps, profiles = ct_maps_and_profiles(ct, course)
    return maps if network is None else learned_ct_maps(maps, profiles, network)


def learned_ct_maps(
    maps: LandmarkMaps, profiles: Float32[np.ndarray, "n a r"], network: PolarLandmarkNet
) -> LandmarkMaps:
    """Openings, calcium and the lumen's border as the network sees them.

    The half maximum lies too far out where the scanner blurs a thin vessel; the network adds what is missing.
    """
    found = network_outputs(network, profiles)
    radius = maps.radius_mm + circular_blur(found[2], along=1.0, about=0.5)
    return replace(maps, branch=chance_of(found[0]), calcium=chance_of(found[1]), radius_mm=np.maximum(radius, 0.3))


def ct_maps_and_profiles(ct: CtVolume, course: VesselCourse) -> tuple[LandmarkMaps, Float32[np.ndarray, "n a r"]]:
    """Maps without learning, and what the landmark network of the CT looks at."""
    hu = polar_sections(ct, course.frame, angles=ANGLES, step_mm=_STEP_MM, count=_COUNT)
    hu = gaussian_filter(hu, (1.0, 0.7, 0.6), mode=("nearest", "wrap", "nearest"))  # pyright: ignore[reportArgumentType]
    radius = (np.arange(_COUNT) + 0.5) * _STEP_MM
    blood = course.blood_hu[:, None, None]
    clipped = np.minimum(hu, blood)
    # The darkest place a little way out is what the vessel stands against: fat here, muscle there.
    around = np.clip(clipped[:, :, 6:27].min(axis=2, keepdims=True), -100.0, 0.5 * course.blood_hu[:, None, None])
    share = (clipped - around) / np.maximum(blood - around, 40.0)
    raw = _first_crossing(share, radius)
    calcium, before = _calcium(hu, blood, radius, raw)
    raw = np.where(calcium > 0.5, np.minimum(raw, before), raw)
    trust = 1.0 - 0.9 * np.clip(calcium, 0.0, 1.0)
    border = circular_blur(main_border(raw, trust), along=2.0, about=0.5)
    beyond = radius[None, None, :] - border[:, :, None]
    window = (beyond > _BRANCH_FROM_MM) & (beyond < _BRANCH_TO_MM)
    lumen_like = np.where(hu > blood + _CALCIUM_HU, 0.0, np.clip((share - 0.25) / 0.5, 0.0, 1.0))
    filled = (lumen_like * window).sum(axis=2) / np.maximum(window.sum(axis=2), 1)
    branch = np.clip(1.6 * filled, 0.0, 1.0) * (1.0 - 0.7 * np.clip(calcium, 0, 1))
    nothing = np.zeros((len(hu), 2))
    maps = LandmarkMaps(
        place_mm=course.frame.arc_mm, branch=circular_blur(branch, along=1.0, about=0.7), calcium=calcium,
        valid=np.ones_like(branch), radius_mm=border, wall_mm=_wall(hu, radius, border), centre_mm=nothing,
        pulled_mm=_inside_of_curves(course),
    )  # fmt: skip
    return maps, _profiles(hu, course.blood_hu, radius, border, (branch, calcium))


def _profiles(
    hu: Float[np.ndarray, "n a r"], blood_hu: Float[np.ndarray, " n"], radius: Float[np.ndarray, " r"],
    border: Float[np.ndarray, "n a"], extra: tuple[np.ndarray, np.ndarray],
) -> Float32[np.ndarray, "n a k"]:  # fmt: skip
    """HU about the border, 0 at the wall's level and 1 at the blood's, and the maps without learning."""
    offsets = FROM_MM + (np.arange(COUNT) + 0.5) * STEP_MM
    at = np.clip((border[:, :, None] + offsets) / (radius[1] - radius[0]) - 0.5, 0, len(radius) - 1.001)
    low = at.astype(int)
    part = at - low
    values = np.take_along_axis(hu, low, axis=2) * (1 - part) + np.take_along_axis(hu, low + 1, axis=2) * part
    contrast = np.maximum(blood_hu - _WALL_HU, 60.0)[:, None, None]
    values = np.clip((values - _WALL_HU) / contrast, -1.0, 3.0)
    size = np.repeat(border[:, :, None], 1, axis=2)
    return np.concatenate([values, np.stack(extra, axis=2), size], axis=2).astype(np.float32)


def _wall(
    hu: Float[np.ndarray, "n a r"], radius: Float[np.ndarray, " r"], border: Float[np.ndarray, "n a"]
) -> Float[np.ndarray, "n a"]:
    """Plaque against the fat around it; towards muscle and other vessels nothing is seen."""
    beyond = radius[None, None, :] - border[:, :, None]
    fat = (hu < _FAT_BORDER_HU) & (beyond > 0.0)
    first = np.where(fat.any(axis=2), np.argmax(fat, axis=2), 0)
    thickness = radius[first] - border
    seen = fat.any(axis=2) & (thickness < _THICKEST_MM)
    mean = (thickness * seen).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    return circular_blur(np.where(seen, np.clip(thickness - mean, -1.0, 1.0), 0.0), along=2.0, about=1.0)


def _inside_of_curves(course: VesselCourse) -> Float[np.ndarray, "n 2"]:
    """How far a line that is smoothed like a stiff catheter lies from the vessel's middle, along u and v."""
    frame = course.frame
    step = float(frame.arc_mm[1] - frame.arc_mm[0])
    pad = min(len(frame.points_mm) - 1, int(4 * _STIFF_MM / step))
    head = 2.0 * frame.points_mm[0] - frame.points_mm[pad:0:-1]
    tail = 2.0 * frame.points_mm[-1] - frame.points_mm[-2 : -pad - 2 : -1]
    long = np.concatenate([head, frame.points_mm, tail])
    cut = gaussian_filter1d(long, _STIFF_MM / step, axis=0)[pad : pad + len(frame.points_mm)] - frame.points_mm
    offset = np.stack([np.sum(cut * frame.u, axis=1), np.sum(cut * frame.v, axis=1)], axis=1)
    size = np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-9)
    return offset * np.tanh(size / 0.6) * 0.6 / size


def _first_crossing(share: Float[np.ndarray, "n a r"], radius: Float[np.ndarray, " r"]) -> Float[np.ndarray, "n a"]:
    """Where the contrast first falls to half, between samples."""
    below = share < 0.5
    first = np.where(below.any(axis=2), np.argmax(below, axis=2), share.shape[2] - 1)
    first = np.maximum(first, 1)
    low = np.take_along_axis(share, first[:, :, None], axis=2)[:, :, 0]
    high = np.take_along_axis(share, first[:, :, None] - 1, axis=2)[:, :, 0]
    part = np.clip((high - 0.5) / np.maximum(high - low, 1e-3), 0.0, 1.0)
    return radius[first - 1] + part * (radius[1] - radius[0])


def _calcium(
    hu: Float[np.ndarray, "n a r"], blood: Float[np.ndarray, "n 1 1"], radius: Float[np.ndarray, " r"], raw: np.ndarray
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n a"]]:
    """Evidence by angle, and the radius where it begins."""
    near = radius[None, None, :] < np.minimum(raw, 2.5)[:, :, None] + 1.2
    excess = np.where(near, hu - blood - _CALCIUM_HU, -1.0)
    peak = excess.max(axis=2)
    evidence = np.clip(peak / (_CALCIUM_FULL_HU - _CALCIUM_HU), 0.0, 1.0)
    begins = np.where((excess > 0).any(axis=2), np.argmax(excess > 0, axis=2), hu.shape[2] - 1)
    return evidence, np.maximum(radius[begins] - 0.15, 0.5)
