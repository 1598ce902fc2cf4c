"""Where the CMR stack lies in the CT: one rigid move, then a small shift of each breath-hold.

Both patients lie on their back, so the axes agree within fifteen degrees and the start is no turn at all. What is
fitted are the borders of the wall in the slices against the CT's in the heart's own frame, with the cavity and the
whole ventricle free to be smaller or larger as the phase of the heart has it, and the RV insertions, which alone tell
the roll.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from engines.cmr.heart.radial_model import LEVELS, RadialModel
from engines.cmr.series import PerfusionSlice
from engines.cmr.wall.slice_insertions import insertion_angles
from engines.cmr.wall.slice_wall import SliceWall, angles_rad

_OUTER_SD_MM, _INNER_SD_MM = 1.5, 2.0
_TURN_SD_RAD = np.deg2rad(6.0)
_TILT_SD_RAD = np.deg2rad(6.0)  # of a planned slice against the long axis
_SHIFT_SD_MM = 2.0
_INSERTION_SD_RAD = np.deg2rad(7.0)
_INNER_SCALE_SD, _OUTER_SCALE_SD, _LENGTH_SD = 0.09, 0.05, 0.035
_INNER_SCALE, _OUTER_SCALE, _LENGTH_SCALE = 0.92, 0.98, 0.97  # stress CMR against diastolic CT
_STARTS = (-14.0, -7.0, 0.0, 7.0, 14.0)
_MIDDLE_LEVEL = 0.53  # of a basal, mid and apical stack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StackPlace:
    """Where the slices lie in the CT.

    Args:
        ct_from_cmr: 4x4, the one rigid move.
        slice_shift_mm: (slices, 3) LPS of the CT, added to each slice after the move.
        length_scale: length of the CMR's ventricle over the CT's.
        cost: of the fit, per residual; higher is worse.
        turn_deg: of the rigid move.
        level_sd: uncertainty of the slices' level, as share of the LV length.
    """

    ct_from_cmr: Float[np.ndarray, "4 4"]
    slice_shift_mm: Float[np.ndarray, "slices 3"]
    length_scale: float
    cost: float
    turn_deg: float
    level_sd: float

    def of_slice(self, index: int) -> Float[np.ndarray, "4 4"]:
        """The move of one slice, its breath-hold included."""
        moved = self.ct_from_cmr.copy()
        moved[:3, 3] += self.slice_shift_mm[index]
        return moved


def place_stack(model: RadialModel, slices: tuple[PerfusionSlice, ...], walls: tuple[SliceWall, ...]) -> StackPlace:
    """Fit the move; several starts along the axis, the best kept."""
    fit = _Fit(model, slices, walls)
    found = []
    for along in _STARTS:
        start = fit.start(along)
        result = least_squares(fit.residuals, start, x_scale=fit.scale, loss="soft_l1", f_scale=1.5, max_nfev=40)
        found.append(result)
    best = min(found, key=lambda result: result.cost)
    rotation, translation, shifts, scales = fit.split(best.x)
    moved = np.eye(4)
    moved[:3, :3] = rotation
    moved[:3, 3] = translation
    covariance = np.linalg.pinv(best.jac.T @ best.jac)
    along_sd = float(np.sqrt(max(model.frame.axis @ covariance[3:6, 3:6] @ model.frame.axis, 0.0)))
    return StackPlace(
        ct_from_cmr=moved,
        slice_shift_mm=shifts,
        length_scale=float(scales[2]),
        cost=float(2 * best.cost / len(best.fun)),
        turn_deg=float(np.rad2deg(np.linalg.norm(best.x[:3]))),
        level_sd=along_sd / model.frame.length_mm,
    )


def contour_points(part: PerfusionSlice, wall: SliceWall, radius_mm: np.ndarray) -> Float[np.ndarray, "72 3"]:
    """LPS of the CMR of a border given as distances from the wall's centre."""
    angle = angles_rad()
    c = wall.centre_px[0] + radius_mm * np.cos(angle) / part.pixel_mm[0]
    r = wall.centre_px[1] + radius_mm * np.sin(angle) / part.pixel_mm[1]
    m = part.lps_from_index
    return c[:, None] * m[:3, 0] + r[:, None] * m[:3, 1] + m[:3, 3]


