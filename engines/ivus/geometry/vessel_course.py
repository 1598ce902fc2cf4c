"""The vessel's true middle in the CT, and where it goes beyond the ends of a centerline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d, percentile_filter

from engines.anatomy.centerlines.moving_frame import MovingFrame, moving_frame
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.geometry.straightened import sample_ct, square_sections

STEP_MM = 0.3
_LOOK_MM = 2.1  # half width of the window that is recentred in
_WEIGHT_MM = 1.2
_WALL_HU = 50.0
_EVEN_MM = 2.5
_FOLLOW_STEP_MM = 0.6
_CONE_RAD = 0.45
_WIDE_MM = 4.0  # beyond this radius it is the aorta or a chamber
_NARROW_STEPS = 5  # 3 mm: a narrowing that the scanner does not resolve
_FAINT_SHARE = 0.45  # of the contrast: below, the vessel is lost
_DARKEST_BLOOD_HU = 120.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VesselCourse:
    """The vessel from the ostial end outwards.

    Args:
        frame: arc length 0 at the given centerline's ostial end; negative where the vessel was followed beyond it.
        given_mm: length of the given centerline.
        blood_hu: level of undiluted contrast along it.
        left_mm: where the given centerline turns into a side branch that this course does not follow; None where it
            follows all of it. Behind it places are measured along the vessel that goes on, and `given_mm` is this one.
    """

    frame: MovingFrame
    given_mm: float
    blood_hu: Float[np.ndarray, " n"]
    left_mm: float | None = None


def vessel_course(ct: CtVolume, points_mm: Float[np.ndarray, "n 3"], *, beyond_mm: float = 35.0) -> VesselCourse:
    """Recentre a centerline and follow the vessel beyond both ends as far as it is seen."""
    frame = moving_frame(points_mm, step_mm=STEP_MM, smooth_mm=1.0)
    for _ in range(2):
        frame = moving_frame(frame.points_mm + recentring(ct, frame), step_mm=STEP_MM, smooth_mm=0.8)
    given = frame.length_mm
    blood = blood_level(ct, frame)
    head = followed(ct, frame.points_mm[0], -_end_direction(frame, first=True), float(blood[0]), beyond_mm)
    tail = followed(ct, frame.points_mm[-1], _end_direction(frame, first=False), float(blood[-1]), beyond_mm)
    points = np.concatenate([head[::-1], frame.points_mm, tail])
    before = float(np.linalg.norm(np.diff(np.concatenate([frame.points_mm[:1], head]), axis=0), axis=1).sum())
    whole = moving_frame(points, step_mm=STEP_MM, smooth_mm=0.6, first_arc_mm=-before)
    return VesselCourse(frame=whole, given_mm=given, blood_hu=blood_level(ct, whole))


def blood_level(ct: CtVolume, frame: MovingFrame) -> Float[np.ndarray, " n"]:
    """HU of the lumen's middle, evened: calcium that lies on the line does not lift it."""
    ring = [0.25 * (np.cos(a) * frame.u + np.sin(a) * frame.v) for a in np.arange(6) * np.pi / 3]
    middle = np.median(np.stack([sample_ct(ct, frame.points_mm + offset) for offset in [0.0 * frame.u, *ring]]), axis=0)
    window = max(3, round(20.0 / STEP_MM))
    level = percentile_filter(middle, 60, size=window, mode="nearest")
    return np.maximum(gaussian_filter1d(level.astype(np.float64), window / 4, mode="nearest"), _DARKEST_BLOOD_HU)


def recentring(ct: CtVolume, frame: MovingFrame) -> Float[np.ndarray, "n 3"]:
    """From each point to the middle of the contrast about it, evened along the line."""
    offsets = np.arange(-_LOOK_MM, _LOOK_MM + 1e-6, 0.3)
    hu = square_sections(ct, frame.points_mm, frame.u, frame.v, columns_mm=offsets, rows_mm=offsets)
    blood = blood_level(ct, frame)[:, None, None]
    middle = 0.5 * (blood + _WALL_HU)
    # Calcium counts no more than blood, or it would pull the middle to the wall.
    weight = np.clip((hu - middle) / np.maximum(blood - middle, 1.0), 0.0, 1.0)
    weight = np.where(hu > 1.6 * blood + 100.0, 0.0, weight)
    rows, columns = offsets[:, None], offsets[None, :]
    weight = weight * np.exp(-0.5 * (rows**2 + columns**2) / _WEIGHT_MM**2)
    total = weight.sum(axis=(1, 2))
    seen = total > 1.0
    shift_u = np.where(seen, (weight * columns).sum(axis=(1, 2)) / np.maximum(total, 1e-6), 0.0)
    shift_v = np.where(seen, (weight * rows).sum(axis=(1, 2)) / np.maximum(total, 1e-6), 0.0)
    sigma = _EVEN_MM / STEP_MM / 2
    shift_u, shift_v = (gaussian_filter1d(shift, sigma, mode="nearest") for shift in (shift_u, shift_v))
    return shift_u[:, None] * frame.u + shift_v[:, None] * frame.v


