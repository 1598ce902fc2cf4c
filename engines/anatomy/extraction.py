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
_LOWEST_BLOOD_HU = 180.0  # below: liver and unenhanced blood
_HOMOGENEOUS_HU = 60.0  # local standard deviation; lumen is noise, marrow is texture
_PEAK_SHARE = 0.1  # of the tallest peak: the liver may hold ten times more voxels than the aorta
_BONE_MM3 = 300.0  # smaller dense spots are plaque or a stent, part of the vessel
_BONE_RIM_MM = 1.6  # partial volume about bone is as bright as blood
_THICK_BONE_MM = 2.5  # half the thickness
_WITHIN_BLOOD_MM, _WITHIN_BLOOD_SHARE = 8.0, 0.35  # dense voxels so far inside blood are a stent graft, no bone
_THICKEST_CEREBRAL_MM = 5.0  # radius; a jugular bulb, thicker is eye, bone or muscle
_THICKEST_AORTA_MM = 19.0  # radius; heart chambers are thicker, and so are aneurysms: those need labels
_CHAMBER_RADIUS_MM = 4.0  # thicker than any coronary, thinner than aorta and heart chambers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """How one kind of case is extracted."""

    name: str
    grid_mm: float  # voxels are averaged to about this size
    highest_blood_hu: float
    bone_above_blood_hu: float
    opening_mm: float  # bridges thinner than twice this part bone from vessel
    homogeneous_share: float  # of a large component's voxels that look like blood
    keep_loose: bool  # vessels that do not hang on a large one
    smallest_mm3: float
    marrow_mm: float = 0.0  # gaps in dense bone up to twice this are marrow; canals with vessels go with them


_RECIPES = {
    "tavi": _Recipe(name="aorta", grid_mm=1.5, highest_blood_hu=700.0, bone_above_blood_hu=200.0, opening_mm=3.0,
                    homogeneous_share=0.3, keep_loose=False, smallest_mm3=1000.0),
    "coronary": _Recipe(name="coronary arteries", grid_mm=0.5, highest_blood_hu=700.0, bone_above_blood_hu=200.0,
                        opening_mm=1.5, homogeneous_share=0.3, keep_loose=False, smallest_mm3=100.0),
    # The skull is near everywhere and hardly denser than well filled arteries.
    "evt": _Recipe(name="cerebral arteries", grid_mm=0.5, highest_blood_hu=500.0, bone_above_blood_hu=120.0,
                   opening_mm=1.0, homogeneous_share=0.15, keep_loose=True, smallest_mm3=20.0,
                   marrow_mm=7.0),
}  # fmt: skip


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
    blood_hu = _blood_level(mean, deviation, recipe.highest_blood_hu)
    bright = hu > 0.5 * (blood_hu + _SOFT_TISSUE_HU)
    looks_like_blood = (deviation < _HOMOGENEOUS_HU) & (np.abs(mean - blood_hu) < 0.25 * blood_hu)
    dense = _dense(hu, blood_hu, recipe, spacing_mm)
    opening = max(1, round(recipe.opening_mm / float(spacing_mm.min())))
    parts = np.asarray(label(_opened(bright & ~dense, opening)))
    size = np.bincount(parts.ravel())
    share = np.bincount(parts.ravel(), weights=looks_like_blood.ravel()) / np.maximum(size, 1)
    is_large = size * voxel_mm3 >= max(recipe.smallest_mm3, _BONE_MM3)
    is_vessel = is_large & (share >= recipe.homogeneous_share)
    is_bone = is_large & ~is_vessel
    # A thin vessel is all edge and never homogeneous: only what is thick can be told to be bone.
    thick_voxels = _opened(parts > 0, max(1, round(_THICK_BONE_MM / float(spacing_mm.min()))))
    is_bone &= np.bincount(parts[thick_voxels], minlength=len(size)) > 0
    is_vessel[0] = is_bone[0] = False
    large = is_vessel[parts]
    if not large.any() and not recipe.keep_loose:
        raise InputError(
            f"no large contrast-filled vessel found at {blood_hu:.0f} HU; give the vessels as labels, surface or "
            "centerlines"
        )
    rim = max(1, round(_BONE_RIM_MM / float(spacing_mm.min())))
    bone = np.asarray(ndimage.binary_dilation(is_bone[parts] | dense, iterations=rim), dtype=bool)
    if recipe.marrow_mm:
        bone |= _closed(dense, recipe.marrow_mm, spacing_mm)
        large &= ~bone
        thick = _opened(bright & ~bone, max(1, round(_THICKEST_CEREBRAL_MM / float(spacing_mm.min()))))
        bone |= thick
        large &= ~thick
    if kind == "tavi":
        large &= ~_thick_parts(large, _THICKEST_AORTA_MM, spacing_mm)
    candidates = large if kind == "tavi" else np.logical_and(bright, np.logical_or(large, ~bone))
    vessels = _hanging_together(candidates, large, recipe, voxel_mm3)
    if kind == "coronary":
        vessels = _thin_parts(vessels, recipe, spacing_mm)
    if not vessels.any():
        raise InputError(f"nothing is left of the vessels at {blood_hu:.0f} HU after bone removal; give labels")
    return LabelVolume(labels=vessels.astype(np.uint8), lps_from_index=lps_from_index, names={1: recipe.name})


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


