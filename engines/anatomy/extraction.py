"""Vessels from a contrast CTA without a person: a basic extraction that says where it does not fit.

The contrast level is read from the histogram of homogeneous voxels, the threshold follows from it, bone goes by its
density and texture, and what hangs together with large homogeneous blood stays. Veins are not told from arteries,
and heart chambers that are as bright as the aorta stay with it: both are for a person to correct.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import ball

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume, LabelVolume

_SOFT_TISSUE_HU = 60.0  # unenhanced muscle and brain
_LOWEST_BLOOD_HU, _HIGHEST_BLOOD_HU = 180.0, 900.0  # below: liver and unenhanced blood; above: bone
_HOMOGENEOUS_HU = 60.0  # local standard deviation; lumen is noise, marrow is texture
_BONE_ABOVE_BLOOD_HU = 200.0
_PEAK_SHARE = 0.1  # of the tallest peak: the liver may hold ten times more voxels than the aorta
_BONE_MM3 = 300.0  # smaller dense spots are plaque or a stent, part of the vessel


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """How one kind of case is extracted."""

    grid_mm: float  # voxels are averaged to about this size
    opening_mm: float  # bridges thinner than this part bone from vessel
    homogeneous_share: float  # of a large component's voxels that look like blood
    keep_loose: bool  # vessels that do not hang on a large one
    smallest_mm3: float
    names: dict[int, str]


_RECIPES = {
    "tavi": _Recipe(grid_mm=1.0, opening_mm=2.0, homogeneous_share=0.3, keep_loose=False, smallest_mm3=1000.0,
                    names={1: "aorta"}),
    "coronary": _Recipe(grid_mm=0.5, opening_mm=1.5, homogeneous_share=0.3, keep_loose=False, smallest_mm3=100.0,
                        names={1: "aorta", 2: "coronary arteries"}),
    "evt": _Recipe(grid_mm=0.5, opening_mm=1.0, homogeneous_share=0.15, keep_loose=True, smallest_mm3=20.0,
                   names={1: "cerebral arteries"}),
}  # fmt: skip
_AORTA_RADIUS_MM = 4.0  # thicker than any coronary, thinner than any aorta


def extract_vessels(ct: CtVolume, kind: str) -> LabelVolume:
    """Label the contrast-filled vessels; the grid is at most as fine as the kind needs.

    Raises:
        InputError: no contrast in the volume, or nothing left after bone removal.
    """
    recipe = _RECIPES[kind]
    hu, lps_from_index = _averaged(ct, recipe.grid_mm)
    spacing_mm = np.linalg.norm(lps_from_index[:3, :3], axis=0)
    voxel_mm3 = float(np.prod(spacing_mm))
    mean, deviation = _local_statistics(hu)
    blood_hu = _blood_level(mean, deviation)
    bright = hu > 0.5 * (blood_hu + _SOFT_TISSUE_HU)
    looks_like_blood = (deviation < _HOMOGENEOUS_HU) & (np.abs(mean - blood_hu) < 0.25 * blood_hu)
    dense = _components_above(hu > blood_hu + _BONE_ABOVE_BLOOD_HU, _BONE_MM3 / voxel_mm3)

    opening = max(1, round(recipe.opening_mm / float(spacing_mm.min())))
    parts = np.asarray(label(_opened(bright & ~dense, opening)))
    size = np.bincount(parts.ravel())
    share = np.bincount(parts.ravel(), weights=looks_like_blood.ravel()) / np.maximum(size, 1)
    is_large = size * voxel_mm3 >= max(recipe.smallest_mm3, _BONE_MM3)
    is_vessel = is_large & (share >= recipe.homogeneous_share)
    is_vessel[0] = False
    is_bone = is_large & ~is_vessel
    is_bone[0] = False
    large = is_vessel[parts]
    if not large.any() and not recipe.keep_loose:
        raise InputError(
            f"no large contrast-filled vessel found at {blood_hu:.0f} HU; give the vessels as labels, surface or "
            "centerlines"
        )
    bone = np.asarray(ndimage.binary_dilation(is_bone[parts] | dense, iterations=2), dtype=bool)
    vessels = _hanging_together(np.logical_and(bright, np.logical_or(large, ~bone)), large, recipe, voxel_mm3)
    if not vessels.any():
        raise InputError(f"nothing is left of the vessels at {blood_hu:.0f} HU after bone removal; give labels")
    return LabelVolume(
        labels=_named(vessels, kind, float(spacing_mm.min())), lps_from_index=lps_from_index, names=dict(recipe.names)
    )


def _averaged(ct: CtVolume, grid_mm: float) -> tuple[Float[np.ndarray, "i j k"], Float[np.ndarray, "4 4"]]:
    """Means of whole blocks of voxels; a block of one changes nothing."""
    blocks = np.maximum(1, np.floor(grid_mm / np.array(ct.spacing_mm) + 1e-3)).astype(int)
    blocks = np.minimum(blocks, ct.voxels_hu.shape)
    counts = np.array(ct.voxels_hu.shape) // blocks
    cut = ct.voxels_hu[tuple(slice(0, int(n)) for n in counts * blocks)]
    shape = [int(size) for pair in zip(counts, blocks, strict=True) for size in pair]
    hu = cut.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)
    index_from_block = np.diag([*blocks.astype(float), 1.0])
    index_from_block[:3, 3] = 0.5 * (blocks - 1)
    return hu, ct.lps_from_index @ index_from_block


def _local_statistics(hu: Float[np.ndarray, "i j k"]) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(ndimage.uniform_filter(hu, 3))
    square = np.asarray(ndimage.uniform_filter(hu * hu, 3))
    return mean, np.sqrt(np.maximum(square - mean * mean, 0.0))


def _blood_level(mean: Float[np.ndarray, "i j k"], deviation: Float[np.ndarray, "i j k"]) -> float:
    """The brightest peak in the histogram of homogeneous voxels."""
    width = 20.0
    edges = np.arange(_LOWEST_BLOOD_HU, _HIGHEST_BLOOD_HU + width, width)
    counts, _ = np.histogram(mean[deviation < _HOMOGENEOUS_HU], edges)
    smooth = np.convolve(np.pad(counts, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")
    inner = np.flatnonzero((smooth >= np.roll(smooth, 1)) & (smooth >= np.roll(smooth, -1)))
    # The first bin holds the flank of the liver or of unenhanced blood, no peak of its own.
    peaks = [bin_ for bin_ in inner if 0 < bin_ < len(smooth) - 1 and smooth[bin_] > 0]
    tallest = max((smooth[bin_] for bin_ in peaks), default=0.0)
    if tallest < 20:
        raise InputError(
            f"no contrast between {_LOWEST_BLOOD_HU:.0f} and {_HIGHEST_BLOOD_HU:.0f} HU in this CT; "
            "give a CTA in Hounsfield units, or labels, surface or centerlines"
        )
    brightest = max(bin_ for bin_ in peaks if smooth[bin_] >= _PEAK_SHARE * tallest)
    return float(edges[brightest] + 0.5 * width)


def _components_above(mask: Bool[np.ndarray, "i j k"], smallest_voxels: float) -> Bool[np.ndarray, "i j k"]:
    parts = np.asarray(label(mask))
    size = np.bincount(parts.ravel())
    size[0] = 0
    return (size >= smallest_voxels)[parts]


def _opened(mask: Bool[np.ndarray, "i j k"], radius: int) -> Bool[np.ndarray, "i j k"]:
    # One step of the ball's shape, then plain steps: far cheaper than a large ball and nearly as round.
    eroded = ndimage.binary_erosion(mask, iterations=radius)
    return np.logical_and(ndimage.binary_dilation(eroded, structure=ball(1), iterations=radius + 1), mask)


def _hanging_together(
    candidates: Bool[np.ndarray, "i j k"], large: Bool[np.ndarray, "i j k"], recipe: _Recipe, voxel_mm3: float
) -> Bool[np.ndarray, "i j k"]:
    parts = np.asarray(label(candidates, connectivity=3))
    keep = np.bincount(parts.ravel()) * voxel_mm3 >= recipe.smallest_mm3
    if not recipe.keep_loose:
        touched = np.bincount(parts[large], minlength=len(keep)) * voxel_mm3
        # Side vessels as bright as the aorta (vena cava with early contrast) are far smaller than the main tube.
        keep &= touched >= 0.2 * touched[1:].max(initial=1.0)
    keep[0] = False
    return keep[parts]


def _named(vessels: Bool[np.ndarray, "i j k"], kind: str, spacing_mm: float) -> np.ndarray:
    labels = vessels.astype(np.uint8)
    if kind == "coronary":
        labels[vessels & ~_opened(vessels, max(1, round(_AORTA_RADIUS_MM / spacing_mm)))] = 2
    return labels
