"""Lines of points, and the welding of those that a file cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.spatial import KDTree

# Branches of a file are longer than this, cells of a contour filter or a skeleton are not.
_PIECE_MM, _FEWEST_PIECES = 5.0, 12
_SAME_POINT_MM = 1e-3  # text files write three decimals and more


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Polyline:
    """A line of points with radii (NaN where unknown), before it has a place in a tree."""

    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    name: str = ""
    vessel_class: str = "artery"

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())

    def part(self, start: int, stop: int) -> Polyline:
        return replace(self, points_mm=self.points_mm[start:stop], radius_mm=self.radius_mm[start:stop])


def arc_length_mm(points_mm: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Distance of each point from the first, along the line."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])


def points_at(
    at_mm: Float[np.ndarray, " m"], arc_mm: Float[np.ndarray, " n"], points_mm: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "m d"]:
    """The line's points, or other vectors along it, at these arc lengths; straight between its points."""
    return np.column_stack([np.interp(at_mm, arc_mm, points_mm[:, axis]) for axis in range(points_mm.shape[1])])


def is_cut_into_pieces(lines: Sequence[Polyline]) -> bool:
    return len(lines) >= _FEWEST_PIECES and float(np.median([line.length_mm for line in lines])) < _PIECE_MM


def welded(lines: Sequence[Polyline]) -> list[Polyline]:
    """Lines that meet end to end, two alone, made one; where three or more meet they stay apart.

    Contour filters and skeletons leave a tree as thousands of two-point cells. Lines of different names or classes are
    never welded: there the file says where a branch ends. A ring stays cut at one of its points.
    """
    lines = _each_once(lines)
    if len(lines) < 2:
        return list(lines)
    meeting = _meeting_ends(lines)
    # Each end's partner: the other end at its node, where exactly two ends and nothing else meet.
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    for ends in meeting.values():
        if len(ends) == 2 and ends[0][0] != ends[1][0] and _alike(lines[ends[0][0]], lines[ends[1][0]]):
            partner[ends[0]], partner[ends[1]] = ends[1], ends[0]
    done = np.zeros(len(lines), dtype=bool)
    result: list[tuple[int, Polyline]] = []
    for index in range(len(lines)):
        if done[index]:
            continue
        chain = _chain(index, partner)
        done[[line for line, _ in chain]] = True
        result.append((min(line for line, _ in chain), _joined([lines[i] if forward else _turned(lines[i])
                                                                for i, forward in chain])))  # fmt: skip
    return [line for _, line in sorted(result, key=lambda item: item[0])]


def _each_once(lines: Sequence[Polyline]) -> list[Polyline]:
    """Without two-point lines that repeat another one, in either direction."""
    seen: set[frozenset[tuple[float, ...]]] = set()
    kept = []
    for line in lines:
        ends = frozenset(tuple(point) for point in np.round(line.points_mm, 3).tolist())
        if len(line.points_mm) > 2 or ends not in seen:
            kept.append(line)
        if len(line.points_mm) == 2:
            seen.add(ends)
    return kept


def _meeting_ends(lines: Sequence[Polyline]) -> dict[int, list[tuple[int, int]]]:
    """Which ends (line, 0 or 1) lie in one place; a place that a line passes through gets a third, so that it stays."""
    ends_mm = np.concatenate([line.points_mm[[0, -1]] for line in lines])
    pairs = KDTree(ends_mm).query_pairs(_SAME_POINT_MM, output_type="ndarray")
    count = len(ends_mm)
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    node = sparse.csgraph.connected_components(graph, directed=False)[1]
    meeting: dict[int, list[tuple[int, int]]] = {}
    for end, number in enumerate(node.tolist()):
        meeting.setdefault(number, []).append((end // 2, end % 2))
    inner = [line.points_mm[1:-1] for line in lines if len(line.points_mm) > 2]
    if inner:
        far_mm = KDTree(np.concatenate(inner)).query(ends_mm, distance_upper_bound=2 * _SAME_POINT_MM)[0]
        for number in np.unique(node[far_mm <= _SAME_POINT_MM]).tolist():
            meeting[number].append((-1, 0))
    return meeting


def _alike(first: Polyline, second: Polyline) -> bool:
    return first.name == second.name and first.vessel_class == second.vessel_class


def _chain(index: int, partner: dict[tuple[int, int], tuple[int, int]]) -> list[tuple[int, bool]]:
    """Lines in order from one free end to the other, and whether each runs forward."""
    line, end = index, 0
    while (line, end) in partner:  # back to the beginning
        line, met = partner[(line, end)]
        end = 1 - met
        if line == index:
            break  # a ring
    chain = [(line, end == 0)]
    at = (line, 1 - end)
    while at in partner:
        line, met = partner[at]
        if line == chain[0][0]:
            break
        chain.append((line, met == 0))
        at = (line, 1 - met)
    return chain


def _turned(line: Polyline) -> Polyline:
    return replace(line, points_mm=line.points_mm[::-1], radius_mm=line.radius_mm[::-1])


def _joined(lines: list[Polyline]) -> Polyline:
    """One after the other; the point that two share is kept once, with the radius that is known."""
    points, radius = [lines[0].points_mm], [lines[0].radius_mm]
    for line in lines[1:]:
        last = radius[-1]
        if len(last) and not np.isfinite(last[-1]):
            radius[-1] = np.append(last[:-1], line.radius_mm[0])
        points.append(line.points_mm[1:])
        radius.append(line.radius_mm[1:])
    return replace(lines[0], points_mm=np.concatenate(points), radius_mm=np.concatenate(radius))
