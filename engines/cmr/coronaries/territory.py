"""Which wall each artery feeds: minimum-cost paths from the arteries through the wall itself.

Paths run through myocardium alone, so the septum has depth and is reached from both grooves, and no path cuts across
the cavity (Malkasian 2018 shows in swine that such masses agree with perfusion where population segments do not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.graph import MCP_Geometric

from engines.cmr.coronaries.tree import VESSELS, TreeBranch, downstream_points, on_ventricle
from engines.cmr.heart.ct_heart import CtHeart

SHARED_MM = 5.0
_REACH_MM = 6.0  # from the lumen to the wall: a layer of fat
_GRID_MM = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Territories:
    """Territory of every wall voxel of the working grid, in the order of `np.argwhere(lv_wall)`.

    Args:
        points_mm: (n, 3) LPS.
        vessel: (n,) 1 LAD, 2 LCx, 3 RCA; 0 where no artery reaches.
        distance_mm: (3, n) way through the wall from LAD, LCx and RCA; infinite where one does not reach.
        margin_mm: (n,) how much farther the second nearest vessel is.
        sources: per branch, which points feed the LV.
    """

    points_mm: Float[np.ndarray, "n 3"]
    vessel: Int[np.ndarray, " n"]
    distance_mm: Float[np.ndarray, "3 n"]
    margin_mm: Float[np.ndarray, " n"]
    sources: tuple[Bool[np.ndarray, " m"], ...]

    @property
    def shared(self) -> Bool[np.ndarray, " n"]:
        return self.margin_mm < SHARED_MM


class WallPaths:
    """Distances through the wall, on a grid fine enough for territories."""

    def __init__(self, heart: CtHeart) -> None:
        wall = heart.masks["lv_wall"]
        self.points_mm = heart.points_mm(wall)
        self.blocks = np.maximum(1, np.round(_GRID_MM / heart.spacing_mm)).astype(int)
        pad = [(0, int(-n % b)) for n, b in zip(wall.shape, self.blocks, strict=True)]
        padded = np.pad(wall, pad)
        shape = [int(n) for size, block in zip(padded.shape, self.blocks, strict=True) for n in (size // block, block)]
        coarse = padded.reshape(shape).mean(axis=(1, 3, 5)) > 0.25
        parts, _ = ndimage.label(coarse, np.ones((3, 3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        self.wall = parts == sizes.argmax()
        self.spacing = tuple((self.blocks * heart.spacing_mm).tolist())
        index = np.argwhere(self.wall)
        fine = index * self.blocks + 0.5 * (self.blocks - 1)
        self.index = index
        self.nodes = KDTree(fine @ heart.lps_from_index[:3, :3].T + heart.lps_from_index[:3, 3])
        self.cost = np.where(self.wall, 1.0, -1.0)
        _, nearest = self.nodes.query(self.points_mm)
        self.node_of_voxel = nearest
        self._known: dict[bytes, Float[np.ndarray, " nodes"]] = {}

    def distance(self, sources_mm: Float[np.ndarray, "s 3"]) -> Float[np.ndarray, " n"]:
        """Shortest way through the wall from the nearest source to every wall voxel, mm; infinite without sources."""
        if not len(sources_mm):
            return np.full(len(self.points_mm), np.inf)
        _, node = self.nodes.query(sources_mm)
        nodes = np.unique(node)
        key = nodes.tobytes()
        if key not in self._known:  # a corrected tree keeps most of its vessels
            starts = [tuple(int(v) for v in self.index[k]) for k in nodes]
            costs, _ = MCP_Geometric(self.cost, sampling=self.spacing).find_costs(starts)
            self._known[key] = np.asarray(costs)[tuple(self.index.T)]
        return self._known[key][self.node_of_voxel]


def territories(paths: WallPaths, tree: Sequence[TreeBranch]) -> Territories:
    wall = KDTree(paths.points_mm)
    sources = tuple(on_ventricle(part.branch, wall, _REACH_MM) & (part.vessel != "") for part in tree)
    distances = np.stack(
        [
            paths.distance(
                _points(tree, [mask & (part.vessel == vessel) for mask, part in zip(sources, tree, strict=True)])
            )
            for vessel in VESSELS
        ]
    )
    order = np.sort(distances, axis=0)
    reached = np.isfinite(order[0])
    with np.errstate(invalid="ignore"):
        margin = np.where(np.isfinite(order[1]), order[1] - order[0], np.inf)
    return Territories(
        points_mm=paths.points_mm,
        vessel=np.where(reached, distances.argmin(axis=0) + 1, 0),
        distance_mm=distances,
        margin_mm=np.where(reached, margin, 0.0),
        sources=sources,
    )


def subtended(
    paths: WallPaths, tree: Sequence[TreeBranch], found: Territories, branch: int, point: int
) -> Bool[np.ndarray, " n"]:
    """Wall voxels whose nearest feeding point lies beyond a point of the tree."""
    beyond = downstream_points(tree, branch, point)
    behind = _points(tree, [mask & far for mask, far in zip(found.sources, beyond, strict=True)])
    ahead = _points(tree, [mask & ~far for mask, far in zip(found.sources, beyond, strict=True)])
    return paths.distance(behind) < paths.distance(ahead)


def _points(tree: Sequence[TreeBranch], masks: Sequence[np.ndarray]) -> Float[np.ndarray, "s 3"]:
    return np.concatenate([part.branch.points_mm[mask] for part, mask in zip(tree, masks, strict=True)])
