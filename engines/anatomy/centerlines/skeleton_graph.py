"""Paths of a one-voxel skeleton between its branch points and ends, without spurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.spatial import KDTree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoxelPath:
    """Points in voxel indices (fractional at branch points); an end is free if no other path begins there."""

    points: Float[np.ndarray, "n 3"]
    start_is_free: bool
    end_is_free: bool


@dataclass(slots=True, kw_only=True, eq=False)
class _Edge:
    start: int
    end: int
    points: Float[np.ndarray, "n 3"]
    length: float = 0.0

    def __post_init__(self) -> None:
        self.length = float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())


def paths_of_skeleton(
    skeleton: Bool[np.ndarray, "i j k"], radius: Float[np.ndarray, "i j k"], min_length: float
) -> list[VoxelPath]:
    """Trace the paths of a skeleton.

    Args:
        skeleton: a mask one voxel thin.
        radius: distance to the wall, in voxels.
        min_length: free branches shorter than this, or than 1.2 radii at their branch point, are removed as spurs.
    """
    voxels = np.argwhere(skeleton)
    if len(voxels) < 2:
        return []
    edges, places = _edges(voxels)
    at_place = radius[tuple(np.rint(places).astype(int).T)]
    edges = _pruned(edges, at_place, min_length)
    degree = np.bincount([node for edge in edges for node in (edge.start, edge.end)], minlength=len(places))
    return [
        VoxelPath(points=edge.points, start_is_free=degree[edge.start] == 1, end_is_free=degree[edge.end] == 1)
        for edge in edges
    ]


def _edges(voxels: np.ndarray) -> tuple[list[_Edge], Float[np.ndarray, "n 3"]]:
    """Edges between nodes (ends, and clusters of branching voxels), and the positions of the nodes."""
    pairs = KDTree(voxels).query_pairs(1.8, output_type="ndarray")  # 26 neighbours
    count = len(voxels)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for a, b in both.tolist():
        neighbours[a].append(b)
    degree = np.bincount(both[:, 0], minlength=count)
    node_of = np.full(count, -1)
    branching = np.flatnonzero(degree > 2)
    inner = both[(degree[both] > 2).all(axis=1)]
    graph = sparse.coo_matrix((np.ones(len(inner)), (inner[:, 0], inner[:, 1])), shape=(count, count))
    _, cluster = sparse.csgraph.connected_components(graph, directed=False)
    names: dict[int, int] = {}
    for voxel in branching.tolist():
        node_of[voxel] = names.setdefault(int(cluster[voxel]), len(names))
    places = [voxels[branching][node_of[branching] == node].mean(axis=0) for node in range(len(names))]
    for voxel in np.flatnonzero(degree == 1).tolist():
        node_of[voxel] = len(places)
        places.append(voxels[voxel].astype(np.float64))
    edges, seen = [], np.zeros(count, dtype=bool)
    starts = np.flatnonzero(node_of >= 0).tolist()
    for start in starts:
        for following in neighbours[start]:
            if node_of[following] == node_of[start] or seen[following]:
                continue
            edges += _traced(start, following, voxels, neighbours, node_of, seen, places)
    return edges, np.array(places).reshape(-1, 3)


def _traced(
    start: int,
    following: int,
    voxels: np.ndarray,
    neighbours: list[list[int]],
    node_of: np.ndarray,
    seen: np.ndarray,
    places: list[np.ndarray],
) -> list[_Edge]:
    path, before = [], start
    while node_of[following] < 0:
        seen[following] = True
        path.append(following)
        onward = [voxel for voxel in neighbours[following] if voxel != before]
        before, following = following, onward[0]
    first, last = int(node_of[start]), int(node_of[following])
    # The edge between two touching nodes is found from both sides; keep one.
    if (not path and first > last) or (first == last and len(path) < 3):
        return []
    points = np.vstack([places[first], voxels[path].reshape(-1, 3), places[last]])
    return [_Edge(start=first, end=last, points=points)]


def _pruned(edges: list[_Edge], radius_at: Float[np.ndarray, " n"], min_length: float) -> list[_Edge]:
    """Remove the shortest spur and join the two paths that met at it; repeat until no spur is left."""
    while True:
        degree = np.bincount([node for edge in edges for node in (edge.start, edge.end)], minlength=len(radius_at))
        shortest, length = None, np.inf
        for edge in edges:
            free = (degree[edge.start] == 1) + (degree[edge.end] == 1)
            inner = max(radius_at[edge.start], radius_at[edge.end])
            limit = min_length if free == 2 else max(min_length, 1.2 * inner + 1.0)
            if free and edge.length < min(limit, length):
                shortest, length = edge, edge.length
        if shortest is None:
            return edges
        edges = [edge for edge in edges if edge is not shortest]
        for node in {shortest.start, shortest.end}:
            edges = _joined(edges, node)


def _joined(edges: list[_Edge], node: int) -> list[_Edge]:
    meeting = [edge for edge in edges if node in (edge.start, edge.end)]
    if len(meeting) != 2 or any(edge.start == edge.end for edge in meeting):
        return edges
    first, second = meeting
    one = first if first.end == node else _Edge(start=first.end, end=first.start, points=first.points[::-1])
    two = second if second.start == node else _Edge(start=second.end, end=second.start, points=second.points[::-1])
    joined = _Edge(start=one.start, end=two.end, points=np.vstack([one.points, two.points[1:]]))
    return [edge for edge in edges if edge not in meeting] + [joined]
