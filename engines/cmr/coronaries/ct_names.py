"""Which found path is which artery: left main, trunks by where they run about the left ventricle, side branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engines.anatomy.centerlines.polyline import arc_length_mm
from engines.cmr.coronaries.ct_paths import FoundPath
from engines.cmr.coronaries.tree import VESSELS, trunk_cost
from engines.cmr.heart.lv_frame import LvFrame

_OSTIUM_MM = 15.0  # the first stretch lies beside the aorta and says nothing
_LEAST_TREE_MM = 15.0
_RIGHT_MM = 18.0  # from the mitral centre towards the septum
_LONGEST_MAIN_MM = 40.0
_LEAST_TRUNK_MM = 25.0
_LEAST_SIDE_MM = 8.0
_SAME_MM = 3.0
_SIDE_NAMES = {"LAD": "D", "LCx": "OM", "RCA": "RV"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedLine:
    """A branch from where it leaves another to its tip.

    Args:
        points_mm: (n, 3) LPS.
        name: LM, LAD, D1, LCx, OM1, RCA ...
        root: it leaves the aorta.
    """

    points_mm: Float[np.ndarray, "n 3"]
    name: str
    root: bool = False


_Way = list[tuple[int, int]]  # path and point, from the aorta to a tip


def named_lines(paths: Sequence[FoundPath], frame: LvFrame) -> tuple[NamedLine, ...]:
    """Lines of the left and the right tree; other trees are not coronaries, or cannot be told."""
    left, right = _sides(paths, frame)
    lines: list[NamedLine] = []
    if left:
        lines += _left(paths, left, frame)
    if right:
        ways = [_way(paths, k) for k in right]
        trunk = min(ways, key=lambda way: trunk_cost(_points(paths, way), frame, "RCA"))
        lines += _with_branches(paths, [("RCA", trunk)], ways, frame)
    return tuple(lines)


def _sides(paths: Sequence[FoundPath], frame: LvFrame) -> tuple[list[list[int]], list[int]]:
    """Left trees and the right one, the best supported first, by the side of where the right ventricle begins.

    LAD and LCx may spring from the aorta side by side, or seem to where the left main is short and wide.
    """
    trees = _trees(paths)
    left: list[list[int]] = []
    right: list[int] = []
    for root in sorted(trees, key=lambda root: -sum(paths[k].gain_mm for k in trees[root])):
        members = trees[root]
        if sum(paths[k].length_mm for k in members) < _LEAST_TREE_MM:
            continue
        to_right_mm = (_body(paths, members) - frame.mitral_mm) @ frame.right
        if np.median(to_right_mm) > _RIGHT_MM:
            right = right or members
        elif not left or max(_length(paths, _way(paths, k)) for k in members) >= _LEAST_TRUNK_MM:
            left.append(members)
    return left, right


def _trees(paths: Sequence[FoundPath]) -> dict[int, list[int]]:
    root_of: list[int] = []
    for index, path in enumerate(paths):
        root_of.append(index if path.parent < 0 else root_of[path.parent])
    return {root: [k for k, r in enumerate(root_of) if r == root] for root in dict.fromkeys(root_of)}


def _body(paths: Sequence[FoundPath], members: Sequence[int]) -> Float[np.ndarray, "n 3"]:
    pieces = []
    for k in members:
        points = paths[k].points_mm
        skipped = _OSTIUM_MM if paths[k].parent < 0 else 0.0
        pieces.append(points[arc_length_mm(points) >= min(skipped, 0.5 * paths[k].length_mm)])
    return np.concatenate(pieces)


def _left(paths: Sequence[FoundPath], trees: Sequence[Sequence[int]], frame: LvFrame) -> list[NamedLine]:
    by_tree = [[_way(paths, k) for k in members] for members in trees]
    ways = [way for tree in by_tree for way in tree]
    main, first, second = _fork(paths, by_tree[0])
    pairs = [(main, first, second)] if second else []
    pairs += [(0, tree, other) for k, tree in enumerate(by_tree) for other in by_tree[k + 1 :]]
    if not pairs:
        vessel = min(VESSELS[:2], key=lambda name: min(trunk_cost(_points(paths, way), frame, name) for way in ways))
        trunk = min(ways, key=lambda way: trunk_cost(_points(paths, way), frame, vessel))
        return _with_branches(paths, [(vessel, trunk)], ways, frame)
    main, lad, lcx, _ = min((_daughters(paths, *pair, frame) for pair in pairs), key=lambda found: found[-1])
    trunks = [("LM", lad[: main + 1])] if main else []
    return _with_branches(paths, [*trunks, ("LAD", lad[main:]), ("LCx", lcx[main:])], ways, frame)


def _daughters(
    paths: Sequence[FoundPath], main: int, first: Sequence[_Way], second: Sequence[_Way], frame: LvFrame
) -> tuple[int, _Way, _Way, float]:
    """The left main's end, LAD, LCx, and how unlike the two run; the trunks may lie on either side of the fork."""
    found = []
    for anterior, lateral in ((first, second), (second, first)):
        cost, pair = 0.0, []
        for vessel, side in zip(VESSELS[:2], (anterior, lateral), strict=True):
            costs = [trunk_cost(_points(paths, way[main:]), frame, vessel) for way in side]
            cost += min(costs)
            pair.append(side[costs.index(min(costs))])
        found.append((main, pair[0], pair[1], cost))
    return min(found, key=lambda one: one[-1])


