"""Measures of a head CTA: brain case, bone with its marrow, contrast level and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from calibration.errors import InputError
from engines.anatomy.working_grid import (
    WorkingGrid,
    closed,
    coarser,
    finer,
    largest_part,
    opened,
    parts_of_at_least,
    within,
)

_BONE_HU = 500.0  # cortical bone has 700 and more; partial volume lowers it
_BRAIN_HU = (10.0, 70.0)  # grey and white matter of a CTA (25 to 50), widened for reconstruction differences
AIR_HU = -300.0
_COARSE_MM = 3.3
_FARTHEST_BONE_MM = 200.0  # from any point of the brain, in any direction
_SURROUNDED = 0.8  # share of 26 directions that meet bone: all of them in the brain, about half in face and neck
_SMALLEST_BRAIN_ML = 300.0
_HULL_MM = 10.0  # radius of the closing: sinuses lie in grooves of the brain's surface
_GAP_MM = 4.0  # half the width of marrow between cortices
_MARROW_MM, _ENCLOSED = 12.0, 0.75  # marrow (petrous bone, clivus): bone this near in this share of directions
_BONE_MM3 = 300.0
WALL_OF_AIR_MM = 3.0  # thin bone around nose and sinuses is as bright as a vessel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Measures of a head CTA.

    Args:
        brain_hu, noise_hu: centre and spread of brain tissue.
        blood_hu: level of well-filled arteries.
        lowest_hu: level of the faintest vessel.
        bone: dense voxels.
        solid: bone and the marrow within.
        cavity: inside of the brain case, sinuses included.
    """

    brain_hu: float
    noise_hu: float
    blood_hu: float
    lowest_hu: float
    bone: Bool[np.ndarray, "i j k"]
    solid: Bool[np.ndarray, "i j k"]
    cavity: Bool[np.ndarray, "i j k"]

    @property
    def densest_blood_hu(self) -> float:
        return max(1.3 * self.blood_hu, self.blood_hu + 80.0)


def read_head(grid: WorkingGrid) -> Head:
    """Find brain, bone and contrast level."""
    hu, spacing_mm = grid.hu, grid.spacing_mm
    a, b, c = (max(1, round(_COARSE_MM / float(mm))) for mm in spacing_mm)
    blocks = (a, b, c)
    rough, rough_mm = _brain_case(coarser(hu > _BONE_HU, blocks), spacing_mm * np.array(blocks))
    if rough.sum() * np.prod(rough_mm) < 1000.0 * _SMALLEST_BRAIN_ML:
        raise InputError(
            "no brain case in this CT: expected a space of at least 300 ml with bone all about it; give a head CTA "
            "from the skull base to the crown, or the vessels as labels, surface or centerlines"
        )
    deep = finer(ndimage.binary_erosion(rough), blocks, hu.shape)
    brain_hu = float(np.median(hu[deep]))
    if not _BRAIN_HU[0] <= brain_hu <= _BRAIN_HU[1]:
        raise InputError(f"the middle of the brain case has {brain_hu:.0f} HU, expected brain; give a head CTA in HU")
    noise_hu = float(1.4826 * np.median(np.abs(hu[deep] - brain_hu)))
    dense = coarser(parts_of_at_least(hu > 0.9 * _BONE_HU, 3 * _BONE_MM3 / grid.voxel_mm3), (2, 2, 2))
    dense = finer(within(_with_marrow(dense, 2 * spacing_mm), 4.0, 2 * spacing_mm), (2, 2, 2), hu.shape)
    dense |= near_air(grid, 2.0 * WALL_OF_AIR_MM)
    filled = hu[deep & ~dense & (hu > brain_hu + max(90.0, 6.0 * noise_hu))]
    if len(filled) * grid.voxel_mm3 < 200.0:
        raise InputError("no contrast in the vessels of the brain; give a CTA, or labels, surface or centerlines")
    blood_hu = float(np.percentile(filled, 95))
    lowest_hu = brain_hu + max(4.5 * noise_hu, 0.2 * (blood_hu - brain_hu))
    densest_hu = max(1.3 * blood_hu, blood_hu + 80.0)
    bone = parts_of_at_least(hu > densest_hu, _BONE_MM3 / grid.voxel_mm3)
    soft = (hu > brain_hu - 90.0) & (hu < lowest_hu) & finer(within(rough, 5.0, rough_mm), blocks, hu.shape)
    cavity = _hull_of_brain(soft, grid)
    solid = finer(_with_marrow(coarser(bone, (2, 2, 2)), 2 * spacing_mm), (2, 2, 2), hu.shape)
    return Head(
        brain_hu=brain_hu, noise_hu=noise_hu, blood_hu=blood_hu, lowest_hu=lowest_hu, bone=bone, solid=solid | bone,
        cavity=cavity,
    )  # fmt: skip


