"""LV wall, LV pool and RV pool of a slice by the network that reads its whole first pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy import ndimage

from calibration.errors import InputError
from engines.cmr.networks import load_cmr_network
from engines.cmr.wall.first_pass_maps import STEP_MM, FirstPassMaps, first_pass_maps, single_picture_maps
from engines.cmr.wall.slice_wall import ANGLES, SliceWall, angles_rad, filled
from engines.cmr.wall.wall_detection import smooth_border
from engines.networks.cmr_wall_network import CLASSES, WallNet

NAME = "cmr-wall"
_RAY_MM = np.arange(0.0, 58.0, 0.5)
_LEAST_POOL_MM2 = 60.0
_NEAR_MM = 8.0
_BLUR_MM = 2.2  # width of the zone in which a border is unsure, from which on it was guessed


def find_wall_by_network(
    aligned: Float[np.ndarray, "columns rows time"],
    pixel_mm: Float[np.ndarray, " 2"],
    centre_px: Float[np.ndarray, " 2"],
    where: str,
) -> SliceWall:
    """Find the wall near `centre_px`.

    Raises:
        InputError: the network sees no LV pool.
    """
    return _found(lambda centre: first_pass_maps(aligned, pixel_mm, centre), centre_px, aligned.shape[:2], where)


def find_wall_in_picture(
    picture: Float[np.ndarray, "columns rows"],
    pixel_mm: Float[np.ndarray, " 2"],
    centre_px: Float[np.ndarray, " 2"],
    where: str,
) -> SliceWall:
    """The same in one picture without contrast, where blood is bright and muscle dark.

    Raises:
        InputError: the network sees no LV pool.
    """
    return _found(lambda centre: single_picture_maps(picture, pixel_mm, centre), centre_px, picture.shape, where)


def _found(
    maps_about: Callable[[np.ndarray], FirstPassMaps], centre_px: np.ndarray, shape: tuple[int, ...], where: str
) -> SliceWall:
    """Look twice where the first look was far off the middle: lessons have the heart near it."""
    maps = maps_about(centre_px)
    wall = _as_wall(maps, shape, where)
    if float(np.linalg.norm((wall.centre_px - centre_px) * maps.pixel_mm)) < _NEAR_MM:
        return wall
    return _as_wall(maps_about(wall.centre_px), shape, where)


def class_shares(maps: FirstPassMaps) -> Float32[np.ndarray, "4 64 64"]:
    """Probability of each class on the grid of the maps."""
    with torch.inference_mode():
        logits = _network()(torch.from_numpy(maps.maps)[None])
    return torch.softmax(logits, dim=1)[0].numpy()


@lru_cache(maxsize=1)
def _network() -> WallNet:
    return load_cmr_network(NAME, lambda design: WallNet(design["maps"], width=design["width"]))


def _as_wall(maps: FirstPassMaps, shape: tuple[int, ...], where: str) -> SliceWall:
    share = class_shares(maps)
    pool, whole = share[CLASSES.index("lv_pool")], share[CLASSES.index("lv_pool")] + share[CLASSES.index("lv_wall")]
    parts, count = ndimage.label(pool > 0.5)  # pyright: ignore[reportGeneralTypeIssues]
    sizes = ndimage.sum_labels(pool, parts, np.arange(1, count + 1)) if count else np.zeros(0)
    if not count or float(np.max(sizes)) * STEP_MM**2 < _LEAST_POOL_MM2:
        raise InputError(f"{where}: the network sees no LV pool; give masks in perfusion.json or use --wall paths")
    middle = np.array(ndimage.center_of_mass(pool * (parts == 1 + int(np.argmax(sizes)))))
    rays = [middle[k] + _RAY_MM[None] * wave(angles_rad())[:, None] / STEP_MM for k, wave in ((0, np.cos), (1, np.sin))]
    inside = ndimage.map_coordinates(pool, rays, order=1, mode="constant")
    both = ndimage.map_coordinates(whole, rays, order=1, mode="constant")
    step = _RAY_MM[1]
    inner = smooth_border(_first_fall(inside), harmonics=6)
    outer = np.maximum(smooth_border(_first_fall(both), harmonics=6), inner + 2.5)
    blur = float((inside * (1 - inside)).sum(axis=1).mean() + (both * (1 - both)).sum(axis=1).mean()) * step
    centre = maps.centre_px + (middle - 0.5 * (pool.shape[0] - 1)) * STEP_MM / maps.pixel_mm
    cavity, epicardium = filled(inner, centre, maps.pixel_mm, shape), filled(outer, centre, maps.pixel_mm, shape)
    grid = maps.grid_of(np.moveaxis(np.indices(shape[:2]), 0, -1).astype(np.float64))
    right = ndimage.map_coordinates(share[CLASSES.index("rv_pool")], np.moveaxis(grid, -1, 0), order=1, cval=0.0)
    assert len(inner) == ANGLES
    return SliceWall(
        wall=epicardium & ~cavity,
        pool=cavity,
        right_pool=(right > 0.5) & ~epicardium,
        centre_px=centre,
        inner_mm=inner,
        outer_mm=outer,
        given=False,
        doubt=float(np.clip(blur / (2 * _BLUR_MM), 0.0, 1.0)),
    )


def _first_fall(share: Float[np.ndarray, "angles radii"]) -> Float[np.ndarray, " angles"]:
    """Where each ray first becomes less likely inside than outside, between samples."""
    below = share < 0.5
    below[:, -1] = True
    at = np.maximum(np.argmax(below, axis=1), 1)
    rows = np.arange(len(share))
    before, after = share[rows, at - 1], share[rows, at]
    return _RAY_MM[at - 1] + _RAY_MM[1] * np.clip((before - 0.5) / np.maximum(before - after, 1e-6), 0.0, 1.0)
