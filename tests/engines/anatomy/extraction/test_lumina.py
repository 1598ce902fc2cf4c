"""Lumina are parted by the levels nearby, so that fading contrast and noise do not mix them."""

import numpy as np

from engines.anatomy.extraction.lumina import parted_lumina
from engines.anatomy.extraction.tube_tracker import walk_tube
from engines.anatomy.working_grid import WorkingGrid

SHAPE = (40, 40, 60)


def _aorta(false_hu=None):
    """A tube of 14 mm; the true lumen, left of the flap, fades from 480 to 300 HU, the false one from 330 to 150."""
    rng = np.random.default_rng(3)
    i, j, k = np.indices(SHAPE)
    tube, left = np.hypot(i - 20, j - 20) < 14, i < 20
    fading = 180.0 * k / SHAPE[2]
    level = np.where(left, 480.0 - fading, (330.0 - fading) if false_hu is None else false_hu - fading)
    hu = np.where(tube, level, 50.0) + rng.normal(0, 20, SHAPE)
    grid = WorkingGrid(hu=hu.astype(np.float32), lps_from_index=np.diag([1.0, 1.0, 1.0, 1.0]), blocks=(1, 1, 1))
    walk = walk_tube(
        tube, grid.spacing_mm, np.array([20.0, 20.0, 30.0]), np.array([0.0, 0.0, 1.0]), 14.0, narrowest_mm=3.0
    )
    return grid, tube, tube & left, walk


def test_a_fixed_threshold_is_corrected_by_the_levels_nearby():
    grid, tube, true, walk = _aorta()
    bright = tube & (grid.hu > 270.0)
    found, false = parted_lumina(grid, bright, tube & ~bright, walk)
    before = (bright == true)[tube].mean()
    after = (found == true)[tube].mean()
    assert before < 0.9
    assert after > 0.94
    assert not (found & false).any()


def test_one_lumen_stays_whole():
    grid, tube, _, walk = _aorta(false_hu=480.0)
    found, false = parted_lumina(grid, tube, np.zeros(SHAPE, dtype=bool), walk)
    assert found is tube
    assert not false.any()
