"""Centerlines of thick vessels as one path a vessel: a trunk, and a branch wherever a part sticks out of what is known.

Thinning gives a line for every bump of a wall: an aorta segmented from noise, or a crescent lumen beside a flap,
becomes a bush. Here paths run in the middle, each as long as possible, and claim the tube around them; what lies within
is wall, what sticks out far enough is a branch (after Sato et al. 2000, TEASAR).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.graph import MCP_Geometric
from skimage.measure import label

from engines.anatomy.centerlines.lumen_grid import centred_lines, lumen_grid
from engines.anatomy.centerlines.polyline import Polyline
from engines.anatomy.centerlines.skeleton_graph import VoxelPath

_TO_MIDDLE = 4.0  # power of depth by which a path prefers the middle
_MOST_BRANCHES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkLimits:
    """What counts as a branch.

    Args:
        claimed_radii, claimed_mm: a path claims everything within this many radii, and so much more.
        shortest_mm: of a branch outside of its parent; of a trunk, and so the least part that is one.
        narrowest_mm: least median radius of a branch.
    """

    claimed_radii: float = 1.5
    claimed_mm: float = 3.0
    shortest_mm: float = 12.0
    narrowest_mm: float = 1.0


def trunk_lines(
    mask: Bool[np.ndarray, "i j k"], lps_from_index: Float[np.ndarray, "4 4"], limits: TrunkLimits | None = None
) -> list[Polyline]:
    """The trunk of each connected part of a mask and its branches, ready to be joined to a tree."""
    limits = limits or TrunkLimits()
    grid = lumen_grid(mask, lps_from_index)
    if grid is None:
        return []
    parts = np.asarray(label(grid.inside > 0.5, connectivity=3))
    paths: list[VoxelPath] = []
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        # A margin of one voxel keeps the depth of voxels at the box's rim.
        outer = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        corner = np.array([side.start for side in outer])
        for points, branch in _paths_of_part(parts[outer] == number, grid.step_mm, limits):
            paths.append(VoxelPath(points=points + corner, start_is_free=not branch, end_is_free=True))
    return centred_lines(paths, grid)


def _paths_of_part(
    part: Bool[np.ndarray, "i j k"], step_mm: float, limits: TrunkLimits
) -> list[tuple[Float[np.ndarray, "n 3"], bool]]:
    """The trunk first, then branches, each from its parent outwards; and whether it is a branch."""
    depth = np.asarray(ndimage.distance_transform_edt(part)) - 0.5
    even = MCP_Geometric(np.where(part, 1.0, -1.0))
    begin = _farthest(even, np.argwhere(part)[:1])
    far, _ = even.find_costs([begin])
    end = _place(np.where(np.isfinite(far), far, -1.0))
    if float(far[end]) * step_mm < limits.shortest_mm:
        return []
    middle = MCP_Geometric(np.where(part, 1.0 + (depth.max() / np.maximum(depth, 0.5)) ** _TO_MIDDLE, -1.0))
    middle.find_costs([begin], [end])
    trunk = np.array(middle.traceback(end))
    found: list[tuple[np.ndarray, bool]] = [(trunk.astype(np.float64), False)]
    free = part & ~_claimed(trunk, depth, part, step_mm, limits)
    known = trunk
    while free.any() and len(found) <= _MOST_BRANCHES:
        far, _ = even.find_costs(known.tolist())
        tip = _place(np.where(free & np.isfinite(far), far, -1.0))
        if not free[tip] or float(far[tip]) * step_mm < limits.shortest_mm:
            break
        middle.find_costs(known.tolist(), [tip])
        path = np.array(middle.traceback(tip))
        outside = free[tuple(path.T)]
        length_mm = step_mm * float(np.linalg.norm(np.diff(path[outside], axis=0), axis=1).sum())
        wide_mm = step_mm * float(np.median(depth[tuple(path[outside].T)])) if outside.any() else 0.0
        claim = _claimed(path, depth, part, step_mm, limits)
        if length_mm >= limits.shortest_mm and wide_mm >= limits.narrowest_mm:
            found.append((path.astype(np.float64), True))
            known = np.concatenate([known, path])
        else:  # a bump: it is looked at once
            tips = np.asarray(label(free, connectivity=3))
            claim |= tips == tips[tip]
        free &= ~claim
    return found


def _farthest(search: MCP_Geometric, starts: Int[np.ndarray, "n 3"]) -> tuple[int, int, int]:
    far, _ = search.find_costs(starts.tolist())
    return _place(np.where(np.isfinite(far), far, -1.0))


def _place(values: Float[np.ndarray, "i j k"]) -> tuple[int, int, int]:
    i, j, k = np.unravel_index(int(values.argmax()), values.shape)
    return int(i), int(j), int(k)


def _claimed(
    path: Int[np.ndarray, "n 3"],
    depth: Float[np.ndarray, "i j k"],
    part: Bool[np.ndarray, "i j k"],
    step_mm: float,
    limits: TrunkLimits,
) -> Bool[np.ndarray, "i j k"]:
    """Voxels of the part within the path's tube."""
    index = np.argwhere(part)
    near, nearest = KDTree(path).query(index)
    reach = limits.claimed_radii * depth[tuple(path[nearest].T)] + limits.claimed_mm / step_mm
    claimed = np.zeros(part.shape, dtype=bool)
    claimed[tuple(index[near <= reach].T)] = True
    return claimed