def near_air(grid: WorkingGrid, distance_mm: float) -> Bool[np.ndarray, "i j k"]:
    air = within(coarser(grid.hu < AIR_HU, (2, 2, 2)), distance_mm, 2 * grid.spacing_mm)
    return finer(air, (2, 2, 2), grid.hu.shape)


def deeper_than(grid: WorkingGrid, head: Head, depth_mm: float) -> Bool[np.ndarray, "i j k"]:
    """Voxels farther than this below the surface of the brain."""
    outside = ~coarser(head.cavity, (2, 2, 2))
    return finer(within(outside, depth_mm, 2 * grid.spacing_mm, beyond=True), (2, 2, 2), head.cavity.shape)


def plateau_hu(grid: WorkingGrid, vessels: Bool[np.ndarray, "i j k"]) -> Float[np.ndarray, "i j k"]:
    """For each vessel voxel, the brightness of the vessel's middle near it, smoothed along the vessel."""
    middle = ndimage.maximum_filter(np.where(vessels, grid.hu, 0.0), 3)
    weight = vessels.astype(np.float32)
    sigma = 2.0 / grid.spacing_mm
    total = ndimage.gaussian_filter(middle * weight, sigma, truncate=2.5)
    return np.where(vessels, total / np.maximum(ndimage.gaussian_filter(weight, sigma, truncate=2.5), 1e-6), 0.0)


def _brain_case(
    bone: Bool[np.ndarray, "a b c"], spacing_mm: Float[np.ndarray, " 3"]
) -> tuple[Bool[np.ndarray, "a b c"], Float[np.ndarray, " 3"]]:
    """The largest space that has bone in nearly all directions."""
    case = largest_part(opened((_surrounded(bone, spacing_mm, _FARTHEST_BONE_MM) > _SURROUNDED) & ~bone, 2))
    return np.asarray(ndimage.binary_fill_holes(closed(case, 8.0, spacing_mm)), dtype=bool), spacing_mm


def _surrounded(
    bone: Bool[np.ndarray, "a b c"], spacing_mm: Float[np.ndarray, " 3"], farthest_mm: float
) -> Float[np.ndarray, "a b c"]:
    """Share of 26 directions in which bone lies within a distance."""
    reach = int(farthest_mm / float(spacing_mm.max()))
    padded = np.pad(bone, reach)
    met = np.zeros(bone.shape, dtype=np.float32)
    directions = [np.array(d) - 1 for d in np.ndindex(3, 3, 3) if d != (1, 1, 1)]
    for direction in directions:
        hit = np.zeros(bone.shape, dtype=bool)
        for step in range(1, int(reach / np.linalg.norm(direction)) + 1):
            corner = reach + step * direction
            hit |= padded[tuple(slice(at, at + size) for at, size in zip(corner.tolist(), bone.shape, strict=True))]
        met += hit
    return met / len(directions)


def _with_marrow(bone: Bool[np.ndarray, "a b c"], spacing_mm: Float[np.ndarray, " 3"]) -> Bool[np.ndarray, "a b c"]:
    """Bone with its gaps filled, and the marrow deep within it."""
    return closed(bone, _GAP_MM, spacing_mm) | (_surrounded(bone, spacing_mm, _MARROW_MM) > _ENCLOSED)


def _hull_of_brain(soft: Bool[np.ndarray, "i j k"], grid: WorkingGrid) -> Bool[np.ndarray, "i j k"]:
    """Brain tissue with grooves, ventricles and vessels filled, extended by the thickness of the dura."""
    coarse = soft[::2, ::2, ::2]
    brain = opened(largest_part(opened(coarse, 1)), 2)
    spacing_mm = 2 * grid.spacing_mm
    hull = np.asarray(ndimage.binary_fill_holes(closed(brain, _HULL_MM, spacing_mm)), dtype=bool)
    return finer(within(hull, 1.5, spacing_mm), (2, 2, 2), soft.shape)
