"""Lengths, angles and widths in a picture, each with the way in which its millimetres were found.

The spacing that DICOM states is that of the detector: what lies in the patient is magnified by SID over SOD, so that
it is never taken as it is. Without a calibration figures are pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError

MM_PER_FRENCH = 1.0 / 3.0  # outer diameter
_FRENCH = (1.0, 34.0)  # of catheters and sheaths that exist
_LEAST_PX = 2.0  # below it a click is as large as what is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSize:
    """Millimetres in the patient that a pixel covers, and how that is known.

    Args:
        column_mm, row_mm: between neighbouring columns, and rows.
        way: in words, as it stands beside each figure.
    """

    column_mm: float
    row_mm: float
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value with its unit; `way` says how millimetres were found, or that there are none."""

    value: float
    unit: str
    way: str

    def __str__(self) -> str:
        digits = 0 if self.unit == "px" else 1
        return f"{self.value:.{digits}f} {self.unit}"


def size_of_header(geometry: CArmGeometry | None) -> PixelSize | None:
    """At the isocentre, from the C-arm's distances; None where the header does not state them.

    What lies nearer to the source than the isocentre is shown larger: 5 cm off are 7 %.
    """
    if geometry is None:
        return None
    at_isocentre = geometry.sod_mm / geometry.sid_mm
    sizes = geometry.column_spacing_mm * at_isocentre, geometry.row_spacing_mm * at_isocentre
    if not all(math.isfinite(size) and size > 0.0 for size in sizes):
        return None
    return PixelSize(column_mm=sizes[0], row_mm=sizes[1], way="header, at the isocentre")


def size_of_catheter(french: float, width_px: float) -> PixelSize:
    """From the width at which a catheter of a known size is shown.

    Raises:
        InputError: no such catheter, or a width of hardly a pixel.
    """
    if not _FRENCH[0] <= french <= _FRENCH[1]:
        raise InputError(f"catheter of {french:g} F: expected {_FRENCH[0]:g} to {_FRENCH[1]:g} F; give its outer size")
    return _size_of(french * MM_PER_FRENCH, width_px, f"catheter {french:g} F")


def size_of_marker(length_mm: float, length_px: float) -> PixelSize:
    """From two points whose distance is known, as the rings of a marker catheter.

    Raises:
        InputError: no length, or one of hardly a pixel.
    """
    if not (math.isfinite(length_mm) and length_mm > 0.0):
        raise InputError(f"marker of {length_mm:g} mm: expected a length above 0; give the distance of its rings")
    return _size_of(length_mm, length_px, f"marker {length_mm:g} mm")


def length(points_px: Float[np.ndarray, "n 2"], size: PixelSize | None) -> Figure:
    """Along the points."""
    steps = np.diff(_scaled(points_px, size), axis=0)
    return _figure(float(np.linalg.norm(steps, axis=1).sum()), size)


def angle(points_px: Float[np.ndarray, "3 2"], size: PixelSize | None) -> Figure:
    """At the second of three points; needs no calibration but for pixels that are not square.

    Raises:
        InputError: two of the points fall together.
    """
    scaled = _scaled(points_px, size)
    arms = scaled[[0, 2]] - scaled[1]
    lengths = np.linalg.norm(arms, axis=1)
    if (lengths < 1e-9).any():
        raise InputError("angle: two of its points fall together; set them apart")
    cosine = float(np.clip(arms[0] @ arms[1] / lengths.prod(), -1.0, 1.0))
    return Figure(value=math.degrees(math.acos(cosine)), unit="\u00b0", way="in the picture's plane")


def _size_of(known_mm: float, shown_px: float, way: str) -> PixelSize:
    if not shown_px >= _LEAST_PX:
        raise InputError(f"{way}: shown over {shown_px:.1f} pixels, too few to calibrate by; zoom in and set it anew")
    return PixelSize(column_mm=known_mm / shown_px, row_mm=known_mm / shown_px, way=way)


def _scaled(points_px: Float[np.ndarray, "n 2"], size: PixelSize | None) -> Float[np.ndarray, "n 2"]:
    points = np.asarray(points_px, dtype=np.float64)
    return points if size is None else points * (size.column_mm, size.row_mm)


def _figure(value: float, size: PixelSize | None) -> Figure:
    if size is None:
        return Figure(value=value, unit="px", way="no calibration: pixels")
    return Figure(value=value, unit="mm", way=size.way)
