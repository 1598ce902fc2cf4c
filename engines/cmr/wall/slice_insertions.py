"""RV insertions in one slice: where the right pool leaves the LV's outer border."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from engines.cmr.wall.slice_wall import SliceWall

_NEAR_MM = (2.0, 4.0, 6.0)
_NARROWEST_RAD = np.deg2rad(35.0)


def insertion_angles(wall: SliceWall, pixel_mm: np.ndarray) -> tuple[float, float] | None:
    """Both ends of the contact, as angles in the picture (first to second axis), in rising order; None without contact.

    The second may exceed pi, so that the septum lies between them.
    """
    if wall.right_pool.sum() * float(np.prod(pixel_mm)) < 80.0:
        return None
    soft = ndimage.gaussian_filter(wall.right_pool.astype(np.float32), 0.5)
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    outer = np.interp(
        angle / (2 * np.pi) * len(wall.outer_mm),
        np.arange(len(wall.outer_mm) + 1),
        np.append(wall.outer_mm, wall.outer_mm[0]),
    )
    for near in _NEAR_MM:
        radius = outer + near
        c = wall.centre_px[0] + radius * np.cos(angle) / pixel_mm[0]
        r = wall.centre_px[1] + radius * np.sin(angle) / pixel_mm[1]
        touch = ndimage.map_coordinates(soft, [c, r], order=1, mode="constant") > 0.5
        run = _longest(touch)
        if run is not None and run[1] - run[0] > _NARROWEST_RAD:
            return run
    return None


def _longest(touch: np.ndarray) -> tuple[float, float] | None:
    if not touch.any() or touch.all():
        return None
    n = len(touch)
    doubled = ndimage.binary_closing(np.concatenate([touch, touch]), np.ones(25))
    parts, _ = ndimage.label(doubled)  # pyright: ignore[reportGeneralTypeIssues]
    sizes = np.bincount(parts)
    sizes[0] = 0
    at = np.flatnonzero(parts == sizes.argmax())
    if len(at) >= n:
        return None
    return 2 * np.pi * at[0] / n, 2 * np.pi * at[-1] / n