def _end_direction(frame: MovingFrame, *, first: bool) -> Float[np.ndarray, " 3"]:
    count = min(len(frame.points_mm) - 1, round(4.0 / STEP_MM))
    way = frame.points_mm[count] - frame.points_mm[0] if first else frame.points_mm[-1] - frame.points_mm[-1 - count]
    return way / max(float(np.linalg.norm(way)), 1e-9)


def followed(
    ct: CtVolume, start: Float[np.ndarray, " 3"], heading: Float[np.ndarray, " 3"], blood_hu: float, limit_mm: float
) -> Float[np.ndarray, "m 3"]:
    """Steps along the brightest way within a cone, until the contrast fades or a wide space opens.

    Where it comes back within a few millimetres, the vessel was narrow there, and is followed on.
    """
    points: list[np.ndarray] = []
    here = start
    seen = 0  # points up to the last one with contrast
    faint = _WALL_HU + _FAINT_SHARE * (blood_hu - _WALL_HU)
    tilts = [(0.0, 0.0), *((tilt, turn) for tilt in (0.5, 1.0) for turn in np.arange(8) * np.pi / 4)]
    for _ in range(int(limit_mm / _FOLLOW_STEP_MM)):
        side = np.cross(heading, np.eye(3)[np.argmin(np.abs(heading))])
        side /= np.linalg.norm(side)
        up = np.cross(heading, side)
        ways = []
        for tilt, turn in tilts:
            lean = np.tan(tilt * _CONE_RAD) * (np.cos(turn) * side + np.sin(turn) * up)
            ways.append((heading + lean) / np.linalg.norm(heading + lean))
        ahead = np.arange(1, 5) * _FOLLOW_STEP_MM
        hu = sample_ct(ct, here + np.stack(ways)[:, None, :] * ahead[None, :, None])
        # A straight way is preferred, or noise would make the path wander.
        score = np.minimum(hu, 1.1 * blood_hu).mean(axis=1) - 25.0 * np.array([tilt for tilt, _ in tilts])
        best = ways[int(np.argmax(score))]
        heading = 0.6 * heading + 0.4 * best
        heading /= np.linalg.norm(heading)
        here = here + _FOLLOW_STEP_MM * heading
        shift, level, wide = _section(ct, here, heading, blood_hu)
        here = here + 0.5 * shift
        if wide or len(points) - seen >= _NARROW_STEPS:
            break
        points.append(here)
        if level >= faint:
            seen = len(points)
    return np.array(points[:seen]).reshape(-1, 3)


def _section(ct: CtVolume, here: np.ndarray, heading: np.ndarray, blood_hu: float) -> tuple[np.ndarray, float, bool]:
    side = np.cross(heading, np.eye(3)[np.argmin(np.abs(heading))])
    side /= np.linalg.norm(side)
    up = np.cross(heading, side)
    offsets = np.arange(-1.5, 1.51, 0.3)
    hu = square_sections(ct, here[None], side[None], up[None], columns_mm=offsets, rows_mm=offsets)[0]
    middle = 0.5 * (blood_hu + _WALL_HU)
    weight = np.clip((hu - middle) / max(blood_hu - middle, 1.0), 0.0, 1.0)
    total = float(weight.sum())
    shift = np.zeros(3)
    if total > 1.0:
        shift = (weight * offsets).sum() / total * side + (weight * offsets[:, None]).sum() / total * up
    turn = np.arange(12) * np.pi / 6
    rim = sample_ct(ct, here + _WIDE_MM * (np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * up))
    wide = float((rim > middle).mean()) > 0.6
    return shift, float(np.median(hu[4:7, 4:7])), wide
