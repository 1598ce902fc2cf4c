"""A pullback that was not gated: the heart throws the artery about the catheter while it is drawn back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from engines.simulation.ivus.case import draw_patient
from engines.simulation.ivus.catheter import PULLBACK_MM_PER_S, draw_pullback
from engines.simulation.ivus.physics import draw_physics, split_generator
from engines.simulation.ivus.tissue import EchoTissue
from engines.simulation.ivus.ultrasound import draw_guidewires, paint_frames, true_shapes

FRAMES_PER_S = 16.0  # seed 000
_SYSTOLE, _SYSTOLE_WIDTH = 0.35, 0.09  # of the beat
_ALONG_MM, _ACROSS_MM = (0.8, 2.0), (0.1, 0.35)  # what the heart moves in systole


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UngatedRun:
    """Args:
    z_mm: nominal positions.
    quiet_s: middle of the quiet phase of each beat, in the run.
    beats_per_minute: of the median beat.
    """

    frames: UInt8[np.ndarray, "f rows columns"]
    z_mm: Float[np.ndarray, " f"]
    quiet_s: Float[np.ndarray, " b"]
    period_s: Float[np.ndarray, " b"]


def draw_ungated(split: str, seed: int, *, length_mm: float = 20.0) -> UngatedRun:
    """Frames evenly timed over the beginning of a case's pullback.

    Raises:
        InputError: no such split, or a seed below zero.
    """
    rng = split_generator(split, seed)
    physics = draw_physics(rng, split)
    _, vessel = draw_patient(rng)
    pull = draw_pullback(rng, vessel, physics)
    seconds = min(length_mm, 0.9 * float(pull.nominal_mm[-1])) / PULLBACK_MM_PER_S
    time_s = np.arange(round(seconds * FRAMES_PER_S)) / FRAMES_PER_S
    periods = rng.normal(physics.rr_s, physics.rr_spread * physics.rr_s, int(3 * seconds / physics.rr_s)).clip(0.4, 1.6)
    beats_s = np.cumsum(periods) - periods[0] - rng.uniform(0, 1) * periods[0]
    number = np.searchsorted(beats_s, time_s, side="right") - 1
    phase = (time_s - beats_s[number]) / (beats_s[number + 1] - beats_s[number])
    thrown = np.exp(-(((phase - _SYSTOLE) / _SYSTOLE_WIDTH) ** 2))
    nominal = PULLBACK_MM_PER_S * time_s

    def at(values: np.ndarray) -> np.ndarray:
        return np.column_stack([np.interp(nominal, pull.nominal_mm, values[:, k]) for k in range(values.shape[1])])

    points, u, v = at(pull.points_mm), at(pull.u), at(pull.v)
    outwards = np.cross(u, v) * (pull.handedness * (-1.0 if pull.distal_to_proximal else 1.0))
    along = rng.uniform(*_ALONG_MM) * thrown
    across = rng.uniform(*_ACROSS_MM) * thrown
    turn = rng.uniform(0, 2 * np.pi)
    points += along[:, None] * outwards + across[:, None] * (np.cos(turn) * u + np.sin(turn) * v)
    arc = np.interp(nominal, pull.nominal_mm, pull.arc_mm) + along
    shapes = true_shapes(vessel, replace(pull, nominal_mm=nominal, arc_mm=arc, points_mm=points, u=u, v=v))
    frames = paint_frames(rng, shapes, physics, EchoTissue(), draw_guidewires(rng, len(time_s)))
    quiet_s = beats_s[:-1] + (_SYSTOLE + 0.5) * np.diff(beats_s)
    seen = (quiet_s > 0.0) & (quiet_s < time_s[-1])
    return UngatedRun(frames=frames, z_mm=nominal, quiet_s=quiet_s[seen], period_s=np.diff(beats_s)[seen])