def _blood_level(mean: Float[np.ndarray, "i j k"], deviation: Float[np.ndarray, "i j k"], highest_hu: float) -> float:
    """The brightest peak in the histogram of homogeneous voxels."""
    width = 20.0
    edges = np.arange(_LOWEST_BLOOD_HU, highest_hu + width, width)
    counts, _ = np.histogram(mean[deviation < _HOMOGENEOUS_HU], edges)
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
    return float(edges[brightest] + 0.5 * width)


def _dense(
    hu: Float[np.ndarray, "i j k"], blood_hu: float, recipe: _Recipe, spacing_mm: Float[np.ndarray, " 3"]
) -> Bool[np.ndarray, "i j k"]:
    """Large parts far denser than blood, but for metal that lies within blood."""
    above = hu > blood_hu + recipe.bone_above_blood_hu
    size = max(1, round(_WITHIN_BLOOD_MM / float(spacing_mm.mean())))
    blood = (np.abs(hu - blood_hu) < 0.25 * blood_hu).astype(np.float32)
    above &= np.asarray(ndimage.uniform_filter(blood, size)) < _WITHIN_BLOOD_SHARE
    parts = np.asarray(label(above))
    voxels = np.bincount(parts.ravel())
    voxels[0] = 0
    return (voxels * float(np.prod(spacing_mm)) >= _BONE_MM3)[parts]


def _closed(
    mask: Bool[np.ndarray, "i j k"], radius_mm: float, spacing_mm: Float[np.ndarray, " 3"]
) -> Bool[np.ndarray, "i j k"]:
    """Morphological closing with a ball, by distances on a grid of about 2 mm: bone needs no finer one."""
    coarse, sampling = _coarse(mask, spacing_mm, radius_mm)
    grown = np.asarray(ndimage.distance_transform_edt(~coarse, sampling=sampling)) <= radius_mm
    closed = np.asarray(ndimage.distance_transform_edt(grown, sampling=sampling)) > radius_mm
    return _fine(closed, mask.shape, spacing_mm, radius_mm)


def _thick_parts(
    mask: Bool[np.ndarray, "i j k"], radius_mm: float, spacing_mm: Float[np.ndarray, " 3"]
) -> Bool[np.ndarray, "i j k"]:
    """Everything near enough to a place where a ball of this radius fits, by distances on a grid of about 2 mm."""
    coarse, sampling = _coarse(mask, spacing_mm, radius_mm)
    core = np.asarray(ndimage.distance_transform_edt(coarse, sampling=sampling)) > radius_mm
    if not core.any():
        return np.zeros(mask.shape, dtype=bool)
    near = np.asarray(ndimage.distance_transform_edt(~core, sampling=sampling)) <= radius_mm + 2 * max(sampling)
    return _fine(near, mask.shape, spacing_mm, radius_mm)


def _coarse_grid(spacing_mm: Float[np.ndarray, " 3"], radius_mm: float) -> tuple[list[int], list[int]]:
    """Voxels a block, and blocks of margin, so that balls of the radius find room."""
    blocks = np.maximum(1, np.rint(2.0 / spacing_mm)).astype(int)
    return blocks.tolist(), (np.ceil(radius_mm / (blocks * spacing_mm)).astype(int) + 1).tolist()


def _coarse(
    mask: Bool[np.ndarray, "i j k"], spacing_mm: Float[np.ndarray, " 3"], radius_mm: float
) -> tuple[Bool[np.ndarray, "i j k"], list[float]]:
    blocks, margin = _coarse_grid(spacing_mm, radius_mm)
    padded = np.pad(mask, [(0, -size % block) for size, block in zip(mask.shape, blocks, strict=True)])
    shape = [n for size, block in zip(padded.shape, blocks, strict=True) for n in (size // block, block)]
    coarse = np.pad(padded.reshape(shape).any(axis=(1, 3, 5)), [(size, size) for size in margin])
    return coarse, (np.array(blocks) * spacing_mm).tolist()


def _fine(
    coarse: Bool[np.ndarray, "i j k"], shape: tuple[int, ...], spacing_mm: Float[np.ndarray, " 3"], radius_mm: float
) -> Bool[np.ndarray, "i j k"]:
    blocks, margin = _coarse_grid(spacing_mm, radius_mm)
    fine = coarse[tuple(slice(size, -size) for size in margin)]
    for axis, block in enumerate(blocks):
        fine = fine.repeat(block, axis=axis)
    return fine[tuple(slice(0, size) for size in shape)]


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


def _thin_parts(
    vessels: Bool[np.ndarray, "i j k"], recipe: _Recipe, spacing_mm: Float[np.ndarray, " 3"]
) -> Bool[np.ndarray, "i j k"]:
    """Coronaries without aorta and chambers: pictures show them alone."""
    radius = max(1, round(_CHAMBER_RADIUS_MM / float(spacing_mm.min())))
    chambers = np.asarray(ndimage.binary_dilation(_opened(vessels, radius), iterations=1), dtype=bool)
    thin = np.logical_and(vessels, ~chambers)
    parts = np.asarray(label(thin, connectivity=3))
    keep = np.bincount(parts.ravel()) * float(np.prod(spacing_mm)) >= recipe.smallest_mm3
    keep[0] = False
    return keep[parts]
