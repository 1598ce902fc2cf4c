"""Coronary arteries of a cardiac CTA: thin bright vessels connected to the aorta, without aorta and chambers."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import ball

from calibration.errors import InputError
from engines.anatomy.extraction.blood_level import (
    HOMOGENEOUS_HU,
    SOFT_TISSUE_HU,
    blood_level,
    dense_parts,
    local_spread,
)
from engines.anatomy.working_grid import WorkingGrid

CORONARY_NAMES = {1: "coronary arteries"}

_BONE_MM3 = 300.0
_BONE_RIM_MM = 1.6  # partial volume around bone is as bright as blood
_THICK_BONE_MM = 2.5  # half the thickness of bone that is surely bone
_CHAMBER_RADIUS_MM = 4.0  # thicker than any coronary, thinner than aorta and heart chambers
_OPENING_MM = 1.5  # bone and vessel are separated where they join by less than twice this
_HOMOGENEOUS_SHARE = 0.3  # share of a large component's voxels that look like blood
_SMALLEST_MM3 = 100.0


def coronary_vessels(grid: WorkingGrid, highest_blood_hu: float) -> UInt8[np.ndarray, "i j k"]:
    """Labels: 1 coronary arteries.

    Raises:
        InputError: there is no contrast, no chamber or aorta, or no thin vessel connected to them.
    """
    hu = grid.hu
    mean, spread = local_spread(hu)
    blood_hu = blood_level(grid, highest_blood_hu)
    bright = hu > 0.5 * (blood_hu + SOFT_TISSUE_HU)
    looks_like_blood = (spread < HOMOGENEOUS_HU) & (np.abs(mean - blood_hu) < 0.25 * blood_hu)
    dense = dense_parts(grid, blood_hu, above_hu=200.0)
    parts = np.asarray(label(_opened(bright & ~dense, grid.steps(_OPENING_MM))))
    size = np.bincount(parts.ravel())
    share = np.bincount(parts.ravel(), weights=looks_like_blood.ravel()) / np.maximum(size, 1)
    is_large = size * grid.voxel_mm3 >= _BONE_MM3
    is_vessel = is_large & (share >= _HOMOGENEOUS_SHARE)
    is_bone = is_large & ~is_vessel
    # A thin vessel is all edge and never homogeneous, so only thick parts can be recognised as bone.
    thick = _opened(parts > 0, grid.steps(_THICK_BONE_MM))
    is_bone &= np.bincount(parts[thick], minlength=len(size)) > 0
    is_vessel[0] = is_bone[0] = False
    large = is_vessel[parts]
    if not large.any():
        raise InputError(
            f"no large contrast-filled vessel found at {blood_hu:.0f} HU; give a cardiac CTA, or the vessels as "
            "labels, surface or centerlines"
        )
    bone = np.asarray(ndimage.binary_dilation(is_bone[parts] | dense, iterations=grid.steps(_BONE_RIM_MM)), dtype=bool)
    candidates = bright & (large | ~bone)
    vessels = _thin_parts(_hanging_together(candidates, large, grid.voxel_mm3), grid)
    if not vessels.any():
        raise InputError(f"no coronary artery is left at {blood_hu:.0f} HU beside the chambers; give labels")
    return vessels.astype(np.uint8)


def _opened(mask: Bool[np.ndarray, "i j k"], radius: int) -> Bool[np.ndarray, "i j k"]:
    # Plain erosion steps and one ball-shaped dilation: far cheaper than a large ball and nearly as round.
    eroded = ndimage.binary_erosion(mask, iterations=radius)
    return np.logical_and(ndimage.binary_dilation(eroded, structure=ball(1), iterations=radius + 1), mask)


def _hanging_together(
    candidates: Bool[np.ndarray, "i j k"], large: Bool[np.ndarray, "i j k"], voxel_mm3: float
) -> Bool[np.ndarray, "i j k"]:
    parts = np.asarray(label(candidates, connectivity=3))
    keep = np.bincount(parts.ravel()) * voxel_mm3 >= _SMALLEST_MM3
    touched = np.bincount(parts[large], minlength=len(keep)) * voxel_mm3
    # Other vessels as bright as the aorta (a vena cava with early contrast) are far smaller than the main tube.
    keep &= touched >= 0.2 * touched[1:].max(initial=1.0)
    keep[0] = False
    return keep[parts]


def _thin_parts(vessels: Bool[np.ndarray, "i j k"], grid: WorkingGrid) -> Bool[np.ndarray, "i j k"]:
    """The coronaries without aorta and chambers, because angiograms show the coronaries alone."""
    chambers = np.asarray(ndimage.binary_dilation(_opened(vessels, grid.steps(_CHAMBER_RADIUS_MM)), iterations=1),
                          dtype=bool)  # fmt: skip
    thin = vessels & ~chambers
    parts = np.asarray(label(thin, connectivity=3))
    keep = np.bincount(parts.ravel()) * grid.voxel_mm3 >= _SMALLEST_MM3
    keep[0] = False
    return keep[parts]
