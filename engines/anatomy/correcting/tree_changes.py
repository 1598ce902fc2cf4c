"""The centerline tree follows what was done to the voxels: cut where they are gone, with a branch where they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.spatial import KDTree

from engines.anatomy.centerlines.polyline import Polyline, arc_length_mm
from engines.anatomy.centerlines.tree import joined_trees, tree_from_polylines
from engines.anatomy.correcting.places import TreePlace, nearest_of_tree, spacing_of
from engines.anatomy.structure_names import said_to_be, vessel_class_of
from engines.anatomy.vessel_model import Branch, CenterlineTree, LabelVolume

_REACH_VOXELS = 3.5  # of thin vessels, points of the line lie beside the labelled voxels
_SHORTEST_MM = 1.0
_ROOT_POINTS = 5
_AT_END_MM = 1.5  # a branch that springs this near to an end of its parent springs from the end
_JOINED_MM, _WALL_RADII = 3.0, 1.5  # a wall bulges where branches leave it


def tree_without(tree: CenterlineTree, gone: Sequence[Bool[np.ndarray, " n"]]) -> CenterlineTree | None:
    """The tree without these points of each branch; what sprang from a lost piece begins a tree of its own."""
    branches: list[Branch] = []
    pieces_of: list[list[int]] = []
    for number, (branch, lost) in enumerate(zip(tree.branches, gone, strict=True)):
        own: list[int] = []
        assert branch.parent < number
        for start, stop in _runs(~np.asarray(lost)):
            points = branch.points_mm[start:stop]
            if not lost.any() or float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum()) >= _SHORTEST_MM:
                parent = -1
                if branch.parent >= 0 and not gone[branch.parent].any():
                    parent = pieces_of[branch.parent][0]
                elif branch.parent >= 0:
                    parent = _holder(branches, pieces_of[branch.parent], branch, points[0])
                own.append(len(branches))
                branches.append(
                    replace(branch, points_mm=points, radius_mm=branch.radius_mm[start:stop],
                            parent=parent if start == 0 else -1)
                )  # fmt: skip
        pieces_of.append(own)
    return CenterlineTree(branches=tuple(branches)) if branches else None


def tree_after(tree: CenterlineTree | None, before: LabelVolume, after: LabelVolume) -> CenterlineTree | None:
    """The tree of the changed volume: without what was erased, of the class of what is otherwise now."""
    changed = np.argwhere(before.labels != after.labels)
    if tree is None or not len(changed):
        return tree
    ends = np.cumsum([len(branch.points_mm) for branch in tree.branches])
    number, touched = _numbers(tree.points_mm(), before, after, changed)
    lost = touched & (number == 0)
    gone = np.split(lost, ends[:-1])
    said = [
        _said(part, hit) for part, hit in zip(np.split(number, ends[:-1]), np.split(touched, ends[:-1]), strict=True)
    ]
    branches = [
        branch if found == 0 else _renamed(branch, before, after, found)
        for branch, found in zip(tree.branches, said, strict=True)
    ]
    return tree_without(CenterlineTree(branches=tuple(branches)), gone)


def tree_with(tree: CenterlineTree | None, line: Polyline) -> CenterlineTree:
    """The tree with a branch that begins on, or beside, what it springs from.

    One that closes a gap between two trees, or leads on from the root of one as wide, makes one tree of all, rooted
    anew.
    """
    met = [] if tree is None else [_met(tree, line, end) for end in (0, -1)]
    places = [place for place in met if place is not None]
    if tree is None or not places:
        return CenterlineTree(branches=(*(tree.branches if tree else ()), _as_branch(line, -1)))
    roots = _roots(tree)
    touched = {roots[place.branch] for place in places}
    if len(touched) == 1 and met[0] is not None:
        mother = tree.branches[met[0].branch]
        parted, parent = _parted(tree, met[0].branch, met[0].point)
        # A thin branch at the root of a vessel springs from it; a wide one is where the vessel comes from.
        if parent >= 0 or _width_mm(line.radius_mm) <= _width_mm(mother.radius_mm[:_ROOT_POINTS]):
            root = mother.points_mm[met[0].point]
            if float(np.linalg.norm(root - line.points_mm[0])) > 1e-3:
                line = replace(line, points_mm=np.vstack([root, line.points_mm]),
                               radius_mm=np.concatenate([line.radius_mm[:1], line.radius_mm]))  # fmt: skip
            return CenterlineTree(branches=(*parted.branches, _as_branch(line, parent)))
    mine = [branch for branch, root in zip(tree.branches, roots, strict=True) if root in touched]
    others = [number for number, root in enumerate(roots) if root not in touched]
    place_of = {old: new for new, old in enumerate(others)} | {-1: -1}
    rest = [replace(tree.branches[number], parent=place_of[tree.branches[number].parent]) for number in others]
    return joined_trees([
        CenterlineTree(branches=tuple(rest)),
        tree_from_polylines([*map(_as_line, mine), line], shared_trunks=False),
    ])  # fmt: skip


def _met(tree: CenterlineTree, line: Polyline, end: int) -> TreePlace | None:
    """Where an end of the line lies in, or at the wall of, a vessel of the tree."""
    place = nearest_of_tree(tree, line.points_mm[end], veins=line.vessel_class == "vein")
    if place is None:
        return None
    radius_mm = float(np.nan_to_num(tree.branches[place.branch].radius_mm[place.point]))
    return place if place.away_mm <= _WALL_RADII * radius_mm + _JOINED_MM else None


def _roots(tree: CenterlineTree) -> list[int]:
    roots: list[int] = []
    for number, branch in enumerate(tree.branches):
        roots.append(number if branch.parent < 0 else roots[branch.parent])
    return roots


def _width_mm(radius_mm: Float[np.ndarray, " n"]) -> float:
    known = radius_mm[np.isfinite(radius_mm)]
    return float(np.median(known)) if len(known) else 0.0


def _as_line(branch: Branch) -> Polyline:
    return Polyline(points_mm=branch.points_mm, radius_mm=branch.radius_mm, name=branch.name,
                    vessel_class=branch.vessel_class)  # fmt: skip


def _parted(tree: CenterlineTree, number: int, point: int) -> tuple[CenterlineTree, int]:
    """The tree with this branch cut in two at a point, and the branch that now ends there."""
    branch = tree.branches[number]
    arc = arc_length_mm(branch.points_mm)
    if arc[-1] - arc[point] < _AT_END_MM:
        return tree, number
    if arc[point] < _AT_END_MM:
        return tree, branch.parent
    first = replace(branch, points_mm=branch.points_mm[: point + 1], radius_mm=branch.radius_mm[: point + 1])
    second = replace(branch, points_mm=branch.points_mm[point:], radius_mm=branch.radius_mm[point:], parent=number)
    branches: list[Branch] = []
    for index, other in enumerate(tree.branches):
        parent = other.parent + (other.parent > number)
        if other.parent == number:
            near = [_nearest_mm(half, other.points_mm[0]) for half in (first, second)]
            parent = number + int(near[1] <= near[0])
        if index == number:
            branches += [replace(first, parent=parent), second]
        else:
            branches.append(replace(other, parent=parent))
    return CenterlineTree(branches=tuple(branches)), number


def _numbers(
    points_mm: Float[np.ndarray, "n 3"], before: LabelVolume, after: LabelVolume, changed: Integer[np.ndarray, "m 3"]
) -> tuple[Integer[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """For points whose voxel was changed: its number now; and which points these are."""
    index_from_lps = np.linalg.inv(before.lps_from_index)
    index = points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
    low, high = changed.min(axis=0) - int(_REACH_VOXELS) - 1, changed.max(axis=0) + int(_REACH_VOXELS) + 2
    box = tuple(slice(max(0, a), b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    corner = np.array([side.start for side in box])
    number, touched = np.zeros(len(index), dtype=np.int64), np.zeros(len(index), dtype=bool)
    inside = ((index >= corner) & (index <= high)).all(axis=1)
    voxels = np.argwhere(before.labels[box] > 0)
    if not inside.any() or not len(voxels):
        return number, touched
    spacing = spacing_of(before)
    away, found = KDTree((voxels + corner) * spacing).query(index[inside] * spacing)
    nearest = voxels[found]
    was, now = before.labels[box][tuple(nearest.T)], after.labels[box][tuple(nearest.T)]
    near = away <= _REACH_VOXELS * float(spacing.max())
    number[inside], touched[inside] = now, near & (was != now)
    return number, touched


def _said(number: Integer[np.ndarray, " n"], touched: Bool[np.ndarray, " n"]) -> int:
    """The structure that most of a branch's points are of now; 0 where it is as it was, or gone."""
    moved = number[touched & (number > 0)]
    return int(np.bincount(moved).argmax()) if len(moved) > 0.5 * len(number) else 0


