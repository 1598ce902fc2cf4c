"""Space curves, and trees that are grown from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from engines.anatomy.vessel_model import Branch, CenterlineTree


def smooth_path(waypoints_mm: Float[np.ndarray, "w 3"], step_mm: float = 0.5) -> Float[np.ndarray, "n 3"]:
    """A natural spline through the waypoints (chord-length parameter), sampled about every `step_mm`."""
    waypoints = np.asarray(waypoints_mm, dtype=np.float64)
    chord_mm = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(waypoints, axis=0), axis=1))])
    spline = CubicSpline(chord_mm, waypoints, bc_type="natural" if len(waypoints) > 2 else "not-a-knot")
    count = max(4, int(np.ceil(1.1 * chord_mm[-1] / step_mm)))
    return even_steps(spline(np.linspace(0.0, chord_mm[-1], 4 * count)), step_mm)


def even_steps(points_mm: Float[np.ndarray, "n 3"], step_mm: float) -> Float[np.ndarray, "m 3"]:
    """The same polyline with points at equal arc length, ends kept."""
    arc_mm = arc_length_mm(points_mm)
    at_mm = np.linspace(0.0, arc_mm[-1], max(3, int(np.ceil(arc_mm[-1] / step_mm)) + 1))
    return np.column_stack([np.interp(at_mm, arc_mm, points_mm[:, axis]) for axis in range(3)])


def arc_length_mm(points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])


def wobble(
    rng: np.random.Generator, count: int, *, amplitude: float, waves: float, ramp: float = 0.15
) -> Float[np.ndarray, " count"]:
    """A smooth random deviation along a curve: zero at its start, `waves` undulations, an rms near `amplitude`."""
    at = np.linspace(0.0, 1.0, count)
    total = np.zeros(count)
    for harmonic in (0.6, 1.0, 1.7):
        total += rng.normal() * np.sin(2 * np.pi * (harmonic * waves * at + rng.uniform()))
    return amplitude * total / 1.2 * np.clip(at / ramp, 0.0, 1.0)


def meander(
    rng: np.random.Generator, points_mm: Float[np.ndarray, "n 3"], *, amplitude_mm: float, wavelength_mm: float
) -> Float[np.ndarray, "n 3"]:
    """Bend a curve sideways at random; its first point stays."""
    waves = arc_length_mm(points_mm)[-1] / wavelength_mm
    offset = np.column_stack([wobble(rng, len(points_mm), amplitude=amplitude_mm, waves=waves) for _ in range(3)])
    tangent = np.gradient(points_mm, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    offset -= (offset * tangent).sum(axis=1, keepdims=True) * tangent
    return points_mm + offset


@dataclass(slots=True)
class _Shoot:
    points_mm: np.ndarray
    radius_mm: np.ndarray
    name: str
    vessel_class: str
    parent: int
    at: int
    fill_group: str


@dataclass(slots=True)
class GrowingTree:
    """Collects vessels that spring from one another, then cuts them at their nodes."""

    shoots: list[_Shoot] = field(default_factory=list)

    def add(
        self,
        points_mm: Float[np.ndarray, "n 3"],
        radius_mm: tuple[float, float] | Float[np.ndarray, " n"],
        name: str,
        vessel_class: str = "artery",
        *,
        parent: int = -1,
        fill_group: str = "",
    ) -> int:
        """Add a vessel (start and end radius, or one per point); with a parent it starts at the parent's nearest point.

        Returns:
            The vessel's number, to be given as `parent` of its branches.
        """
        points = np.array(points_mm, dtype=np.float64)
        at = 0
        if parent >= 0:
            origin = self.shoots[parent].points_mm
            at = int(np.argmin(np.linalg.norm(origin - points[0], axis=1)))
            points[0] = origin[at]
        if isinstance(radius_mm, tuple):
            radius = np.linspace(radius_mm[0], radius_mm[1], len(points))
        else:
            radius = np.asarray(radius_mm, dtype=np.float64)
        self.shoots.append(_Shoot(points, radius, name, vessel_class, parent, at, fill_group or name))
        return len(self.shoots) - 1

    def point(self, shoot: int, fraction: float) -> Float[np.ndarray, " 3"]:
        points = self.shoots[shoot].points_mm
        return points[round(fraction * (len(points) - 1))]

    def radius(self, shoot: int, fraction: float) -> float:
        radius = self.shoots[shoot].radius_mm
        return float(radius[round(fraction * (len(radius) - 1))])

    def tangent(self, shoot: int, fraction: float) -> Float[np.ndarray, " 3"]:
        points = self.shoots[shoot].points_mm
        at = round(fraction * (len(points) - 1))
        direction = points[min(at + 3, len(points) - 1)] - points[max(at - 3, 0)]
        return direction / np.linalg.norm(direction)

    def build(self, offset_mm: Float[np.ndarray, " 3"]) -> tuple[CenterlineTree, tuple[str, ...]]:
        """The tree with one branch between two nodes, moved by `offset_mm`, and each branch's fill group."""
        branches: list[Branch] = []
        groups: list[str] = []
        pieces: list[list[tuple[int, int]]] = []  # per shoot: (last point index, branch index) of each piece
        for number, shoot in enumerate(self.shoots):
            last = len(shoot.points_mm) - 1
            cuts = {other.at for other in self.shoots if other.parent == number and 0 < other.at < last}
            bounds = [0, *sorted(cuts), last]
            parent = -1
            if shoot.parent >= 0:
                parent = next((index for end, index in pieces[shoot.parent] if shoot.at <= end), -1)
            own: list[tuple[int, int]] = []
            for start, end in pairwise(bounds):
                branches.append(
                    Branch(
                        points_mm=shoot.points_mm[start : end + 1] + offset_mm,
                        radius_mm=shoot.radius_mm[start : end + 1].copy(),
                        name=shoot.name,
                        vessel_class=shoot.vessel_class,
                        parent=parent,
                    )
                )
                groups.append(shoot.fill_group)
                parent = len(branches) - 1
                own.append((end, parent))
            pieces.append(own)
        return CenterlineTree(branches=tuple(branches)), tuple(groups)


def distance_from_root_mm(tree: CenterlineTree) -> tuple[Float[np.ndarray, " n"], ...]:
    """Arc length of each point from the root of its tree; parents must come before children."""
    travelled: list[np.ndarray] = []
    for branch in tree.branches:
        arc_mm = arc_length_mm(branch.points_mm)
        if branch.parent >= 0:
            parent = tree.branches[branch.parent]
            gap = np.linalg.norm(parent.points_mm - branch.points_mm[0], axis=1)
            arc_mm = arc_mm + travelled[branch.parent][int(np.argmin(gap))]
        travelled.append(arc_mm)
    return tuple(travelled)
