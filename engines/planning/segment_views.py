"""The C-arm angles from which a piece of vessel is seen at its full length and free of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from engines.anatomy.centerlines.polyline import arc_length_mm, points_at
from engines.anatomy.vessel_model import Branch
from engines.planning.angles import GantryLimits, beam_lps

_GRID_DEG = 2.5
_STEP_MM = 2.0
_SHORTEST_MM, _LONGEST_MM = 15.0, 130.0
_MOST_SEGMENTS = 8
_JOINED_MM = 3.0  # beyond both radii: a daughter that springs from the segment does not hide it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """A piece of vessel to be looked at, and the vessels that may lie over it.

    Args:
        points_mm, radius_mm: every 2 mm.
        others_mm, others_radius_mm: points of the tree that fills with it.
        branches: what is drawn; `own` tells which of them are the segment.
    """

    name: str
    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    others_mm: Float[np.ndarray, "m 3"]
    others_radius_mm: Float[np.ndarray, " m"]
    branches: tuple[Branch, ...]
    own: tuple[bool, ...]

    @property
    def middle_mm(self) -> Float[np.ndarray, " 3"]:
        return self.points_mm.mean(axis=0)

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFrom:
    """A segment as two angles show it.

    Args:
        foreshortening: share of its length that the view loses, from 0 to 1.
        overlap: share of its length that another vessel covers.
    """

    primary_deg: float
    secondary_deg: float
    foreshortening: float
    overlap: float

    @property
    def lost(self) -> float:
        """What the choice is judged by: a tenth foreshortened counts as a tenth covered."""
        return self.foreshortening + self.overlap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AngleMap:
    """`lost` over all angles within the limits, and the best of them."""

    primary_deg: Float[np.ndarray, " p"]
    secondary_deg: Float[np.ndarray, " s"]
    lost: Float[np.ndarray, "s p"]
    best: SeenFrom


def segments_of(branches: Sequence[Branch]) -> tuple[Segment, ...]:
    """The widest named pieces of a tree, each from where its name begins to where it ends."""
    root = [_root_of(branches, number) for number in range(len(branches))]
    chains: list[tuple[float, Segment]] = []
    for number, branch in enumerate(branches):
        mother = branches[branch.parent] if branch.parent >= 0 else None
        if mother is not None and branch.name and mother.name == branch.name:
            continue
        chain = _chain(branches, number)
        own = tuple(other in chain for other in range(len(branches)))
        filled = [other for other in range(len(branches)) if root[other] == root[number]]
        segment = _segment(branches, chain, filled, own)
        if _SHORTEST_MM <= segment.length_mm <= _LONGEST_MM:
            chains.append((float(np.nanmean(segment.radius_mm)), segment))
    chains.sort(key=lambda one: -one[0])
    return tuple(segment for _, segment in chains[:_MOST_SEGMENTS])


def seen_from(segment: Segment, primary_deg: float, secondary_deg: float) -> SeenFrom:
    """Of a segment in the middle of the picture, where rays are as good as parallel."""
    beam = beam_lps(primary_deg, secondary_deg)
    steps = np.diff(segment.points_mm, axis=0)
    across = steps - np.outer(steps @ beam, beam)
    seen_mm = float(np.linalg.norm(across, axis=1).sum())
    return SeenFrom(
        primary_deg=primary_deg,
        secondary_deg=secondary_deg,
        foreshortening=1.0 - seen_mm / segment.length_mm,
        overlap=float(_covered(segment, beam).mean()),
    )


def angle_map(segment: Segment, limits: GantryLimits | None = None, *, step_deg: float = _GRID_DEG) -> AngleMap:
    """All angles that the gantry reaches, every 2.5 degrees."""
    limits = limits or GantryLimits()
    primary = np.arange(-limits.rao_deg, limits.lao_deg + 0.1, step_deg)
    secondary = np.arange(-limits.caudal_deg, limits.cranial_deg + 0.1, step_deg)
    seen = [[seen_from(segment, float(p), float(s)) for p in primary] for s in secondary]
    lost = np.array([[one.lost for one in row] for row in seen])
    row, column = np.unravel_index(int(lost.argmin()), lost.shape)
    return AngleMap(primary_deg=primary, secondary_deg=secondary, lost=lost, best=seen[row][column])


def _covered(segment: Segment, beam: Float[np.ndarray, " 3"]) -> Bool[np.ndarray, " n"]:
    """Which points another vessel covers in this view."""
    if not len(segment.others_mm):
        return np.zeros(len(segment.points_mm), dtype=bool)
    across = np.linalg.svd(beam[None])[2][1:]
    own, others = segment.points_mm @ across.T, segment.others_mm @ across.T
    reach = segment.radius_mm + float(segment.others_radius_mm.max())
    covered = np.zeros(len(own), dtype=bool)
    for number, near in enumerate(KDTree(others).query_ball_point(own, reach)):
        apart = np.linalg.norm(others[near] - own[number], axis=1)
        covered[number] = bool((apart < segment.radius_mm[number] + segment.others_radius_mm[near]).any())
    return covered


def _segment(branches: Sequence[Branch], chain: list[int], filled: list[int], own: tuple[bool, ...]) -> Segment:
    points, radius = _every(
        np.concatenate([branches[number].points_mm for number in chain]),
        np.concatenate([branches[number].radius_mm for number in chain]),
    )
    rest = [number for number in filled if not own[number]]
    pairs = [_every(branches[number].points_mm, branches[number].radius_mm) for number in rest]
    others = np.concatenate([pair[0] for pair in pairs]) if pairs else np.empty((0, 3))
    others_radius = np.concatenate([pair[1] for pair in pairs]) if pairs else np.empty(0)
    if len(others):
        apart_mm, nearest = KDTree(points).query(others)
        free = apart_mm > radius[nearest] + others_radius + _JOINED_MM
        others, others_radius = others[free], others_radius[free]
    return Segment(
        name=branches[chain[0]].name or f"branch {chain[0] + 1}",
        points_mm=points,
        radius_mm=radius,
        others_mm=others,
        others_radius_mm=others_radius,
        branches=tuple(branches[number] for number in filled),
        own=tuple(own[number] for number in filled),
    )


def _every(
    points_mm: Float[np.ndarray, "n 3"], radius_mm: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, " m"]]:
    """Every 2 mm; an unknown radius counts as half a millimetre."""
    along = arc_length_mm(points_mm)
    wanted = np.linspace(0.0, along[-1], max(int(along[-1] / _STEP_MM) + 1, 2))
    return points_at(wanted, along, points_mm), np.interp(wanted, along, np.nan_to_num(radius_mm, nan=0.5))


def _chain(branches: Sequence[Branch], first: int) -> list[int]:
    """A branch and the daughters that carry its name on."""
    chain = [first]
    name = branches[first].name
    while name:
        onward = [
            number for number, branch in enumerate(branches) if branch.parent == chain[-1] and branch.name == name
        ]
        if not onward:
            break
        chain.append(max(onward, key=lambda number: float(np.nanmean(branches[number].radius_mm))))
    return chain


def _root_of(branches: Sequence[Branch], number: int) -> int:
    while branches[number].parent >= 0:
        number = branches[number].parent
    return number
