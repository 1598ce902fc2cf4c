"""AHA segments of a short-axis stack alone: levels by order from the base, angles from RV insertions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from engines.cmr.perfusion.segments import PixelPlaces
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion
from engines.cmr.wall.slice_insertions import insertion_angles

_USUAL_AXIS = np.array([-0.62, 0.60, 0.50])  # apex to base, LPS, patient on the back
_USUAL_RIGHT = np.array([-0.64, -0.76, 0.10])  # towards the septum
_USUAL_HALF_SEPTUM_RAD = np.deg2rad(60.0)


def places_in_stack(slices: Sequence[SlicePerfusion]) -> tuple[list[PixelPlaces], bool]:
    """Places of every slice's interior pixels, and whether any slice told where the right ventricle is."""
    axis = _stack_axis(slices)
    middles = [_lps(part, part.wall.centre_px[None])[0] for part in slices]
    order = np.argsort([-float(middle @ axis) for middle in middles])
    level = np.empty(len(slices))
    level[order] = 1.0 - (np.arange(len(slices)) + 0.5) / len(slices)
    septa = [_septum(part, middle, axis) for part, middle in zip(slices, middles, strict=True)]
    known = [septum for septum in septa if septum is not None]
    found = []
    for index, part in enumerate(slices):
        septum = septa[index]
        if septum is None:  # below the right ventricle: as in the nearest slice that sees it
            near = [k for k in np.argsort(np.abs(level - level[index])) if septa[k] is not None]
            septum = septa[near[0]] if near else None
        right, half = septum if septum is not None else (_across(_USUAL_RIGHT, axis), float(_USUAL_HALF_SEPTUM_RAD))
        offset = _lps(part, np.argwhere(part.interior)) - middles[index]
        angle = np.arctan2(offset @ np.cross(axis, right), offset @ right)
        found.append(
            PixelPlaces(
                level=np.full(len(angle), level[index]), half_slab=0.0, degrees=np.rad2deg(half - angle) % 360.0
            )
        )
    return found, bool(known)


def _stack_axis(slices: Sequence[SlicePerfusion]) -> Float[np.ndarray, " 3"]:
    """Normal of the stack, from apex to base as patients have it."""
    normals = [part.part.normal * np.sign(part.part.normal @ _USUAL_AXIS) for part in slices]
    axis = np.mean(normals, axis=0)
    return axis / np.linalg.norm(axis)


def _septum(part: SlicePerfusion, middle: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Direction of the mid-septum and half of the angle between the insertions."""
    ends = insertion_angles(part.wall, part.part.pixel_mm)
    if ends is None:
        return None
    half = 0.5 * (ends[1] - ends[0])
    at = 0.5 * (ends[0] + ends[1])
    step = np.array([np.cos(at), np.sin(at)]) / part.part.pixel_mm
    towards = _lps(part, (part.wall.centre_px + step)[None])[0] - middle
    return _across(towards, axis), float(half)


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    rest = vector - (vector @ axis) * axis
    return rest / np.linalg.norm(rest)


def _lps(part: SlicePerfusion, pixels: np.ndarray) -> Float[np.ndarray, "n 3"]:
    m = part.part.lps_from_index
    return pixels[:, :1] * m[:3, 0] + pixels[:, 1:2] * m[:3, 1] + m[:3, 3]