def _renamed(branch: Branch, before: LabelVolume, after: LabelVolume, number: int) -> Branch:
    """A branch called after its structure takes the new one's name; one with a name of its own keeps it."""
    name = after.names[number]
    vessel_class = vessel_class_of(name)
    if branch.name and branch.name not in before.names.values():
        name = said_to_be(branch.name, vessel_class)
    return replace(branch, name=name, vessel_class=vessel_class)


def _holder(branches: Sequence[Branch], pieces: Sequence[int], child: Branch, first_mm: Float[np.ndarray, " 3"]) -> int:
    """The piece of its parent that a branch still springs from; -1 where that is gone."""
    if not pieces:
        return -1
    best = min(pieces, key=lambda number: _nearest_mm(branches[number], first_mm))
    widest = float(np.nan_to_num(branches[best].radius_mm).max(initial=0.0))
    reach_mm = widest + float(np.nan_to_num(child.radius_mm[0])) + _AT_END_MM
    return best if _nearest_mm(branches[best], first_mm) <= reach_mm else -1


def _nearest_mm(branch: Branch, point_mm: Float[np.ndarray, " 3"]) -> float:
    return float(np.linalg.norm(branch.points_mm - point_mm, axis=1).min())


def _as_branch(line: Polyline, parent: int) -> Branch:
    return Branch(points_mm=line.points_mm, radius_mm=line.radius_mm, name=line.name, vessel_class=line.vessel_class,
                  parent=parent)  # fmt: skip


def _runs(kept: Bool[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """Stretches of at least two points."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 2]
