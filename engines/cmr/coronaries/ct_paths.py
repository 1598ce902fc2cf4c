"""Arteries as paths of least cost from the aorta through what looks like a tube, the best supported one first.

Every voxel that surely looks like a tube has its path from the aorta. The path that gains most (length that looks like
a tube, less length that does not) is taken, what lies beside it is done with, and the next is looked for, which may
now begin anywhere on those taken before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from skimage.graph import MCP_Geometric

from engines.cmr.coronaries.ct_ridges import CoronaryRidges

_FREE = 0.04  # share of the speed where nothing looks like a tube
_SURE, _LIKELY = 0.5, 0.35
_PENALTY, _IN_FAT = 0.6, 2.5  # of a mm that does not look like a tube, against a mm that does
_GAP_MM = 28.0  # a stenosis, calcium, or a stretch in a chamber's rim
_LEAST_GAIN_MM = 10.0
_BESIDE_MM = 3.0
_TOGETHER_MM = 2.5
_MOST_PATHS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundPath:
    """A path from where it leaves another path, or the aorta, to its tip.

    Args:
        points_mm: (n, 3) LPS.
        parent: index of the path that it leaves, -1 for the aorta.
        parent_point: index of the parent's point there.
        gain_mm: length that looks like a tube, less the rest.
    """

    points_mm: Float[np.ndarray, "n 3"]
    parent: int
    parent_point: int
    gain_mm: float

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())


def grown_paths(ridges: CoronaryRidges, source: Bool[np.ndarray, "i j k"]) -> tuple[FoundPath, ...]:
    """Paths from a source (the aorta), the best supported first; a parent comes before its branches."""
    forest = _forest(ridges, source)
    if forest is None:
        return ()
    near = KDTree(forest.places_mm)
    taken = np.full(len(forest.before), -1)  # the path that runs through this voxel
    at_point = np.zeros(len(forest.before), dtype=np.int64)
    done = np.zeros(len(forest.before), dtype=bool)
    found: list[FoundPath] = []
    while len(found) < _MOST_PATHS:
        gain = _gains(forest, taken)
        gain[done] = 0.0
        tip = int(gain.argmax())
        if gain[tip] < _LEAST_GAIN_MM:
            break
        path, parent, parent_point = _traced(forest, taken, at_point, tip)
        own = [node for node in path if taken[node] < 0]
        for beside in near.query_ball_point(forest.places_mm[path], _BESIDE_MM):
            done[beside] = True
        points = ridges.points_mm(forest.index[path])
        attached = parent >= 0
        if not attached:
            parent = _beside(points, found)
        if parent >= 0:
            points, parent_point = _parted(points, found[parent].points_mm, parent_point)
        taken[own] = len(found)
        at_point[own] = np.maximum(np.arange(len(own)) + attached - (len(path) - len(points)), 0)
        found.append(FoundPath(points_mm=points, parent=parent, parent_point=parent_point, gain_mm=float(gain[tip])))
    return tuple(found)


def _beside(points: Float[np.ndarray, "n 3"], found: Sequence[FoundPath]) -> int:
    """The path from the aorta beside which this one, from the aorta too, sets out; -1 if it has its own ostium."""
    for number, path in enumerate(found):
        if path.parent < 0:
            far, _ = KDTree(path.points_mm).query(points)
            apart = np.flatnonzero(far > _TOGETHER_MM)
            end = int(apart[0]) if len(apart) else len(points)
            if end > 1 and np.linalg.norm(np.diff(points[:end], axis=0), axis=1).sum() > _TOGETHER_MM:
                return number
    return -1


def _parted(
    points: Float[np.ndarray, "n 3"], trunk: Float[np.ndarray, "m 3"], leaves: int
) -> tuple[Float[np.ndarray, "n 3"], int]:
    """The path from where it really leaves its parent: inside a wide artery both run side by side for a while."""
    ahead = trunk[leaves:]
    far, nearest = KDTree(ahead).query(points)
    apart = np.flatnonzero(far > _TOGETHER_MM)
    first = int(apart[0]) if len(apart) else len(points) - 1
    if first <= 1:
        return points, leaves
    joins = leaves + int(np.asarray(nearest)[first - 1])
    return np.concatenate([trunk[joins : joins + 1], points[first:]]), joins


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Forest:
    """Every voxel on a path of least cost, those nearer to the source first.

    Args:
        index: voxel.
        places_mm: voxel times spacing.
        before: position of the voxel before it, -1 in the source.
        step_mm: to the voxel before it.
        worth: of a mm here: 1 where it looks like a tube, else a loss.
    """

    index: Int[np.ndarray, "n 3"]
    places_mm: Float[np.ndarray, "n 3"]
    before: Sequence[int]
    step_mm: Sequence[float]
    worth: Sequence[float]


def _forest(ridges: CoronaryRidges, source: Bool[np.ndarray, "i j k"]) -> _Forest | None:
    mm = ridges.spacing_mm
    free = np.where(ridges.fat, _FREE / _IN_FAT, _FREE)
    cost = np.where(ridges.allowed, 1.0 / (free + (1.0 - free) * ridges.likeness), -1.0)
    cost[source] = 1.0
    search = MCP_Geometric(cost, sampling=tuple(mm))
    far, back = search.find_costs(np.argwhere(source))
    moves = np.array(search.offsets)
    shape = cost.shape
    jump = (moves @ np.array([shape[1] * shape[2], shape[2], 1])).tolist()
    length = np.linalg.norm(moves * mm, axis=1).tolist()
    way, inside = back.ravel(), source.ravel()
    before: dict[int, int] = {}
    for seed in np.flatnonzero((ridges.likeness > _SURE) & ridges.allowed & np.isfinite(far)).tolist():
        voxel = seed
        while voxel not in before:
            move = int(way[voxel])
            if move < 0 or inside[voxel]:
                before[voxel] = -1
                break
            before[voxel] = voxel - jump[move]
            voxel = before[voxel]
    if not before:
        return None
    voxels = np.array(list(before))
    voxels = voxels[np.argsort(far.ravel()[voxels], kind="stable")]
    position = {voxel: place for place, voxel in enumerate(voxels.tolist())}
    index = np.stack(np.unravel_index(voxels, shape), axis=1)
    return _Forest(
        index=index,
        places_mm=index * mm,
        before=[position[before[v]] if before[v] >= 0 else -1 for v in voxels.tolist()],
        step_mm=[length[int(way[v])] if before[v] >= 0 else 0.0 for v in voxels.tolist()],
        worth=np.where(
            ridges.likeness.ravel()[voxels] > _LIKELY, 1.0, np.where(ridges.fat.ravel()[voxels], -_IN_FAT, -_PENALTY)
        ).tolist(),
    )


def _gains(forest: _Forest, taken: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """What a new path to each voxel would gain; none across too long a gap."""
    gain, gap = [0.0] * len(forest.before), [0.0] * len(forest.before)
    own = (taken >= 0).tolist()
    for node, before in enumerate(forest.before):
        if before < 0 or own[node]:
            continue
        step, worth = forest.step_mm[node], forest.worth[node]
        broken = gap[before] > _GAP_MM
        gap[node] = gap[before] if broken else 0.0 if worth > 0 else gap[before] + step
        gain[node] = -np.inf if broken else gain[before] + worth * step
    return np.array(gain)


def _traced(
    forest: _Forest, taken: Int[np.ndarray, " n"], at_point: Int[np.ndarray, " n"], tip: int
) -> tuple[list[int], int, int]:
    path, node = [], tip
    while node >= 0 and taken[node] < 0:
        path.append(node)
        node = forest.before[node]
    if node < 0:
        return path[::-1], -1, 0
    path.append(node)
    return path[::-1], int(taken[node]), int(at_point[node])
