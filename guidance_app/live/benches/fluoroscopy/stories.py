"""What happens to the patient during fluoroscopy, frame by frame: every simulated patient is told each story."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.pose import RigidPose

CONTRAST_S = 2.0  # of a well filled tree, with which every story begins
_BEFORE_S = 2.0  # still, without contrast
_AFTER_S = 3.0
_HEAD_RAMP_S, _TABLE_RAMP_S = 0.4, 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instant:
    """One frame of fluoroscopy.

    Args:
        turn_rad: rotation vector of the patient about the model's middle, in isocentre axes.
        shift_mm: of that middle, in isocentre axes.
        wire: how far a wire has come through the picture, 0 to 1; None without one.
        table_mm: what the header says of the table; None if it says nothing.
    """

    turn_rad: Float[np.ndarray, " 3"]
    shift_mm: Float[np.ndarray, " 3"]
    wire: float | None = None
    table_mm: tuple[float, float, float] | None = None

    def moved(self, pose: RigidPose, pivot_lps_mm: Float[np.ndarray, " 3"]) -> RigidPose:
        """`isocentre_from_lps` of the moved patient."""
        if not (self.turn_rad.any() or self.shift_mm.any()):
            return pose
        pivot = pose.apply(pivot_lps_mm[None])[0]
        turn = RigidPose.from_rotation_vector(self.turn_rad, np.zeros(3), target="isocentre", source="isocentre")
        shift = pivot + self.shift_mm - turn.apply(pivot[None])[0]
        return RigidPose.from_rotation_vector(self.turn_rad, shift, target="isocentre", source="isocentre") @ pose


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Story:
    """One run of fluoroscopy. `moves_at_s` counts from its first frame; None where nothing moves to be noticed."""

    name: str
    instants: tuple[Instant, ...]
    moves_at_s: float | None = None
    tagged: bool = False


def stories(rng: np.random.Generator, *, fps: float, seconds: float, across: Float[np.ndarray, "2 3"]) -> list[Story]:
    """A long one in which little moves, then heads that turn and tables that run off.

    Args:
        seconds: of the long one.
        across: the two directions across the beam, in isocentre axes; the table moves in their plane.
    """
    told = [_long(rng, fps, seconds)]
    for turn_deg, shift_mm in ((1.0, 2.0), (2.0, 4.0), (3.0, 7.0), (4.0, 10.0), (6.0, 15.0)):
        axis, way = _direction(rng), _direction(rng)
        end = Instant(turn_rad=math.radians(turn_deg) * axis, shift_mm=shift_mm * way)
        told.append(_move(f"head {turn_deg:g} degrees, {shift_mm:g} mm", end, fps, _HEAD_RAMP_S))
    told += table_moves(rng, fps=fps, across=across)
    return told


def table_moves(rng: np.random.Generator, *, fps: float, across: Float[np.ndarray, "2 3"]) -> list[Story]:
    """Tables that run off by 5 to 100 mm, and one that says so; `across` as in `stories`."""
    told = []
    for shift_mm in (5.0, 15.0, 40.0, 100.0):
        angle = rng.uniform(0.0, 2.0 * math.pi)
        way = shift_mm * (math.cos(angle) * across[0] + math.sin(angle) * across[1])
        end = Instant(turn_rad=np.zeros(3), shift_mm=way)
        told.append(_move(f"table {shift_mm:g} mm, not stated", end, fps, _TABLE_RAMP_S))
        if shift_mm == 15.0:
            told.append(_move(f"table {shift_mm:g} mm, stated", end, fps, _TABLE_RAMP_S, tagged=True))
    return told


def _long(rng: np.random.Generator, fps: float, seconds: float) -> Story:
    """The first half lies still; in the second the patient moves a little every five seconds. Two wires pass."""
    count = round(seconds * fps)
    poses = [(np.zeros(3), np.zeros(3))]
    while len(poses) <= seconds / 10.0 + 1.0:
        turn = np.deg2rad(rng.uniform(0.0, 1.0)) * _direction(rng)
        poses.append((turn, rng.uniform(0.0, 2.0) * _direction(rng)))
    instants = []
    for number in range(count):
        at_s = number / fps
        turn, shift = poses[max(0, int((at_s - seconds / 2.0) / 5.0) + 1) if at_s >= seconds / 2.0 else 0]
        wire = (at_s % (seconds / 2.0)) / (seconds / 8.0) - 1.0
        instants.append(Instant(turn_rad=turn, shift_mm=shift, wire=wire if 0.0 <= wire <= 1.0 else None))
    return Story(name=f"{seconds:g} s, wires and small moves", instants=tuple(instants))


def _move(name: str, end: Instant, fps: float, ramp_s: float, *, tagged: bool = False) -> Story:
    instants = []
    for number in range(round((_BEFORE_S + ramp_s + _AFTER_S) * fps)):
        share = float(np.clip((number / fps - _BEFORE_S) / ramp_s, 0.0, 1.0))
        # (lateral, longitudinal, vertical): by the standard towards head, left and the floor.
        table = (float(share * end.shift_mm[2]), float(share * end.shift_mm[0]), float(share * end.shift_mm[1]))
        instants.append(
            Instant(turn_rad=share * end.turn_rad, shift_mm=share * end.shift_mm, table_mm=table if tagged else None)
        )
    return Story(name=name, instants=tuple(instants), moves_at_s=_BEFORE_S, tagged=tagged)


def _direction(rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    way = rng.normal(size=3)
    return way / np.linalg.norm(way)


def longest_s(bad: Sequence[bool], fps: float) -> float:
    """The longest stretch of True, in seconds."""
    longest = run = 0
    for each in bad:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return longest / fps
