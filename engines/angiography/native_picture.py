"""The small native picture that goes with a frame: subtraction takes the bones away, and bones hold the pose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from calibration.carm import SPACING_TOLERANCE, CArmGeometry

SIDE_PX = 160  # quantum noise has averaged out, bones are still 3 px wide


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NativePicture:
    """A picture before subtraction, made small.

    Args:
        pixels: (r, c) stored values, averaged over areas; at most 160 a side.
        bits_stored: number of bits that hold them.
        vessels_bright: as of the frame.
    """

    pixels: UInt8[np.ndarray, "r c"] | UInt16[np.ndarray, "r c"]
    bits_stored: int
    vessels_bright: bool = False


def native_picture(
    pixels: UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"],
    *,
    bits_stored: int,
    vessels_bright: bool,
    geometry: CArmGeometry | None,
) -> NativePicture:
    """Make a native picture small; its pixels are square in mm, as far as `geometry` tells."""
    size = small_size((pixels.shape[0], pixels.shape[1]), geometry)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small.flags.writeable = False
    return NativePicture(pixels=small, bits_stored=bits_stored, vessels_bright=vessels_bright)


def small_size(shape_px: tuple[int, int], geometry: CArmGeometry | None) -> tuple[int, int]:
    """(columns, rows) of the small picture."""
    sides = np.array(shape_px[::-1], dtype=np.float64)
    if geometry is not None:
        spacing = np.array([geometry.column_spacing_mm, geometry.row_spacing_mm])
        if np.ptp(spacing) > SPACING_TOLERANCE * spacing.max():
            sides = sides * spacing / spacing.max()
    columns, rows = np.maximum(1, np.rint(sides * min(1.0, SIDE_PX / sides.max()))).astype(int)
    return int(columns), int(rows)
