"""Coronary branches with their place in the tree and the vessel whose territory they feed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.reading.coronaries import CoronaryBranch

VESSELS = ("LAD", "LCx", "RCA")
_JOINS_MM = 5.0
_LEFT_MAIN = re.compile(r"^(lm|lmca|lmt|left[ _-]?main.*|main[ _-]?stem)$", re.IGNORECASE)
# Side branches whose vessel follows from where they spring come after the trunks.
_TRUNKS = (
    ("LAD", re.compile(r"lad|anterior[ _-]?desc|\bd\d?\b|diag|sept", re.IGNORECASE)),
    ("LCx", re.compile(r"lcx|\bcx|circ|\bom\d?\b|obtuse|ramus|\bri\b|interm", re.IGNORECASE)),
    ("RCA", re.compile(r"rca|right|acute|\bam\d?\b|conus", re.IGNORECASE)),
)
_POSTERIOR = re.compile(r"pda|pdb|\bpd\b|\bpl|plv|plb|posterior|inferior", re.IGNORECASE)
# Where trunks lie about the long axis: degrees from the direction of the septum towards the anterior wall.
_USUAL_DEG = {"LAD": 62.0, "LCx": 165.0, "RCA": -40.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TreeBranch:
    """A branch in its tree.

    Args:
        branch: as drawn.
        name: as in the file, or as labelled.
        vessel: LAD, LCx, RCA, or "" for a left main.
        parent: index of the branch that it springs from, -1 for a root.
        parent_point: index of the parent's point there.
        labelled: named by the program, not by the file.
        hidden: taken out by a reader; it stays in its place in the tree and feeds nothing.
    """

    branch: CoronaryBranch
    name: str
    vessel: str
    parent: int
    parent_point: int
    labelled: bool
    hidden: bool = False


def coronary_tree(branches: Sequence[CoronaryBranch], frame: LvFrame) -> tuple[TreeBranch, ...]:
    """Join branches by their origins and give each a vessel: by name, by parent, else by anatomy."""
    parents = [_parent(branches, index) for index in range(len(branches))]
    named = [_by_name(branch.name) for branch in branches]
    if not any(vessel in VESSELS for vessel in named):
        named = _by_anatomy(branches, parents, frame)
    vessels = list(named)
    for _ in range(len(branches)):  # a side branch belongs to whatever feeds it, wherever its name would put it
        for index, branch in enumerate(branches):
            parent = parents[index][0]
            if parent < 0 or vessels[parent] not in VESSELS:
                continue
            if vessels[index] is None or _POSTERIOR.search(branch.name):
                vessels[index] = vessels[parent]
    nearest = [usual_vessel(branch.points_mm, frame) for branch in branches]
    found = []
    for index, branch in enumerate(branches):
        vessel = vessels[index]
        if vessel is None:
            vessel = "RCA" if _POSTERIOR.search(branch.name) else nearest[index]
        trunk = parents[index][0] < 0 or vessels[parents[index][0]] != vessel
        name = branch.name or (vessel if trunk else f"{vessel} branch") or "LM"
        found.append(
            TreeBranch(
                branch=branch,
                name=name,
                vessel=vessel,
                parent=parents[index][0],
                parent_point=parents[index][1],
                labelled=not branch.name,
            )
        )
    return tuple(found)


def downstream_points(tree: Sequence[TreeBranch], branch: int, point: int) -> list[Bool[np.ndarray, " n"]]:
    """For every branch, which of its points lie beyond a point of one of them."""
    beyond = [np.zeros(len(part.branch.points_mm), dtype=bool) for part in tree]
    beyond[branch][point:] = True
    waiting = [branch]
    done = {branch}
    while waiting:
        above = waiting.pop()
        for index, part in enumerate(tree):
            if part.parent == above and index not in done and beyond[above][part.parent_point]:
                beyond[index][:] = True
                done.add(index)
                waiting.append(index)
    return beyond


def _parent(branches: Sequence[CoronaryBranch], index: int) -> tuple[int, int]:
    """The branch on which this one's origin lies, and where; (-1, 0) for a root."""
    origin = branches[index].points_mm[0]
    best = (np.inf, -1, 0)
    for other, branch in enumerate(branches):
        if other == index:
            continue
        far = np.linalg.norm(branch.points_mm - origin, axis=1)
        point = int(far.argmin())
        # Two branches may begin at one point, the end of a third: neither springs from the other.
        if point == 0 and len(branch.points_mm) > 1 and branch.along_mm[-1] > 2.0:
            continue
        if far[point] < best[0]:
            best = (float(far[point]), other, point)
    if best[0] > _JOINS_MM:
        return -1, 0
    return best[1], best[2]