def _fork(paths: Sequence[FoundPath], ways: Sequence[_Way]) -> tuple[int, list[_Way], list[_Way]]:
    """Position of the end of the left main along every way, and the ways of its two daughters.

    The fork is the first place where both sides still have a trunk's length before them.
    """
    longest = max(ways, key=lambda way: _length(paths, way))
    along = arc_length_mm(_points(paths, longest))
    for place in range(1, len(longest)):
        if along[place] > _LONGEST_MAIN_MM:
            break
        together = [way for way in ways if way[: place + 1] == longest[: place + 1]]
        on = [way for way in together if way[place + 1 : place + 2] == longest[place + 1 : place + 2]]
        off = [way for way in together if way[place + 1 : place + 2] != longest[place + 1 : place + 2]]
        if off and all(max(_length(paths, way[place:]) for way in side) >= _LEAST_TRUNK_MM for side in (on, off)):
            return place, on, off
    return 0, list(ways), []


def _with_branches(
    paths: Sequence[FoundPath], trunks: Sequence[tuple[str, _Way]], ways: Sequence[_Way], frame: LvFrame
) -> list[NamedLine]:
    """The trunks, and every other way from where it leaves what is named already, longest first."""
    lines = [NamedLine(points_mm=_points(paths, way), name=name, root=_is_root(paths, way)) for name, way in trunks]
    owner = {place: name for name, way in reversed(trunks) for place in way}  # the vessel that each place feeds
    counts: dict[str, int] = {}
    for way in sorted(ways, key=lambda way: -_length(paths, way)):
        leaves = next((k for k, place in enumerate(way) if place not in owner), len(way))
        if leaves == len(way):
            continue
        own = way[max(leaves - 1, 0) :]
        far, _ = KDTree(np.concatenate([line.points_mm for line in lines])).query(_points(paths, own))
        if _length(paths, own) < _LEAST_SIDE_MM or np.median(far) < _SAME_MM:
            continue  # a stump, or the same artery once more
        if leaves:
            vessel = owner[way[leaves - 1]]
        else:  # an ostium of its own
            vessel = min(
                {name for name, _ in trunks} & set(VESSELS), key=lambda v: trunk_cost(_points(paths, own), frame, v)
            )
        letters = _SIDE_NAMES.get(vessel, "RI")
        counts[letters] = counts.get(letters, 0) + 1
        lines.append(
            NamedLine(points_mm=_points(paths, own), name=f"{letters}{counts[letters]}", root=_is_root(paths, own))
        )
        owner |= dict.fromkeys(way[leaves:], vessel)
    return lines


def _way(paths: Sequence[FoundPath], path: int) -> _Way:
    """From the aorta to the tip of a path; the point on the parent stands for the path's own first one."""
    parts: list[_Way] = [[(path, k) for k in range(len(paths[path].points_mm))]]
    while paths[path].parent >= 0:
        parts[0] = parts[0][1:]
        last = paths[path].parent_point
        path = paths[path].parent
        parts.insert(0, [(path, k) for k in range(last + 1)])
    return [place for part in parts for place in part]


def _is_root(paths: Sequence[FoundPath], way: _Way) -> bool:
    return paths[way[0][0]].parent < 0 and way[0][1] == 0


def _points(paths: Sequence[FoundPath], way: _Way) -> Float[np.ndarray, "n 3"]:
    return np.array([paths[path].points_mm[point] for path, point in way])


def _length(paths: Sequence[FoundPath], way: _Way) -> float:
    return float(arc_length_mm(_points(paths, way))[-1])
