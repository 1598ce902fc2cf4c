"""What a few slices of a scan show: small pictures for a person, and whether blood holds contrast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from calibration.store import write_bytes
from engines.anatomy.standing import StandingVolume, standing

SIDE_PX = 220  # of each picture
_SLICES = 48  # that are looked at, whatever the scan holds
_PIXELS = 256  # along a side of each
_WINDOW_HU = (-150.0, 550.0)
_SLAB_MM, _SLAB_HU = 24.0, (-50.0, 650.0)  # thicker ones of a head show its skull alone
# Blood with contrast is smooth over some millimetres and lies above unenhanced tissue; bone is rougher or denser.
_BLOOD_HU = (170.0, 700.0)
_SMOOTH_HU, _WIDE_MM, _LEAST_MM3 = 45.0, 2.4, 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A picture as PNG, and whether contrast was seen."""

    png: bytes
    contrast: bool

    def save(self, folder: Path, name: str) -> str:
        """Write the picture; returns its name. Raises InputError where the disk is full."""
        write_bytes(folder / name, self.png)
        return name


def sampled(count: int) -> list[int]:
    """Numbers of the slices to look at, evenly spread, the middle ones among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _SLICES)).round().astype(int)).tolist()


def thinned(voxels: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> tuple[np.ndarray, np.ndarray]:
    """Every n-th voxel of a large volume, and its affine."""
    steps = [max(1, size // _PIXELS) for size in voxels.shape]
    affine = lps_from_index @ np.diag([*map(float, steps), 1.0])
    return voxels[tuple(slice(None, None, step) for step in steps)], affine


def look_at(voxels_hu: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> Look:
    """Pictures of a thinned volume: its middle slice from the feet, and the brightest voxels of slabs about its middle.

    Args:
        voxels_hu: (i, j, k) of a thinned volume.
    """
    volume = standing(voxels_hu, lps_from_index)
    pictures = []
    for view in ("feet", "front", "left"):
        thick_mm, window_hu = (0.0, _WINDOW_HU) if view == "feet" else (_SLAB_MM, _SLAB_HU)
        axis = volume.along(view)
        middle, half = volume.voxels.shape[axis] // 2, round(0.5 * thick_mm / volume.spacing_mm[axis])
        pictures.append(_drawn(volume, view, volume.picture(view, middle - half, middle + half), window_hu))
    grey = np.concatenate(pictures, axis=1)
    return Look(png=cv2.imencode(".png", grey)[1].tobytes(), contrast=shows_contrast(voxels_hu, lps_from_index))


def shows_contrast(voxels_hu: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> bool:
    """Whether smooth parts as bright as blood with contrast are seen.

    Only across the two finest axes is a neighbourhood looked at: slices of a thinned scan lie far apart.
    """
    spacing = np.linalg.norm(lps_from_index[:3, :3], axis=0)
    coarsest = int(np.argmax(spacing))
    size: Any = [1 if axis == coarsest else max(3, round(_WIDE_MM / float(spacing[axis])) | 1) for axis in range(3)]
    hu = voxels_hu.astype(np.float32)
    mean = np.asarray(ndimage.uniform_filter(hu, size))
    square = np.asarray(ndimage.uniform_filter(hu * hu, size))
    smooth = np.maximum(square - mean * mean, 0.0) < _SMOOTH_HU**2
    blood = smooth & (mean > _BLOOD_HU[0]) & (mean < _BLOOD_HU[1])
    return float(blood.sum()) * float(np.prod(spacing)) >= _LEAST_MM3


def _drawn(
    volume: StandingVolume, view: str, values: np.ndarray, window_hu: tuple[float, float]
) -> UInt8[np.ndarray, "r c"]:
    """In a square, with true proportions."""
    low, high = window_hu
    grey = (np.clip((values.astype(np.float32) - low) / (high - low), 0.0, 1.0) * 255.0).astype(np.uint8)
    width_mm, height_mm = volume.pixel_mm(view)
    size_mm = grey.shape[1] * width_mm, grey.shape[0] * height_mm
    scale = (SIDE_PX - 8) / max(size_mm)
    columns, rows = (max(1, round(length * scale)) for length in size_mm)
    shrunk = np.asarray(cv2.resize(np.ascontiguousarray(grey), (columns, rows), interpolation=cv2.INTER_AREA))
    square = np.zeros((SIDE_PX, SIDE_PX), dtype=np.uint8)
    top, left = (SIDE_PX - rows) // 2, (SIDE_PX - columns) // 2
    square[top : top + rows, left : left + columns] = shrunk
    return square
