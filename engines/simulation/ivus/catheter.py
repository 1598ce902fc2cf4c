"""The way of the ultrasound catheter through the artery, frame by frame, as it truly was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from engines.anatomy.centerlines.moving_frame import double_reflection
from engines.simulation.ivus.physics import Physics, smooth_noise
from engines.simulation.ivus.vessel import STEP_MM, Vessel

PULLBACK_MM_PER_S = 0.5
_CATHETER_RADIUS_MM = 0.55


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TruePullback:
    """Where every stored frame was taken, in stored order.

    Args:
        nominal_mm: positions as the pullback device states them, from 0.
        arc_mm: along the artery, from its ostium.
        points_mm, u, v: the catheter, and the directions of growing columns and rows.
        distal_to_proximal: the order of the stored frames.
        handedness: +1 where u x v points from the first stored frame to the last.
    """

    nominal_mm: Float[np.ndarray, " f"]
    arc_mm: Float[np.ndarray, " f"]
    points_mm: Float[np.ndarray, "f 3"]
    u: Float[np.ndarray, "f 3"]
    v: Float[np.ndarray, "f 3"]
    distal_to_proximal: bool
    handedness: int


def draw_pullback(rng: np.random.Generator, vessel: Vessel, physics: Physics) -> TruePullback:
    frame = vessel.frame
    length = min(rng.uniform(32.0, 80.0), frame.length_mm - 10.0)
    start = rng.uniform(1.5, max(frame.length_mm - length - 6.0, 2.0))
    beats = rng.normal(physics.rr_s, physics.rr_spread * physics.rr_s, 600).clip(0.4, 1.6)
    nominal = np.concatenate([[0.0], np.cumsum(beats * PULLBACK_MM_PER_S)])
    nominal = nominal[nominal * physics.scale < length]
    # Friction makes the catheter lag and catch up: a slow wander beside the constant scale.
    lag = 0.4 * smooth_noise(rng, len(nominal), 0.43, 8.0) + physics.heart_motion_mm * rng.standard_normal(len(nominal))
    along = np.maximum.accumulate(physics.scale * nominal + lag - lag[0])
    along += np.arange(len(along)) * 1e-4
    distal_to_proximal = bool(rng.random() < 0.7)
    # Measured from the end where the pullback began.
    arc = start + (along[-1] - along if distal_to_proximal else along)
    path, axes = _catheter_path(rng, vessel)
    at = [np.interp(arc, frame.arc_mm, path[:, k]) for k in range(3)]
    points = np.column_stack(at)
    tangent, u0 = (np.column_stack([np.interp(arc, frame.arc_mm, a[:, k]) for k in range(3)]) for a in axes)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    u0 -= np.sum(u0 * tangent, axis=1, keepdims=True) * tangent
    u0 /= np.linalg.norm(u0, axis=1, keepdims=True)
    v0 = np.cross(tangent, u0)
    walk = np.cumsum(rng.standard_normal(len(arc)))
    walk = gaussian_filter1d(walk, 4.0)
    drift = np.deg2rad(physics.drift_deg) * (walk - walk.mean()) / max(float(np.ptp(walk)) / 2, 1e-6)
    turn = rng.uniform(0, 2 * np.pi) + drift
    handedness = 1 if rng.random() < 0.6 else -1
    forwards = -tangent if distal_to_proximal else tangent
    u = np.cos(turn)[:, None] * u0 + np.sin(turn)[:, None] * v0
    v = np.cross(handedness * forwards, u)
    return TruePullback(
        nominal_mm=nominal, arc_mm=arc, points_mm=points, u=u, v=v,
        distal_to_proximal=distal_to_proximal, handedness=handedness,
    )  # fmt: skip


def _catheter_path(rng: np.random.Generator, vessel: Vessel) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Points of the catheter for each of the artery's, and the tangent and u axis of its own moving frame.

    A stiff catheter cuts curves: it lies towards their inside, and wanders.
    """
    frame = vessel.frame
    count = len(frame.arc_mm)
    bend = gaussian_filter1d(np.gradient(frame.tangent, STEP_MM, axis=0), 8, axis=0)  # points to the inside
    towards_u, towards_v = ((bend * axis).sum(axis=1) for axis in (frame.u, frame.v))
    room = np.maximum(vessel.lumen_mm.min(axis=1) - _CATHETER_RADIUS_MM - 0.05, 0.0)
    room = gaussian_filter1d(room, 6)
    offset = np.column_stack([towards_u, towards_v]) * rng.uniform(8.0, 20.0)
    offset += 0.4 * np.column_stack([smooth_noise(rng, count, STEP_MM, 8.0) for _ in range(2)])
    size = np.maximum(np.linalg.norm(offset, axis=1), 1e-9)
    offset *= (np.tanh(size) * room / size)[:, None]
    offset = gaussian_filter1d(offset, 8, axis=0)
    points = frame.points_mm + offset[:, :1] * frame.u + offset[:, 1:] * frame.v
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return points, (tangent, double_reflection(points, tangent))
