"""Arteries and veins of a head CTA.

The brain case is the space that bone surrounds. Vessels inside it are found by brightness and vessels of the neck as
tubes; paths through the skull base connect the two. Contrast level, noise and threshold are measured in the brain.

Arteries and veins are told apart by where they start (large superficial sinuses against the deep centre of the skull
base, as in DeepIterReg) and by how bright they stay along the way. Both are guesses, stored as labels that a person can
repaint.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from skimage.measure import label

from engines.anatomy.extraction.artery_vein import ARTERY, VEIN, arteries_and_veins, upper_or_back
from engines.anatomy.extraction.head import WALL_OF_AIR_MM, Head, deeper_than, near_air, read_head
from engines.anatomy.extraction.neck import tubes_below
from engines.anatomy.working_grid import (
    WorkingGrid,
    coarser,
    finer,
    grown,
    parts_of_at_least,
    parts_touching,
    thick_parts,
    within,
)

CEREBRAL_NAMES = {ARTERY: "cerebral arteries", VEIN: "cerebral veins"}

_VESSEL_MM3 = 15.0
_WALL_SHARE = 0.52  # share of the vessel's level above the brain's level
_SINUS_OUT_MM = 6.0  # how far sinuses reach into grooves of the skull's inner table
_THIN_SINUS_MM = 1.1


def cerebral_vessels(grid: WorkingGrid) -> UInt8[np.ndarray, "i j k"]:
    """Labels: 1 artery, 2 vein.

    Raises:
        InputError: no brain case in the volume, or no contrast in it.
    """
    head = read_head(grid)
    inside = _vessels_inside(grid, head)
    sinuses = _sinuses(grid, head, inside)
    walls = _half_maximum(grid, head, inside) | sinuses
    vessels = walls | tubes_below(grid, head, walls)
    return arteries_and_veins(grid, head, vessels)


def _vessels_inside(grid: WorkingGrid, head: Head) -> Bool[np.ndarray, "i j k"]:
    """Bright voxels of the brain case by hysteresis, without the bright rim along bone."""
    hu = grid.hu
    bright = (hu > head.lowest_hu) & ~head.bone & ~head.solid & head.cavity
    # Partial volume lines the skull's inner table with a bright sheet one voxel thick; a vessel there is thicker.
    core = bright & ~grown(head.bone, 1)
    bright &= grown(core, 1)
    sure = bright & (hu > head.brain_hu + 0.35 * (head.blood_hu - head.brain_hu))
    # The thin walls of air cells (frontal, sphenoid) lie within the brain's hull and are as bright as vessels.
    bright &= ~near_air(grid, WALL_OF_AIR_MM)
    vessels = parts_of_at_least(parts_touching(bright, sure), _VESSEL_MM3 / grid.voxel_mm3)
    parts = np.asarray(label(vessels, connectivity=3))
    size = np.bincount(parts.ravel())
    at_air = np.bincount(parts.ravel(), weights=near_air(grid, 2.0 * WALL_OF_AIR_MM).ravel()) / np.maximum(size, 1)
    return vessels & (at_air < 0.4)[parts]


def _half_maximum(grid: WorkingGrid, head: Head, vessels: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """Vessels cut at half of their own level, because bright vessels blur wider than faint ones."""
    level = ndimage.maximum_filter(np.where(vessels, grid.hu, head.brain_hu), 3)
    return vessels & (grid.hu > head.brain_hu + _WALL_SHARE * (np.minimum(level, head.blood_hu) - head.brain_hu))


def _sinuses(grid: WorkingGrid, head: Head, inside: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """Thick vessels at the skull's inner table, followed into its grooves while they stay equally bright."""
    thick = thick_parts(grid, inside, _THIN_SINUS_MM) & ~deeper_than(grid, head, 8.0) & upper_or_back(grid, head)
    if not thick.any():
        return thick
    level = _mode(grid.hu[thick], width_hu=max(10.0, head.noise_hu))
    alike = (grid.hu > head.brain_hu + 0.5 * (level - head.brain_hu)) & ~head.bone
    alike &= grid.hu < level + max(0.3 * level, 4.0 * head.noise_hu)
    near = within(coarser(head.cavity, (2, 2, 2)), _SINUS_OUT_MM, 2 * grid.spacing_mm)
    alike &= finer(near, (2, 2, 2), alike.shape)
    core = np.asarray(ndimage.binary_erosion(alike), dtype=bool) | (thick & alike)
    return parts_touching(alike & grown(core, 1), thick)


def _mode(values: Float[np.ndarray, " n"], width_hu: float) -> float:
    """The most frequent value, rounded to bins of this width."""
    counts, edges = np.histogram(values, np.arange(values.min(), values.max() + 2 * width_hu, width_hu))
    return float(edges[counts.argmax()] + 0.5 * width_hu)
