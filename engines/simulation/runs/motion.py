"""The patient's motion during a run, as one state per frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.pose import RigidPose
from engines.simulation.anatomies.anatomy import HeartFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """The patient at one frame.

    Args:
        isocentre_from_lps: pose of the whole patient (head motion, table).
        contraction: 0 at end-diastole, 1 at end-systole.
        breath_mm: displacement of heart and diaphragm, LPS.
    """

    isocentre_from_lps: RigidPose
    contraction: float
    breath_mm: Float[np.ndarray, " 3"]

    @property
    def end_diastolic(self) -> bool:
        return self.contraction == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The size of a heart's motion.

    Args:
        frames_per_beat: a whole number, so that end-diastole falls on frames.
        shorten: fraction by which the long axis shortens at end-systole.
        squeeze: fraction by which the radius shrinks.
        twist_rad: rotation of the apex.
        breath_mm: amplitude of breathing, mostly towards the feet.
        breath_period_s: period of breathing.
    """

    frames_per_beat: int
    shorten: float
    squeeze: float
    twist_rad: float
    breath_mm: float
    breath_period_s: float


def contraction(frame: int, frames_per_beat: int) -> float:
    """Contraction in a frame: systole in the first 35 %, relaxation to 55 %, then exactly 0 until the next beat."""
    phase = (frame % frames_per_beat) / frames_per_beat
    if phase < 0.35:
        return float(np.sin(0.5 * np.pi * phase / 0.35) ** 2)
    if phase < 0.55:
        return float(np.cos(0.5 * np.pi * (phase - 0.35) / 0.2) ** 2)
    return 0.0


def breath_offset_mm(at_s: float, beat: Beat, phase: float) -> Float[np.ndarray, " 3"]:
    """Displacement by breathing: heart and diaphragm move down and slightly forward in inspiration."""
    depth = beat.breath_mm * 0.5 * (1.0 - np.cos(2 * np.pi * (at_s / beat.breath_period_s + phase)))
    return depth * np.array([0.05, -0.25, -1.0])


def deform_heart(
    points_mm: Float[np.ndarray, "n 3"], heart: HeartFrame, beat: Beat, moment: Moment
) -> Float[np.ndarray, "n 3"]:
    """Move end-diastolic points of the heart (LPS) to the moment of a frame."""
    amount = moment.contraction
    if amount == 0.0:
        return points_mm + moment.breath_mm
    local = (points_mm - heart.base_mm) @ heart.axes.T
    along = local[:, 2] / heart.length_mm  # 0 at the base, 1 at the apex
    turn = beat.twist_rad * amount * np.clip(along, 0.0, 1.2)
    shrink = 1.0 - beat.squeeze * amount * np.clip(0.3 + along, 0.0, 1.0)
    cos, sin = np.cos(turn) * shrink, np.sin(turn) * shrink
    u = cos * local[:, 0] - sin * local[:, 1]
    v = sin * local[:, 0] + cos * local[:, 1]
    # The apex stays nearly in place and the base moves towards it.
    w = local[:, 2] + beat.shorten * amount * heart.length_mm * np.clip(1.0 - along, 0.0, 1.2)
    return np.column_stack([u, v, w]) @ heart.axes + heart.base_mm + moment.breath_mm


def best_rigid_motion(
    moved_mm: Float[np.ndarray, "n 3"], rest_mm: Float[np.ndarray, "n 3"], *, frame: str = "lps"
) -> RigidPose:
    """The rigid motion nearest to a deformation from rest (least squares, Kabsch)."""
    centre_moved, centre_rest = moved_mm.mean(axis=0), rest_mm.mean(axis=0)
    u, _, vt = np.linalg.svd((moved_mm - centre_moved).T @ (rest_mm - centre_rest))
    matrix = np.eye(4)
    matrix[:3, :3] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    matrix[:3, 3] = centre_moved - matrix[:3, :3] @ centre_rest
    return RigidPose(matrix=matrix, target=frame, source=frame)
