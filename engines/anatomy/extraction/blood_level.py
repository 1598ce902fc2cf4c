"""The brightness of contrast-filled blood in a CT, and the parts that are denser."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from scipy import ndimage
from skimage.measure import label

from calibration.errors import InputError
from engines.anatomy.working_grid import WorkingGrid

SOFT_TISSUE_HU = 60.0  # unenhanced muscle and brain
HOMOGENEOUS_HU = 60.0  # limit of the local standard deviation: a lumen varies by noise alone, marrow by its texture
_LOWEST_BLOOD_HU = 180.0  # liver and unenhanced blood lie below
_PEAK_SHARE = 0.1  # of the tallest peak: the liver may hold ten times more voxels than the aorta
_BIN_HU = 20.0
_BONE_MM3 = 300.0  # smaller dense spots are plaque or a stent, part of the vessel
_WITHIN_BLOOD_MM, _WITHIN_BLOOD_SHARE = 8.0, 0.35  # dense parts this deep in blood are stent grafts


def local_spread(hu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over 3 x 3 x 3 voxels."""
    mean = np.asarray(ndimage.uniform_filter(hu, 3))
    square = np.asarray(ndimage.uniform_filter(hu * hu, 3))
    return mean, np.sqrt(np.maximum(square - mean * mean, 0.0))


def blood_level(grid: WorkingGrid, highest_hu: float) -> float:
    """The brightest peak in the histogram of homogeneous voxels.

    Raises:
        InputError: no such peak.
    """
    mean, spread = local_spread(grid.hu)
    edges = np.arange(_LOWEST_BLOOD_HU, highest_hu + _BIN_HU, _BIN_HU)
    counts, _ = np.histogram(mean[spread < HOMOGENEOUS_HU], edges)
    smooth = np.convolve(np.pad(counts, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")
    inner = np.flatnonzero((smooth >= np.roll(smooth, 1)) & (smooth >= np.roll(smooth, -1)))
    # The first bin holds the flank of the liver or of unenhanced blood, no peak of its own.
    peaks = [bin_ for bin_ in inner if 0 < bin_ < len(smooth) - 1 and smooth[bin_] > 0]
    tallest = max((smooth[bin_] for bin_ in peaks), default=0.0)
    if tallest < 20:
        raise InputError(
            f"no contrast between {_LOWEST_BLOOD_HU:.0f} and {highest_hu:.0f} HU in this CT; "
            "give a CTA in Hounsfield units, or labels, surface or centerlines"
        )
    brightest = max(bin_ for bin_ in peaks if smooth[bin_] >= _PEAK_SHARE * tallest)
    return float(edges[brightest] + 0.5 * _BIN_HU)


def dense_parts(grid: WorkingGrid, blood_hu: float, *, above_hu: float) -> Bool[np.ndarray, "i j k"]:
    """Large parts far denser than blood (bone), except metal that lies within blood."""
    above = grid.hu > blood_hu + above_hu
    blood = (np.abs(grid.hu - blood_hu) < 0.25 * blood_hu).astype(np.float32)
    size = max(1, round(_WITHIN_BLOOD_MM / float(grid.spacing_mm.mean())))
    above &= np.asarray(ndimage.uniform_filter(blood, size)) < _WITHIN_BLOOD_SHARE
    parts = np.asarray(label(above))
    voxels = np.bincount(parts.ravel())
    voxels[0] = 0
    return (voxels * grid.voxel_mm3 >= _BONE_MM3)[parts]
