"""Automatic extraction of vessels from a contrast CTA, as labels that a person can correct."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.extraction.aorta import AORTA_NAMES, aorta_vessels
from engines.anatomy.extraction.cerebral import CEREBRAL_NAMES, cerebral_vessels
from engines.anatomy.extraction.coronary import CORONARY_NAMES, coronary_vessels
from engines.anatomy.vessel_model import CtVolume, LabelVolume
from engines.anatomy.working_grid import WorkingGrid, averaged

_GRID_MM = {"tavi": 1.5, "coronary": 0.5, "evt": 1.0}  # voxels are averaged to about this size
_COARSEST_MM = {"tavi": 4.0, "coronary": 1.3, "evt": 2.0}  # larger voxels do not show these vessels
_HIGHEST_BLOOD_HU = 700.0
_FINER_WALL_SHARE = 0.5


def extract_vessels(ct: CtVolume, kind: str) -> LabelVolume:
    """Label the contrast-filled vessels; aortas on a grid of about 1.5 mm, thinner vessels on that of the CT.

    Raises:
        InputError: the voxels are too coarse for the kind, the CT shows another part of the body or no contrast, or
            no vessel is found.
    """
    if reason := too_coarse(max(ct.spacing_mm), kind):
        raise InputError(reason)
    grid = averaged(ct, _GRID_MM[kind])
    if kind == "tavi":
        labels, names = aorta_vessels(grid, _HIGHEST_BLOOD_HU), AORTA_NAMES
    elif kind == "coronary":
        labels, names = coronary_vessels(grid, _HIGHEST_BLOOD_HU), CORONARY_NAMES
    else:
        labels, names = cerebral_vessels(grid), CEREBRAL_NAMES
        if grid.blocks != (1, 1, 1):
            return _refined(ct, grid, labels, names)
    return _named(labels, grid.lps_from_index, names)


def too_coarse(coarsest_mm: float, kind: str) -> str:
    """Why vessels cannot be found in voxels of this size; "" where they can."""
    if coarsest_mm <= _COARSEST_MM[kind]:
        return ""
    return (
        f"voxels of {coarsest_mm:.1f} mm are too coarse to find the vessels of a case for {kind}, at most "
        f"{_COARSEST_MM[kind]:g} mm; give thin slices, or labels, surface or centerlines"
    )


def _named(labels: UInt8[np.ndarray, "i j k"], lps_from_index: np.ndarray, names: dict[int, str]) -> LabelVolume:
    present = set(np.unique(labels[labels > 0]).tolist())
    return LabelVolume(
        labels=labels,
        lps_from_index=lps_from_index,
        names={number: name for number, name in names.items() if number in present},
    )


def _refined(ct: CtVolume, grid: WorkingGrid, labels: UInt8[np.ndarray, "i j k"], names: dict[int, str]) -> LabelVolume:
    """Labels on the CT's own voxels, with walls at half of the vessel's level; only the surroundings are searched."""
    vessels = labels > 0
    tissue_hu = float(
        np.median(grid.hu[np.asarray(ndimage.binary_dilation(vessels, iterations=4), dtype=bool) & ~vessels])
    )
    level = ndimage.maximum_filter(np.where(vessels, grid.hu, tissue_hu), 3)
    nearest = ndimage.maximum_filter(labels, 3)
    index = np.argwhere(ndimage.binary_dilation(vessels, structure=np.ones((3, 3, 3))))
    fine = np.zeros(ct.voxels_hu.shape, dtype=np.uint8)
    own = labels[tuple(index.T)]
    own = np.where(own > 0, own, nearest[tuple(index.T)])
    wall_hu = tissue_hu + _FINER_WALL_SHARE * (level[tuple(index.T)] - tissue_hu)
    for corner in np.ndindex(grid.blocks):
        place = tuple((index * np.array(grid.blocks) + corner).T)
        fine[place] = np.where(ct.voxels_hu[place] > wall_hu, own, 0)
    return _named(fine, ct.lps_from_index, names)
