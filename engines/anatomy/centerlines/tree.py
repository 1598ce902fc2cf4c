"""Make a centerline tree of loose polylines: keep shared trunks once, join gaps, cut at branch points, choose roots."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engines.anatomy.centerlines.polyline import Polyline, is_cut_into_pieces, welded
from engines.anatomy.vessel_model import Branch, CenterlineTree

__all__ = ["Polyline", "joined_trees", "tree_from_polylines"]

# A line that runs along another one within this share of the radius (at least the floor) is the same vessel, as in
# files that hold one line from the ostium to every tip.
_SHARED_RADIUS_SHARE = 0.3
_SHARED_FLOOR_MM = 0.15
_COINCIDENT_MM = 0.05  # exporters write three decimals
# Lines of neighbouring branches often stop short of each other at a bifurcation;
# the real phantom has gaps of up to 6.2 mm.
_END_TO_END_GAP_MM = 8.0
_END_TO_MIDDLE_GAP_MM = 3.0
_CRUMB_MM = 1.5


def tree_from_polylines(polylines: Sequence[Polyline], *, shared_trunks: bool = True) -> CenterlineTree:
    """Build the tree: cut lines at branch points, then root each connected part and order it outwards.

    `shared_trunks`: whether lines may run along each other, as in files with a line from the ostium to every tip.

    The root is the free end with the largest radius; if radii are unknown, it is the point at which lines only start.
    Points closer than 1 nm along a line are merged; a closed loop keeps all its pieces and is opened at one node.
    """
    lines = [line for line in map(_without_repeats, polylines) if len(line.points_mm) >= 2]
    if shared_trunks:
        if is_cut_into_pieces(lines):
            lines = welded(lines)
        lines = _shared_once(lines)
    if not lines:
        return CenterlineTree(branches=())
    nodes = _Nodes(lines)
    edges = [edge for index, line in enumerate(lines) for edge in nodes.cut(index, line)]
    return CenterlineTree(branches=tuple(_ordered(edges)))


def joined_trees(trees: Sequence[CenterlineTree]) -> CenterlineTree:
    """One tree that holds all given trees side by side, unconnected."""
    branches: list[Branch] = []
    for tree in trees:
        first = len(branches)
        branches += [replace(b, parent=b.parent + first if b.parent >= 0 else -1) for b in tree.branches]
    return CenterlineTree(branches=tuple(branches))


def _without_repeats(line: Polyline) -> Polyline:
    keep = np.concatenate([[True], np.linalg.norm(np.diff(line.points_mm, axis=0), axis=1) > 1e-6])
    return replace(line, points_mm=line.points_mm[keep], radius_mm=line.radius_mm[keep])


def _shared_once(lines: list[Polyline]) -> list[Polyline]:
    """Cut off the ends of each line that run along a longer line; the order of the lines stays."""
    kept: dict[int, Polyline] = {}
    for index in sorted(range(len(lines)), key=lambda i: -lines[i].length_mm):
        line = lines[index]
        if kept:
            dense = np.concatenate([_dense_points(other) for other in kept.values()])
            tolerance_mm = np.maximum(_SHARED_FLOOR_MM, _SHARED_RADIUS_SHARE * np.nan_to_num(line.radius_mm))
            free = np.flatnonzero(KDTree(dense).query(line.points_mm)[0] > tolerance_mm)
            if len(free) == 0:
                continue
            # One shared point stays at each end, so that the branch begins on its parent.
            line = line.part(max(free[0] - 1, 0), free[-1] + 2)
        if len(line.points_mm) >= 2:
            kept[index] = line
    return [kept[index] for index in sorted(kept)]


def _dense_points(line: Polyline) -> Float[np.ndarray, "m 3"]:
    branch = Branch(points_mm=line.points_mm, radius_mm=line.radius_mm)
    return CenterlineTree(branches=(branch,)).resampled(0.1).points_mm()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Edge:
    line: Polyline
    start: int
    end: int


class _Nodes:
    """Tells which points of which lines form one node of the graph: a union-find over (line, point)."""

    def __init__(self, lines: list[Polyline]) -> None:
        self.parent: dict[tuple[int, int], tuple[int, int]] = {}
        self.place: dict[tuple[int, int], Float[np.ndarray, " 3"]] = {}
        self.component = list(range(len(lines)))
        self.points_of: list[set[int]] = [set() for _ in lines]
        for index, line in enumerate(lines):
            for point in (0, len(line.points_mm) - 1):
                self._add(index, point, line)
        # Join the shortest gaps first, and only between parts that are not connected yet: a tip that passes near its
        # own tree must not close a loop. Ends that coincide are always joined.
        for gap_mm, end, other in sorted(_gaps(lines), key=lambda gap: gap[0]):
            if gap_mm <= _COINCIDENT_MM or self._component(end[0]) != self._component(other[0]):
                self._add(*other, lines[other[0]])
                # The node lies at the parent's point: the daughter's line is extended to it.
                self.parent[self.find(end)] = self.find(other)
                self.component[self._component(end[0])] = self._component(other[0])
        self.ids = {key: number for number, key in enumerate(self.parent)}

    def _add(self, index: int, point: int, line: Polyline) -> None:
        self.parent.setdefault((index, point), (index, point))
        self.points_of[index].add(point)
        self.place[(index, point)] = line.points_mm[point]

    def _component(self, index: int) -> int:
        while self.component[index] != index:
            self.component[index] = self.component[self.component[index]]
            index = self.component[index]
        return index

    def find(self, key: tuple[int, int]) -> tuple[int, int]:
        while self.parent[key] != key:
            key = self.parent[key]
        return key

    def cut(self, index: int, line: Polyline) -> list[_Edge]:
        """Pieces of a line between its nodes, each extended to the positions of its nodes."""
        at = sorted(self.points_of[index])
        edges = []
        ids = self.ids
        for start, stop in pairwise(at):
            first, last = self.find((index, start)), self.find((index, stop))
            piece = _led_to(line.part(start, stop + 1), self.place[first], self.place[last])
            edges.append(_Edge(line=piece, start=ids[first], end=ids[last]))
        return edges


def _gaps(lines: list[Polyline]) -> list[tuple[float, tuple[int, int], tuple[int, int]]]:
    """Candidate joins within reach: (gap in mm, an end, the nearest point of another line)."""
    found = []
    points_mm = np.concatenate([line.points_mm for line in lines])
    radius_mm = np.nan_to_num(np.concatenate([line.radius_mm for line in lines]))
    sizes = np.array([len(line.points_mm) for line in lines])
    first = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(lines)), sizes)
    tree = KDTree(points_mm)
    reach_mm = max(_END_TO_END_GAP_MM, float(radius_mm.max()) + 1.0)
    for index, line in enumerate(lines):
        for point in (0, len(line.points_mm) - 1):
            near = np.array(tree.query_ball_point(line.points_mm[point], reach_mm), dtype=np.int64)
            near_mm = np.linalg.norm(points_mm[near] - line.points_mm[point], axis=1)
            # Only the nearest point of each other line counts.
            order = np.argsort(near_mm, kind="stable")
            others, place = np.unique(owner[near[order]], return_index=True)
            for other, nearest in zip(others.tolist(), near[order][place].tolist(), strict=True):
                if other == index:
                    continue
                gap_mm = float(np.linalg.norm(points_mm[nearest] - line.points_mm[point]))
                last = int(sizes[other]) - 1
                end_gaps_mm = np.linalg.norm(lines[other].points_mm[[0, last]] - line.points_mm[point], axis=1)
                for end, end_gap_mm in zip((0, last), end_gaps_mm.tolist(), strict=True):
                    if end_gap_mm <= _END_TO_END_GAP_MM:
                        found.append((end_gap_mm, (index, point), (other, end)))
                # A cut within a millimetre of a line's end would leave a tiny branch.
                is_middle = float(end_gaps_mm.min()) > gap_mm + _CRUMB_MM
                if is_middle and gap_mm <= max(_END_TO_MIDDLE_GAP_MM, radius_mm[nearest] + 1.0):
                    found.append((gap_mm, (index, point), (other, int(nearest - first[other]))))
    return found


def _led_to(line: Polyline, first: Float[np.ndarray, " 3"], last: Float[np.ndarray, " 3"]) -> Polyline:
    points, radius = line.points_mm, line.radius_mm
    if np.linalg.norm(points[0] - first) > _COINCIDENT_MM:
        points, radius = np.vstack([first, points]), np.concatenate([radius[:1], radius])
    if np.linalg.norm(points[-1] - last) > _COINCIDENT_MM:
        points, radius = np.vstack([points, last]), np.concatenate([radius, radius[-1:]])
    return replace(line, points_mm=points, radius_mm=radius)


def _ordered(edges: list[_Edge]) -> list[Branch]:
    """Branches of every connected part, parents before daughters."""
    at_node: dict[int, list[int]] = {}
    for index, edge in enumerate(edges):
        at_node.setdefault(edge.start, []).append(index)
        at_node.setdefault(edge.end, []).append(index)
    branches: list[Branch] = []
    left = set(range(len(edges)))
    while left:
        root = _root(edges, at_node, left)
        waiting = deque([(root, -1)])
        while waiting:
            node, mother = waiting.popleft()
            for index in at_node[node]:
                if index not in left:
                    continue
                left.discard(index)
                edge = edges[index]
                branches.append(_branch(edge.line, reverse=edge.start != node, parent=mother))
                waiting.append((edge.end if edge.start == node else edge.start, len(branches) - 1))
    return branches


def _root(edges: list[_Edge], at_node: dict[int, list[int]], left: set[int]) -> int:
    """The node to begin at: the widest free end that is left, else a free end at which lines only start."""
    best, best_rank = edges[min(left)].start, (-1.0, False, 0)
    for index in left:
        edge = edges[index]
        for node, radius_mm in ((edge.start, edge.line.radius_mm[:5]), (edge.end, edge.line.radius_mm[-5:])):
            if len(at_node[node]) > 1:
                continue
            known = radius_mm[np.isfinite(radius_mm)]
            rank = (float(known.mean()) if len(known) else 0.0, node == edge.start, -index)
            if rank > best_rank:
                best, best_rank = node, rank
    return best


def _branch(line: Polyline, *, reverse: bool, parent: int) -> Branch:
    step = -1 if reverse else 1
    return Branch(
        points_mm=np.ascontiguousarray(line.points_mm[::step]),
        radius_mm=np.ascontiguousarray(line.radius_mm[::step]),
        name=line.name,
        vessel_class=line.vessel_class,
        parent=parent,
    )
