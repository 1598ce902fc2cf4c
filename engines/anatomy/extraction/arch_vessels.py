"""The arteries of the arch: narrow bright tubes that spring from its top."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from skimage.measure import label, regionprops

from engines.anatomy.extraction.tube_tracker import TubeWalk, inside_walk, walk_tube
from engines.anatomy.working_grid import WorkingGrid, parts_touching

_BRANCH_RADIUS_MM = 7.5
_SHORTEST_BRANCH_MM = 12.0


def arch_vessels(
    grid: WorkingGrid,
    bright: Bool[np.ndarray, "i j k"],
    aorta: Bool[np.ndarray, "i j k"],
    walk: TubeWalk,
) -> Bool[np.ndarray, "i j k"]:
    """Narrow bright tubes that spring from the top of the arch."""
    up = grid.lps_from_index[2, :3] / np.linalg.norm(grid.lps_from_index[2, :3])
    heights_mm = walk.points_mm @ up
    top = int(np.argmax(heights_mm))
    if top in (0, len(heights_mm) - 1):  # no arch: the walk ends at the top of the volume
        return np.zeros(bright.shape, dtype=bool)
    arch = np.flatnonzero(heights_mm > heights_mm[top] - 15.0)
    found = np.zeros(bright.shape, dtype=bool)
    for start, radius_mm in _branch_roots(grid, bright & ~aorta, aorta, walk.points_mm[arch], up):
        branch = walk_tube(bright & ~aorta, grid.spacing_mm, start, up, radius_mm, narrowest_mm=1.5)
        if branch.length_mm < _SHORTEST_BRANCH_MM or branch.radius_mm.max() > _BRANCH_RADIUS_MM:
            continue
        index = np.argwhere(bright)
        own = index[inside_walk(branch, index * grid.spacing_mm, slack_mm=0.5 * float(grid.spacing_mm.max()))]
        found[tuple(own.T)] = True
    return parts_touching(found & ~aorta, np.asarray(ndimage.binary_dilation(aorta, iterations=3), dtype=bool))


def _branch_roots(
    grid: WorkingGrid,
    free: Bool[np.ndarray, "i j k"],
    aorta: Bool[np.ndarray, "i j k"],
    arch_mm: Float[np.ndarray, "n 3"],
    up: Float[np.ndarray, " 3"],
) -> list[tuple[Float[np.ndarray, " 3"], float]]:
    """Position and width of the round spots in a thin shell above the arch."""
    shell = np.asarray(ndimage.distance_transform_edt(~aorta, sampling=grid.spacing_mm))
    spots = free & (shell > 4.0) & (shell < 8.0)
    roots = []
    for part in regionprops(np.asarray(label(spots, connectivity=1))):
        centre = np.array(part.centroid)
        far_mm = np.linalg.norm(arch_mm - centre * grid.spacing_mm, axis=1)
        above_mm = float((centre * grid.spacing_mm - arch_mm[far_mm.argmin()]) @ up)
        radius_mm = float(np.sqrt(part.area * grid.voxel_mm3 / 4.0 / np.pi))
        if above_mm > 4.0 and 1.5 < radius_mm < 1.5 * _BRANCH_RADIUS_MM:
            roots.append((centre, min(radius_mm, _BRANCH_RADIUS_MM)))
    return roots
