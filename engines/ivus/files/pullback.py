"""A pullback: frames, where each was taken along the catheter's way, and how large a pixel is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from calibration.errors import InputError

MAX_DECODED_BYTES = 2 * 1024**3
_PIXEL_MM = (0.003, 0.12)  # from 60 MHz catheters at full resolution to thumbnails
_LONGEST_MM = 400.0
_SHORTEST_MM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pullback:
    """Frames in stored order.

    Args:
        frames: (frame, row, column) grey values.
        pixel_mm: edge of a pixel.
        centre_px: (column, row) of the catheter.
        z_mm: nominal positions, increasing.
        gated: one frame a heart beat.
        frame_time_ms: between frames that are not gated; None where not known.
        r_peaks_ms: times of the R peaks from the first frame on; () where not known.
        source: the file or folder, for messages.
    """

    frames: UInt8[np.ndarray, "f rows columns"]
    pixel_mm: float
    centre_px: tuple[float, float]
    z_mm: Float[np.ndarray, " f"]
    gated: bool = True
    frame_time_ms: float | None = None
    r_peaks_ms: tuple[float, ...] = ()
    source: str = ""


def checked_pullback(pullback: Pullback) -> Pullback:
    """Refuse what no registration could use, by name.

    Raises:
        InputError: positions, pixel size or centre cannot be; one frame; all black; all frames the same.
    """
    where, frames, z = pullback.source, pullback.frames, pullback.z_mm
    if len(frames) < 2:
        raise InputError(f"{where}: holds {len(frames)} frame, expected a pullback of at least 2; give the whole run")
    check_positions(z, len(frames), where)
    if not _PIXEL_MM[0] <= pullback.pixel_mm <= _PIXEL_MM[1]:
        raise InputError(
            f"{where}: pixel size {pullback.pixel_mm:g} mm, "
            f"expected {_PIXEL_MM[0]:g} to {_PIXEL_MM[1]:g}; state it in mm"
        )
    column, row = pullback.centre_px
    if not (0 <= column <= frames.shape[2] - 1 and 0 <= row <= frames.shape[1] - 1):
        raise InputError(
            f"{where}: centre_px ({column:g}, {row:g}) lies outside frames of {frames.shape[2]} x {frames.shape[1]} "
            "pixels; give column and row of the catheter"
        )
    if int(frames.max()) == int(frames.min()):
        raise InputError(f"{where}: every pixel is {int(frames.max())}; there is no picture, export the run again")
    if all(np.array_equal(frames[0], frame) for frame in frames[1:]):
        raise InputError(f"{where}: all {len(frames)} frames are the same picture; export the moving run")
    return pullback


def check_positions(z_mm: Float[np.ndarray, " f"], frames: int, where: str) -> None:
    """Refuse positions that are no increasing millimetres.

    Raises:
        InputError: wrong number, NaN, negative, not increasing, or in another unit.
    """
    if len(z_mm) != frames:
        raise InputError(f"{where}: {len(z_mm)} frame positions for {frames} frames; give one position a frame")
    if not np.isfinite(z_mm).all():
        raise InputError(f"{where}: frame position {int(np.argmin(np.isfinite(z_mm)))} is not a number; give mm")
    if (z_mm < 0).any():
        raise InputError(f"{where}: frame position {z_mm.min():g} is negative; count mm from the first frame")
    falling = np.flatnonzero(np.diff(z_mm) <= 0)
    if len(falling):
        at = int(falling[0])
        raise InputError(
            f"{where}: frame positions must increase, found {z_mm[at]:g} and then {z_mm[at + 1]:g} at frame {at + 1}; "
            "store the frames in the order of the pullback"
        )
    span = float(z_mm[-1] - z_mm[0])
    if not _SHORTEST_MM <= span <= _LONGEST_MM:
        unit = "is it in metres or cm?" if span < _SHORTEST_MM else "is it in micrometres?"
        raise InputError(
            f"{where}: the pullback is {span:g} mm long, expected {_SHORTEST_MM:g} to {_LONGEST_MM:g} mm; {unit}"
        )