class _Fit:
    """Residuals of a move: turn (3), shift of the middle (3), shift of each slice (2 each), scales (3)."""

    def __init__(self, model: RadialModel, slices: tuple[PerfusionSlice, ...], walls: tuple[SliceWall, ...]) -> None:
        self.model = model
        self.slices = slices
        pairs = list(zip(slices, walls, strict=True))
        self.inner = np.stack([contour_points(part, wall, wall.inner_mm)[::3] for part, wall in pairs])
        self.outer = np.stack([contour_points(part, wall, wall.outer_mm)[::3] for part, wall in pairs])
        self.middle = self.outer.mean(axis=(0, 1))
        frame = model.frame
        # Planned across the long axis: the stack's normal says where the axis is, within a few degrees.
        normal = np.mean([part.normal * np.sign(part.normal @ frame.axis) for part in slices], axis=0)
        self.normal = normal / np.linalg.norm(normal)
        self.in_plane = _plane_axes(self.normal)
        self.count = len(slices)
        self.scale = np.concatenate([np.full(3, 0.05), np.full(3, 3.0), np.full(2 * self.count, 1.5), np.full(3, 0.05)])
        self.ends = [_insertion_points(part, wall, insertion_angles(wall, part.pixel_mm)) for part, wall in pairs]
        rows = np.isfinite(model.insertions).all(axis=1)
        self.table = (LEVELS[rows], model.insertions[rows]) if rows.sum() > 3 else None

    def start(self, along_mm: float) -> np.ndarray:
        frame = self.model.frame
        target = frame.apex_mm + (_MIDDLE_LEVEL * frame.length_mm + along_mm) * frame.axis
        return np.concatenate(
            [np.zeros(3), target - self.middle, np.zeros(2 * self.count), [_INNER_SCALE, _OUTER_SCALE, _LENGTH_SCALE]]
        )

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rotation = Rotation.from_rotvec(x[:3]).as_matrix()
        translation = self.middle + x[3:6] - rotation @ self.middle
        shifts = x[6 : 6 + 2 * self.count].reshape(-1, 2) @ self.in_plane @ rotation.T
        return rotation, translation, shifts, x[-3:]

    def residuals(self, x: np.ndarray) -> np.ndarray:
        rotation, translation, shifts, (inner_scale, outer_scale, length_scale) = self.split(x)
        model, frame = self.model, self.model.frame

        def local(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            moved = points @ rotation.T + translation + shifts.reshape(-1, *(1,) * (points.ndim - 2), 3)
            level, radius, angle = frame.local(moved)
            # A shorter ventricle: its middle stays, its ends come nearer.
            return 0.5 + (level - 0.5) / length_scale, radius, angle

        level, radius, angle = local(self.outer)
        outer = (radius - outer_scale * model.outer(level, angle)) / _OUTER_SD_MM
        beyond = 30.0 * (np.clip(level - 1.02, 0, None) + np.clip(0.04 - level, 0, None))
        level, radius, angle = local(self.inner)
        inner = (radius - inner_scale * model.inner(level, angle)) / _INNER_SD_MM
        per = np.sqrt(6.0 / self.outer.shape[1])  # neighbouring angles are not independent
        parts = [
            per * outer.ravel(),
            per * inner.ravel(),
            per * beyond.ravel(),
            x[:3] / _TURN_SD_RAD,
            x[6 : 6 + 2 * self.count] / _SHIFT_SD_MM,
            [
                (inner_scale - _INNER_SCALE) / _INNER_SCALE_SD,
                (outer_scale - _OUTER_SCALE) / _OUTER_SCALE_SD,
                (length_scale - _LENGTH_SCALE) / _LENGTH_SD,
            ],
            (rotation @ self.normal - frame.axis) / _TILT_SD_RAD,
            *self._insertions(local),
        ]
        return np.concatenate([np.ravel(part) for part in parts])

    def _insertions(self, local) -> list[np.ndarray]:
        if self.table is None:
            return []
        levels, ends = self.table
        left: list[np.ndarray] = []
        for index, points in enumerate(self.ends):
            if points is None:
                continue
            padded = np.broadcast_to(points, (self.count, 2, 3))
            level, _, angle = (value[index] for value in local(padded))
            expected = np.stack([np.interp(level.mean(), levels, ends[:, k]) for k in (0, 1)])
            # Which end is the anterior one follows from the side that it lies on.
            order = np.argsort(np.sin(angle - expected.mean()))[::-1]
            turn = np.angle(np.exp(1j * (angle[order] - expected)))
            middle, width = turn.mean(), turn[0] - turn[1]
            left.append(np.array([middle * 1.4, 0.5 * width]) / _INSERTION_SD_RAD)
        return left


def _insertion_points(part: PerfusionSlice, wall: SliceWall, ends: tuple[float, float] | None) -> np.ndarray | None:
    if ends is None:
        return None
    angle = np.array(ends)
    at = angle % (2 * np.pi) / (2 * np.pi) * len(wall.outer_mm)
    radius = np.interp(at, np.arange(len(wall.outer_mm) + 1), np.append(wall.outer_mm, wall.outer_mm[0]))
    c = wall.centre_px[0] + radius * np.cos(angle) / part.pixel_mm[0]
    r = wall.centre_px[1] + radius * np.sin(angle) / part.pixel_mm[1]
    m = part.lps_from_index
    return c[:, None] * m[:3, 0] + r[:, None] * m[:3, 1] + m[:3, 3]


def _plane_axes(normal: np.ndarray) -> Float[np.ndarray, "2 3"]:
    first = np.cross(normal, [1.0, 0.0, 0.0] if abs(normal[0]) < 0.8 else [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)])
