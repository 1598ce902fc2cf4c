"""Lumen radii of arteries that are hardly wider than a voxel, between muscle and fat.

Each cross-section is explained as a slope of tissue and one round bump. Blur widens the bump but does not change how
much contrast it holds, and that, over the contrast of pure blood, is the area of the lumen (densitometry). The slope
takes up the step from muscle to fat, which a mere sum over the section would count as lumen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.anatomy.vessel_model import CtVolume

_REACH_MM, _CELL_MM = 4.0, 0.5
_WEIGHT_MM = 2.2
_BUMPS_MM = (0.7, 0.9, 1.15, 1.5, 2.0)
_OFF_MM = 1.5  # a path along voxels lies off the middle by less
_EVEN_MM = 0.7
_NARROWEST_MM, _WIDEST_MM = 0.2, 3.0
_LEAST_CONTRAST_HU = 60.0


def measured_line(
    points_mm: Float[np.ndarray, "n 3"], ct: CtVolume, blood_hu: float
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """The line moved to the middle of the lumen, and lumen radii in mm.

    Args:
        points_mm: along the artery, about evenly spaced, at most 1.5 mm off its middle.
        blood_hu: of pure blood.
    """
    step_mm = float(np.linalg.norm(np.diff(points_mm, axis=0), axis=1).mean())
    cells = np.arange(-_REACH_MM, _REACH_MM + 0.5 * _CELL_MM, _CELL_MM)
    side, up = _across(points_mm)
    hu = _sections(points_mm, side, up, cells, ct)
    hu = np.clip(ndimage.gaussian_filter1d(hu, _EVEN_MM / step_mm, axis=0, mode="nearest"), -200.0, 1.3 * blood_hu)
    shift = ndimage.gaussian_filter1d(_off_middle(hu, cells), 2.0 * _EVEN_MM / step_mm, axis=0, mode="nearest")
    middle = points_mm + shift[:, :1] * side + shift[:, 1:] * up
    hu = _sections(middle, side, up, cells, ct)
    hu = np.clip(ndimage.gaussian_filter1d(hu, _EVEN_MM / step_mm, axis=0, mode="nearest"), -200.0, 1.3 * blood_hu)
    return middle, _radii(hu, cells, blood_hu, step_mm)


def _radii(
    hu: Float[np.ndarray, "n c c"], cells: Float[np.ndarray, " c"], blood_hu: float, step_mm: float
) -> Float[np.ndarray, " n"]:
    v, u = np.meshgrid(cells, cells, indexing="ij")
    root = np.exp(-0.25 * (u**2 + v**2) / _WEIGHT_MM**2).ravel()
    seen = hu.reshape(len(hu), -1) * root
    areas, misfits = [], []
    for width in _BUMPS_MM:
        bump = np.exp(-0.5 * (u**2 + v**2) / width**2).ravel()
        design = np.stack([np.ones_like(bump), u.ravel(), v.ravel(), bump], axis=1) * root[:, None]
        solved = seen @ np.linalg.pinv(design).T
        misfits.append(((seen - solved @ design.T) ** 2).sum(axis=1))
        contrast = np.maximum(blood_hu - solved[:, 0], _LEAST_CONTRAST_HU)
        areas.append(2.0 * np.pi * width**2 * np.maximum(solved[:, 3], 0.0) / contrast)
    # One width for a stretch of artery: sections one by one would take noise for width.
    misfit = ndimage.gaussian_filter1d(np.array(misfits), 2.0 * _EVEN_MM / step_mm, axis=1, mode="nearest")
    area = np.take_along_axis(np.array(areas), misfit.argmin(axis=0)[None], axis=0)[0]
    return np.clip(np.sqrt(area / np.pi), _NARROWEST_MM, _WIDEST_MM)


def _off_middle(hu: Float[np.ndarray, "n c c"], cells: Float[np.ndarray, " c"]) -> Float[np.ndarray, "n 2"]:
    """Where in each section the bump stands highest over the slope of tissue, mm along both axes."""
    v, u = np.meshgrid(cells, cells, indexing="ij")
    design = np.stack([np.ones(u.size), u.ravel(), v.ravel()], axis=1)
    flat = hu.reshape(len(hu), -1)
    over = (flat - flat @ np.linalg.pinv(design).T @ design.T).reshape(hu.shape)
    over = ndimage.gaussian_filter(over, (0.0, 1.4, 1.4))
    far = np.hypot(u, v)
    over = np.where(far <= _OFF_MM, over, -np.inf)
    best = over.reshape(len(over), -1).argmax(axis=1)
    return np.stack([u.ravel()[best], v.ravel()[best]], axis=1)


def _across(points_mm: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    tangent = np.gradient(points_mm, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    side = np.empty_like(tangent)
    last = np.eye(3)[np.abs(tangent[0]).argmin()]
    for k, along in enumerate(tangent):  # carried from point to point, so that sections do not spin
        last = last - (last @ along) * along
        last /= max(float(np.linalg.norm(last)), 1e-9)
        side[k] = last
    return side, np.cross(tangent, side)


def _sections(
    points_mm: Float[np.ndarray, "n 3"],
    side: Float[np.ndarray, "n 3"],
    up: Float[np.ndarray, "n 3"],
    cells: Float[np.ndarray, " c"],
    ct: CtVolume,
) -> Float[np.ndarray, "n c c"]:
    """Sections: rows along `up`, columns along `side`."""
    v, u = np.meshgrid(cells, cells, indexing="ij")
    places = points_mm[:, None, None] + u[..., None] * side[:, None, None] + v[..., None] * up[:, None, None]
    inverse = np.linalg.inv(ct.lps_from_index)
    index = places.reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
    hu = ndimage.map_coordinates(ct.voxels_hu, index.T, order=1, mode="nearest", output=np.float32)
    return hu.reshape(places.shape[:3])
