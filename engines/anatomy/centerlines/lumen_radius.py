"""Radii of thin vessels, measured by the amount of contrast in a cross-section instead of by counting voxels.

Blur brightens voxels well beyond the wall of a thin vessel, so counting bright voxels makes it too wide. But blur only
spreads contrast and loses none. The area of a lumen is therefore the contrast summed over its cross-section, divided by
the contrast of pure blood (as in densitometry of angiograms). The level of pure blood is measured in the middle of
thick vessels of the same class, where blur does not reach.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.anatomy.vessel_model import CenterlineTree, CtVolume

_RAYS = 16
_STEP_VOXELS = 0.25
_BEYOND_VOXELS = 2.25  # how far blur spreads contrast beyond the wall
_RING_VOXELS = 1.5  # width of the ring of tissue around the vessel
# From this stated radius on, the middle of a vessel shows pure blood: it lies beyond the blur of the voxels and of the
# scanner (sigma 0.5 mm).
_SURE_VOXELS, _SURE_MM = 1.8, 1.5
_THICK_VOXELS = 4.0  # from this radius on, the wall is sharp enough to measure directly
_SURE_POINTS = 12
_EVEN_POINTS = 1.5  # sigma of the smoothing along the vessel
_LEAST_CONTRAST_HU = 40.0
_BRIGHTENS = 0.08  # share of the contrast; after smoothing, noise brightens a ray by less
_NARROWEST_VOXELS = 0.2


def with_radii_from_ct(tree: CenterlineTree, ct: CtVolume) -> CenterlineTree:
    """The tree with the radii of thin vessels measured in the CT; no radius becomes larger than it was.

    Args:
        tree: centerlines found in this CT, with radii from the label volume.
    """
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    sure_mm = _sure_mm(ct)
    branches = tree.branches
    at = [branch.points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3] for branch in branches]
    middle_hu = [_evened(ndimage.map_coordinates(ct.voxels_hu, index.T, order=1, output=float)) for index in at]
    found = []
    for vessel_class in dict.fromkeys(branch.vessel_class for branch in branches):
        of_class = [k for k, branch in enumerate(branches) if branch.vessel_class == vessel_class]
        radius_mm = np.concatenate([branches[k].radius_mm for k in of_class])
        blood_hu = _pure_blood_hu(np.concatenate([middle_hu[k] for k in of_class]), radius_mm >= sure_mm)
        found += [(k, blood_hu) for k in of_class]
    blood = dict(found)
    return CenterlineTree(
        branches=tuple(
            replace(branch, radius_mm=_radii(branch.points_mm, branch.radius_mm, middle_hu[k], blood[k], ct))
            for k, branch in enumerate(branches)
        )
    )


def _sure_mm(ct: CtVolume) -> float:
    return max(_SURE_VOXELS * min(ct.spacing_mm), _SURE_MM)


def _pure_blood_hu(middle_hu: Float[np.ndarray, " n"], sure: Bool[np.ndarray, " n"]) -> float:
    """Median level in the middle of the thick vessels; the 95th percentile of all points if few are thick."""
    return float(np.median(middle_hu[sure]) if sure.sum() >= _SURE_POINTS else np.percentile(middle_hu, 95))


def _radii(
    points_mm: Float[np.ndarray, "n 3"],
    stated_mm: Float[np.ndarray, " n"],
    middle_hu: Float[np.ndarray, " n"],
    blood_hu: float,
    ct: CtVolume,
) -> Float[np.ndarray, " n"]:
    voxel_mm = min(ct.spacing_mm)
    thin = stated_mm < _THICK_VOXELS * voxel_mm
    if len(points_mm) < 3 or not thin.any():
        return stated_mm
    reach_mm = float(stated_mm[thin].max()) + _BEYOND_VOXELS * max(ct.spacing_mm)
    step_mm = _STEP_VOXELS * voxel_mm
    off_mm = (np.arange(int(np.ceil((reach_mm + _RING_VOXELS * voxel_mm) / step_mm))) + 0.5) * step_mm
    hu = _cross_sections(points_mm, off_mm, ct)
    hu = np.asarray(ndimage.gaussian_filter1d(hu, _EVEN_POINTS, axis=0, mode="nearest"))
    limit_mm = np.minimum(stated_mm + _BEYOND_VOXELS * max(ct.spacing_mm), reach_mm)
    ring = (off_mm >= limit_mm[:, None]) & (off_mm < limit_mm[:, None] + _RING_VOXELS * voxel_mm)
    # Most of the ring shows tissue; the median ignores the other vessels and bone that sometimes cross it.
    tissue_hu = _evened(
        np.array([np.median(section[:, seen]) for section, seen in zip(hu, ring, strict=True)])
    )  # fmt: skip
    # A vessel brighter than the pure blood of its class is measured against its own level.
    level_hu = np.maximum(np.where(stated_mm >= _sure_mm(ct), middle_hu, blood_hu), middle_hu)
    contrast_hu = np.maximum(level_hu - tissue_hu, _LEAST_CONTRAST_HU)
    share = np.minimum((hu - tissue_hu[:, None, None]) / contrast_hu[:, None, None], 1.0)
    # Along a ray, a vessel only fades outwards. If the ray brightens again, it has met a neighbour, and it ends there.
    fading = np.minimum.accumulate(share, axis=2)
    own = ~np.logical_or.accumulate(share - fading > _BRIGHTENS, axis=2) & (off_mm < limit_mm[:, None, None])
    share = np.maximum(fading, 0.0) * own
    area_mm2 = (share.mean(axis=1) * (2.0 * np.pi * off_mm * step_mm)).sum(axis=1)
    measured_mm = np.maximum(np.sqrt(area_mm2 / np.pi), _NARROWEST_VOXELS * voxel_mm)
    return np.where(thin, np.minimum(measured_mm, stated_mm), stated_mm)


def _cross_sections(
    points_mm: Float[np.ndarray, "n 3"], off_mm: Float[np.ndarray, " r"], ct: CtVolume
) -> Float[np.ndarray, "n rays r"]:
    tangent = np.gradient(points_mm, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    side = np.cross(tangent, np.eye(3)[np.argmin(np.abs(tangent), axis=1)])
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(tangent, side)
    angle = np.arange(_RAYS) * 2.0 * np.pi / _RAYS
    rays = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * up[:, None]
    places = points_mm[:, None, None] + off_mm[:, None] * rays[:, :, None]
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    index = places.reshape(-1, 3) @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
    hu = ndimage.map_coordinates(ct.voxels_hu, index.T, order=1, mode="nearest", output=float)
    return hu.reshape(len(points_mm), _RAYS, len(off_mm))


def _evened(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The values smoothed along the vessel, to reduce noise."""
    return ndimage.gaussian_filter1d(values, _EVEN_POINTS, mode="nearest")
