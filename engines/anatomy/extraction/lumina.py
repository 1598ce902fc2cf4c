"""Which voxels of a dissected aorta belong to which lumen, by the level of both nearby."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import KDTree

from engines.anatomy.extraction.blood_level import SOFT_TISSUE_HU
from engines.anatomy.extraction.tube_tracker import TubeWalk
from engines.anatomy.working_grid import WorkingGrid, closed, grown, largest_part, opened, parts_of_at_least

_SMOOTH_VOXELS = 0.8
_STRETCH_MM = 12.0  # of the aorta, over which a lumen's level is measured: contrast fades along it
_FEWEST_VOXELS = 30
_ISLAND_MM3 = 400.0
_GAP_MM = 3.0
_THICK_MM = 3.0
_ROUNDS = 8
_LEAST_STEP_HU, _LEAST_STEP_SHARE = 40.0, 0.22  # between the levels, and of the contrast; less is noise


def parted_lumina(
    grid: WorkingGrid, lumen: Bool[np.ndarray, "i j k"], false_lumen: Bool[np.ndarray, "i j k"], walk: TubeWalk
) -> tuple[Bool[np.ndarray, "i j k"], Bool[np.ndarray, "i j k"]]:
    """Both lumina parted anew half way between their levels; unchanged where no false lumen is seen.

    One threshold for a whole aorta puts noisy voxels of a bright false lumen into the true one.
    """
    if not false_lumen.any():
        return lumen, false_lumen
    # Noise leaves holes where a bright false lumen lies about the threshold.
    both = closed(lumen | false_lumen, _GAP_MM, grid.spacing_mm) & (grid.hu > SOFT_TISSUE_HU)
    weight = np.maximum(ndimage.gaussian_filter(both.astype(np.float32), _SMOOTH_VOXELS), 1e-6)
    smooth = ndimage.gaussian_filter(np.where(both, grid.hu, 0.0), _SMOOTH_VOXELS) / weight
    index = np.argwhere(both)
    at = np.asarray(KDTree(walk.points_mm).query(index * grid.spacing_mm)[1])
    values, was_false = smooth[tuple(index.T)], false_lumen[tuple(index.T)]
    # Where the false lumen is nearly as bright as the true one, no part of it is known yet.
    middle_hu = 0.5 * (np.median(values[~was_false]) + np.median(values[was_false]))
    threshold = _thresholds(values, was_false | (values < middle_hu), at, walk)[at]
    known = np.isfinite(threshold)
    false = np.where(known, values < threshold, was_false)
    mask = np.zeros(both.shape, dtype=bool)
    mask[tuple(index[~false].T)] = True
    # A lumen is one; islands of noise belong to the other.
    true = largest_part(mask)
    rest = both & ~true
    # Blur dims the rim of the true lumen; a false lumen is thicker than a rim.
    thick = parts_of_at_least(opened(rest, grid.steps(_THICK_MM)), _ISLAND_MM3 / grid.voxel_mm3)
    rest &= grown(thick, 1)
    return both & ~rest, rest


def _thresholds(
    values: Float[np.ndarray, " n"], was_false: Bool[np.ndarray, " n"], at: np.ndarray, walk: TubeWalk
) -> Float[np.ndarray, " m"]:
    """Half way between the lumina's levels at each point of the walk; NaN where one of them is missing."""
    reach = max(1, round(_STRETCH_MM / max(walk.step_mm, 1e-3)))
    found = np.full(len(walk.points_mm), np.nan)
    for number in range(len(found)):
        near = np.abs(at - number) <= reach
        here, false = values[near], was_false[near]
        for _ in range(_ROUNDS):
            if min(int(false.sum()), int((~false).sum())) < _FEWEST_VOXELS:
                break
            true_hu, false_hu = float(np.median(here[~false])), float(np.median(here[false]))
            if true_hu - false_hu < max(_LEAST_STEP_HU, _LEAST_STEP_SHARE * (true_hu - SOFT_TISSUE_HU)):
                break
            found[number] = 0.5 * (true_hu + false_hu)
            false = here < found[number]
    return found
