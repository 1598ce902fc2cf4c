"""LV wall, LV pool and RV pool of one slice at its reference frame, given or found, and how sure each is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

ANGLES = 72


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceWall:
    """Regions of one slice at the reference frame.

    Args:
        wall, pool: of the left ventricle; papillary muscles count as pool.
        right_pool: of the right ventricle; empty where the slice lies below it.
        centre_px: of the pool.
        inner_mm, outer_mm: (72,) distance of the wall's borders from the centre, by angle from the first to the
            second axis
            of the picture.
        given: drawn by a person, not found.
        doubt: 0 where the borders are clear, 1 where they were guessed.
    """

    wall: Bool[np.ndarray, "columns rows"]
    pool: Bool[np.ndarray, "columns rows"]
    right_pool: Bool[np.ndarray, "columns rows"]
    centre_px: Float[np.ndarray, " 2"]
    inner_mm: Float[np.ndarray, " 72"]
    outer_mm: Float[np.ndarray, " 72"]
    given: bool
    doubt: float = 0.0


def angles_rad() -> Float[np.ndarray, " 72"]:
    return 2 * np.pi * np.arange(ANGLES) / ANGLES


def wall_from_masks(
    wall: Bool[np.ndarray, "columns rows"],
    pool: Bool[np.ndarray, "columns rows"] | None,
    right_pool: Bool[np.ndarray, "columns rows"] | None,
    pixel_mm: Float[np.ndarray, " 2"],
) -> SliceWall:
    """What a person drew; without a drawn pool it is what the wall encloses."""
    if pool is None:
        pool = np.asarray(ndimage.binary_fill_holes(wall)) & ~wall
        if not pool.any():
            hull = np.asarray(ndimage.binary_closing(wall, iterations=6))
            pool = np.asarray(ndimage.binary_fill_holes(hull)) & ~wall
    centre = np.array(ndimage.center_of_mass(pool if pool.any() else wall))
    both = wall | pool
    return SliceWall(
        wall=wall,
        pool=pool,
        right_pool=right_pool if right_pool is not None else np.zeros_like(wall),
        centre_px=centre,
        inner_mm=border_mm(pool, centre, pixel_mm),
        outer_mm=border_mm(both, centre, pixel_mm),
        given=True,
    )


def border_mm(mask: Bool[np.ndarray, "columns rows"], centre_px: np.ndarray, pixel_mm: np.ndarray) -> np.ndarray:
    """Where rays from the centre leave a mask for good, in mm; sub-pixel by the mask's half level."""
    radius = np.arange(0.0, 70.0, 0.25)
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 0.5)
    values = sampled_polar(soft, centre_px, pixel_mm, radius)
    inside = values > 0.5
    last = len(radius) - 1 - np.argmax(inside[:, ::-1], axis=1)
    return np.where(inside.any(axis=1), radius[last] + 0.125, 0.0)


def sampled_polar(
    picture: np.ndarray, centre_px: np.ndarray, pixel_mm: np.ndarray, radius_mm: np.ndarray
) -> Float[np.ndarray, "angles radii"]:
    """A picture along rays from a centre; `radius_mm` is (radii,) or (angles, radii)."""
    angle = angles_rad()[:, None]
    radius = np.broadcast_to(radius_mm, (ANGLES, radius_mm.shape[-1]))
    c = centre_px[0] + radius * np.cos(angle) / pixel_mm[0]
    r = centre_px[1] + radius * np.sin(angle) / pixel_mm[1]
    return ndimage.map_coordinates(picture.astype(np.float32), [c, r], order=1, mode="nearest")


def filled(radius_mm: np.ndarray, centre_px: np.ndarray, pixel_mm: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels nearer to the centre than a border."""
    c, r = np.indices(shape[:2])
    x, y = (c - centre_px[0]) * pixel_mm[0], (r - centre_px[1]) * pixel_mm[1]
    at = (np.arctan2(y, x) % (2 * np.pi)) / (2 * np.pi) * ANGLES
    return np.hypot(x, y) < np.interp(at, np.arange(ANGLES + 1), np.append(radius_mm, radius_mm[0]))
