"""Divide the arteries of a head into one tree for each artery that enters it.

Extracted arteries are all connected, through the circle of Willis and wherever thin ones touch. But one injection fills
only what one carotid or the vertebral arteries feed. Fronts start at all inflows at once and run faster in wide
vessels; a branch belongs to the inflow whose front reaches it first. The trees therefore part in the communicating
arteries.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from engines.anatomy.centerlines.tree import Polyline, joined_trees, tree_from_polylines
from engines.anatomy.vessel_model import Branch, CenterlineTree

_SAME_NODE_MM = 0.1
_LOWER_SHARE = 0.3  # lowest share of the arteries' height, where carotids and vertebral arteries begin
_INFLOW_RADIUS_MM = 1.3  # inflows are wider than the small branches at the skull base
_INFLOW_LENGTH_MM = 8.0  # shorter branches are artefacts of the extraction,
_SURELY_WIDE_MM = 1.8  # but not those as wide as a carotid, which may branch at once
_END_POINTS = 8
_NARROWEST_MM = 0.3


def parted_by_inflow(tree: CenterlineTree) -> CenterlineTree:
    """The tree with its arteries divided into one tree per inflow; unchanged if there are fewer than two inflows."""
    arteries = [branch for branch in tree.branches if branch.vessel_class == "artery"]
    if not arteries:
        return tree
    # Cut wherever another artery springs, so that its beginning does not count as a free end.
    arteries = list(_rooted(arteries).branches)
    nodes = _nodes(arteries)
    inflows = _inflows(arteries, nodes)
    if len(inflows) < 2:
        return tree
    territory = _territories(arteries, nodes, inflows)
    others = [branch for branch in tree.branches if branch.vessel_class != "artery"]
    parts = [[b for b, t in zip(arteries, territory, strict=True) if t == number] for number in sorted(set(territory))]
    return joined_trees([_rooted(part) for part in (*parts, others) if part])


def _nodes(branches: Sequence[Branch]) -> list[tuple[int, int]]:
    """Node numbers of the start and end of each branch; branches that meet share a number."""
    ends = np.array([point for branch in branches for point in (branch.points_mm[0], branch.points_mm[-1])])
    number = np.arange(len(ends))
    for a, b in sorted(KDTree(ends).query_pairs(_SAME_NODE_MM)):
        number[number == number[b]] = number[a]
    return [(int(number[2 * k]), int(number[2 * k + 1])) for k in range(len(branches))]


def _inflows(branches: Sequence[Branch], nodes: Sequence[tuple[int, int]]) -> list[int]:
    """Free ends of wide arteries low in the head (LPS z points to the crown)."""
    met = np.bincount(np.array(nodes).ravel())
    heights = np.concatenate([branch.points_mm[:, 2] for branch in branches])
    highest_mm = float(heights.min() + _LOWER_SHARE * np.ptp(heights))
    found = []
    for branch, ends in zip(branches, nodes, strict=True):
        length_mm = float(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum())
        for node, point, radius_mm in (
            (ends[0], branch.points_mm[0], branch.radius_mm[:_END_POINTS]),
            (ends[1], branch.points_mm[-1], branch.radius_mm[-_END_POINTS:]),
        ):
            wide_mm = float(np.median(radius_mm))
            wide = wide_mm >= (_INFLOW_RADIUS_MM if length_mm >= _INFLOW_LENGTH_MM else _SURELY_WIDE_MM)
            if met[node] == 1 and wide and point[2] <= highest_mm:
                found.append(node)
    return found


def _territories(branches: Sequence[Branch], nodes: Sequence[tuple[int, int]], inflows: Sequence[int]) -> list[int]:
    """The number of the inflow that feeds each branch; -1 if none reaches it."""
    cost = [
        float((np.linalg.norm(np.diff(b.points_mm, axis=0), axis=1) / np.maximum(b.radius_mm[1:], _NARROWEST_MM)).sum())
        for b in branches
    ]
    at_node: dict[int, list[int]] = {}
    for index, ends in enumerate(nodes):
        for node in ends:
            at_node.setdefault(node, []).append(index)
    of_node: dict[int, int] = {}
    of_branch = [-1] * len(branches)
    waiting = [(0.0, node, number, -1) for number, node in enumerate(inflows)]
    heapq.heapify(waiting)
    while waiting:
        reached, node, number, by = heapq.heappop(waiting)
        if by >= 0 and of_branch[by] < 0:
            of_branch[by] = number
        if node in of_node:
            continue
        of_node[node] = number
        for index in at_node[node]:
            if of_branch[index] < 0:
                start, end = nodes[index]
                heapq.heappush(waiting, (reached + cost[index], end if start == node else start, number, index))
    return of_branch


def _rooted(branches: Sequence[Branch]) -> CenterlineTree:
    lines = [
        Polyline(points_mm=b.points_mm, radius_mm=b.radius_mm, name=b.name, vessel_class=b.vessel_class)
        for b in branches
    ]
    return tree_from_polylines(lines, shared_trunks=False)