def _by_name(name: str) -> str | None:
    if not name:
        return None
    if _LEFT_MAIN.match(name):
        return ""
    if _POSTERIOR.search(name) and not re.search(r"desc.*ant|lad|lcx|rca", name, re.IGNORECASE):
        return None
    words = name.replace("_", " ").replace("-", " ")
    return next((vessel for vessel, pattern in _TRUNKS if pattern.search(words)), None)


def usual_vessel(points_mm: Float[np.ndarray, "n 3"], frame: LvFrame) -> str:
    """The vessel that usually runs on this side of the left ventricle."""
    return min(VESSELS, key=lambda vessel: _distance_deg(points_mm, frame, vessel))


def _distance_deg(points: Float[np.ndarray, "n 3"], frame: LvFrame, vessel: str) -> float:
    _, _, angle = frame.local(points)
    apart = np.angle(np.exp(1j * (angle - np.deg2rad(_USUAL_DEG[vessel]))))
    return float(np.rad2deg(np.abs(apart)).mean())


def _by_anatomy(branches: Sequence[CoronaryBranch], parents: list[tuple[int, int]], frame: LvFrame) -> list[str | None]:
    """Trunks by where they run; a short root that others spring from at its end is the left main."""
    vessels: list[str | None] = [None] * len(branches)
    mains = {
        index
        for index, branch in enumerate(branches)
        if parents[index][0] < 0
        and branch.along_mm[-1] < 25.0
        and sum(parent == index and point > 0.7 * len(branch.points_mm) for parent, point in parents) >= 2
    }
    for index in mains:
        vessels[index] = ""
    trunks = [
        index
        for index in range(len(branches))
        if index not in mains and (parents[index][0] < 0 or parents[index][0] in mains)
    ]
    if not trunks:
        return vessels
    cost = np.array([[trunk_cost(branches[k].points_mm, frame, vessel) for vessel in VESSELS] for k in trunks])
    rows, columns = linear_sum_assignment(cost)
    for row, column in zip(rows, columns, strict=True):
        vessels[trunks[row]] = VESSELS[column]
    for row, index in enumerate(trunks):
        if vessels[index] is None:
            vessels[index] = VESSELS[int(cost[row].argmin())]
    return vessels


def trunk_cost(points_mm: Float[np.ndarray, "n 3"], frame: LvFrame, vessel: str) -> float:
    """How unlike the trunk of a vessel a line runs, in degrees about the long axis and what weighs as much."""
    level, radius, _ = frame.local(points_mm)
    cost = _distance_deg(points_mm, frame, vessel)
    deepest = float(level.min())
    if vessel == "LAD":
        cost += 60.0 * max(0.0, deepest - 0.35)  # it alone runs down to the apex
    elif vessel == "RCA":
        cost += 0.8 * max(0.0, 45.0 - float(np.percentile(radius, 80)))  # round the right ventricle, far from the axis
    else:
        cost += 40.0 * max(0.0, 0.5 - deepest)
    length_mm = float(np.linalg.norm(np.diff(points_mm, axis=0), axis=1).sum())
    return cost - 0.12 * min(length_mm, 100.0)


def on_ventricle(branch: CoronaryBranch, wall_points: KDTree, reach_mm: float) -> Bool[np.ndarray, " n"]:
    """Points of a branch that lie on the LV: within their own radius and a layer of fat of its wall."""
    far, _ = wall_points.query(branch.points_mm)
    radius = np.where(np.isfinite(branch.radius_mm), branch.radius_mm, 1.0)
    return far <= reach_mm + radius
