"""Lumen radii of arteries that are hardly wider than a voxel, between muscle and fat.

Each cross-section is held against pictures of a lumen of known width: a disc of blood in a thin ring of soft tissue,
blurred as a CT blurs, on a slope of tissue. The ring matters: where the lumen is narrow, wall and plaque are brighter
than the fat around them and a mere sum over the section would count them as lumen.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.anatomy.vessel_model import CtVolume

_REACH_MM, _CELL_MM = 4.0, 0.5
_CELLS_MM = np.arange(-_REACH_MM, _REACH_MM + 0.5 * _CELL_MM, _CELL_MM)
_V_MM, _U_MM = np.meshgrid(_CELLS_MM, _CELLS_MM, indexing="ij")  # of a section's cells, along `up` and `side`
_WEIGHT_MM = 2.2
_RADII_MM = np.array([0.15, 0.3, *np.arange(0.4, 2.01, 0.1), 2.2, 2.4, 2.7, 3.0])
_WALL_MM, _WALL_HU = 0.7, 70.0  # of a coronary artery; plaque without calcium has 40 to 100 HU
_BLUR_MM = 0.7  # of a CT's point spread, standard deviation
_DARKEST_HU = -110.0  # fat; lung beyond a thin layer of it would pass for a slope
_OFF_MM = 1.5  # a path along voxels lies off the middle by less
_EVEN_MM = 0.5
_FINE_MM = 0.1


def measured_line(
    points_mm: Float[np.ndarray, "n 3"], ct: CtVolume, blood_hu: float
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """The line moved to the middle of the lumen, and lumen radii in mm.

    Args:
        points_mm: along the artery, about evenly spaced, at most 1.5 mm off its middle.
        blood_hu: of pure blood.
    """
    step_mm = float(np.linalg.norm(np.diff(points_mm, axis=0), axis=1).mean())
    side, up = _across(points_mm)
    hu = _sections(points_mm, side, up, ct)
    hu = ndimage.gaussian_filter1d(np.clip(hu, _DARKEST_HU, None), 2.0 * _EVEN_MM / step_mm, axis=0, mode="nearest")
    shift = ndimage.gaussian_filter1d(_off_middle(hu), 3.0 * _EVEN_MM / step_mm, axis=0, mode="nearest")
    middle = points_mm + shift[:, :1] * side + shift[:, 1:] * up
    hu = _sections(middle, side, up, ct)
    hu = ndimage.gaussian_filter1d(np.clip(hu, _DARKEST_HU, None), _EVEN_MM / step_mm, axis=0, mode="nearest")
    return middle, _radii(hu, blood_hu, step_mm)


def _radii(hu: Float[np.ndarray, "n c c"], blood_hu: float, step_mm: float) -> Float[np.ndarray, " n"]:
    u, v = (grid.ravel() for grid in (_U_MM, _V_MM))
    root = np.exp(-0.25 * (u**2 + v**2) / _WEIGHT_MM**2)
    flat = hu.reshape(len(hu), -1)
    misfits = []
    for lumen, vessel in _discs():
        drawn = lumen * (blood_hu - _WALL_HU) + vessel * _WALL_HU
        design = np.stack([1.0 - vessel, u, v], axis=1) * root[:, None]
        rest = (flat - drawn) * root
        misfits.append(((rest - rest @ np.linalg.pinv(design).T @ design.T) ** 2).sum(axis=1))
    misfit = ndimage.gaussian_filter1d(np.array(misfits), _EVEN_MM / step_mm, axis=1, mode="nearest")
    best = np.clip(misfit.argmin(axis=0), 1, len(_RADII_MM) - 2)
    # The bottom of a parabola through the best width and its neighbours.
    x = np.stack([_RADII_MM[best + k] for k in (-1, 0, 1)])
    y = np.take_along_axis(misfit, np.stack([best - 1, best, best + 1]), axis=0)
    first, second = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    bend = (second - first) / (x[2] - x[0])
    bottom = 0.5 * (x[0] + x[1]) - first / (2.0 * np.where(bend > 0.0, bend, np.inf))
    return np.clip(np.where(bend > 0.0, bottom, x[1]), x[0], x[2])


@cache
def _discs() -> tuple[tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]], ...]:
    """Of each width: the lumen, and the lumen with its wall."""
    return tuple((_blurred_disc(radius), _blurred_disc(radius + _WALL_MM)) for radius in _RADII_MM.tolist())


def _blurred_disc(radius_mm: float) -> Float[np.ndarray, " n"]:
    """Share of a round disc, as a CT shows it, at the cells of a section about its middle."""
    axis = np.arange(-_REACH_MM - 2.0, _REACH_MM + 2.0 + 0.5 * _FINE_MM, _FINE_MM)
    far = np.hypot(axis[:, None], axis[None])
    disc = ndimage.gaussian_filter(np.clip((radius_mm - far) / _FINE_MM + 0.5, 0.0, 1.0), _BLUR_MM / _FINE_MM)
    return ndimage.map_coordinates(
        disc, np.stack([_V_MM.ravel(), _U_MM.ravel()]) / _FINE_MM + 0.5 * (len(axis) - 1), order=1
    )


def _off_middle(hu: Float[np.ndarray, "n c c"]) -> Float[np.ndarray, "n 2"]:
    """Where in each section the bump stands highest over the slope of tissue, mm along both axes."""
    u, v = _U_MM, _V_MM
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
    ct: CtVolume,
) -> Float[np.ndarray, "n c c"]:
    """Sections: rows along `up`, columns along `side`."""
    places = (
        points_mm[:, None, None] + _U_MM[..., None] * side[:, None, None] + _V_MM[..., None] * up[:, None, None]
    )  # fmt: skip
    inverse = np.linalg.inv(ct.lps_from_index)
    index = places.reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
    hu = ndimage.map_coordinates(ct.voxels_hu, index.T, order=1, mode="nearest", output=np.float32)
    return hu.reshape(places.shape[:3])
