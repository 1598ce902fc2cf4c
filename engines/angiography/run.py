"""A run: successive pictures of one view, and how they are subtracted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.angiography.frame import Frame, FrameKind

# CONTRACT: larger pictures and runs are refused before memory is allocated.
MAX_SIDE_PX = 8192
MAX_DECODED_BYTES = 2 * 1024**3


class FrameDecodeError(InputError):
    """One frame cannot be read; the others of its run may be fine. The text names file, frame and cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskOperation:
    """One item of the Mask Module (PS3.3 C.7.6.10), frames counted from 0.

    Args:
        operation: AVG_SUB subtracts the mean of `mask_frames`, TID the frame `tid_offset` earlier, and REV_TID the
            frame mirrored about the first one of the range.
        ranges: (first, last) frames, inclusive, to which it applies; () for all.
        shift_px: shift (rows, columns) of the mask before it is subtracted.
        frame_shifts_px: a shift for each frame of the run, in place of `shift_px`; () where there is none.
    """

    operation: Literal["AVG_SUB", "TID", "REV_TID"]
    mask_frames: tuple[int, ...] = ()
    tid_offset: int = 1
    ranges: tuple[tuple[int, int], ...] = ()
    shift_px: tuple[float, float] = (0.0, 0.0)
    frame_shifts_px: tuple[tuple[float, float], ...] = ()

    def shift_of(self, frame: int) -> tuple[float, float]:
        """Shift (rows, columns) of the mask for `frame`."""
        return self.frame_shifts_px[frame] if frame < len(self.frame_shifts_px) else self.shift_px

    def masks_of(self, frame: int, frame_count: int) -> tuple[int, ...]:
        """Frames whose mean is the mask of `frame`; () if this operation does not apply to it."""
        if self.ranges and not any(first <= frame <= last for first, last in self.ranges):
            return ()
        if self.operation == "AVG_SUB":
            masks = self.mask_frames
        elif self.operation == "TID":
            masks = (frame - self.tid_offset,)
        else:
            first = self.ranges[0][0] if self.ranges else 0
            masks = (first - self.tid_offset - (frame - first),)
        return masks if all(0 <= mask < frame_count for mask in masks) else ()


class Run(Protocol):
    """Pictures of one view, read one at a time, in any order, by one thread."""

    @property
    def path(self) -> Path: ...

    @property
    def source_id(self) -> str:
        """File name; no patient text."""
        ...

    @property
    def frame_count(self) -> int: ...

    @property
    def frame_time_ms(self) -> float | None:
        """Nominal time from one frame to the next, None if unknown."""
        ...

    @property
    def sop_instance_uid(self) -> str:
        """UID of the DICOM object, "" if there is none."""
        ...

    @property
    def kind(self) -> FrameKind: ...

    @property
    def mask(self) -> tuple[MaskOperation, ...]:
        """The subtraction that the object states; () if it states none."""
        ...

    @property
    def log_intensity(self) -> bool:
        """Whether pixel values are already proportional to the logarithm of the X-ray intensity."""
        ...

    def frame(self, index: int) -> Frame:
        """The picture with its geometry, or with the reason why it has none.

        Raises:
            FrameDecodeError: this frame is damaged or missing.
            InputError: there is no such frame.
        """
        ...

    def geometry(self, index: int) -> CArmGeometry:
        """The frame's geometry. Raises MissingGeometryError if the source does not state it."""
        ...


def readable_name(path: Path) -> str:
    """The file's name for messages, logs and recordings; a name that is not UTF-8 gets marks for its odd bytes."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def check_size(source: str, rows: int, columns: int, bytes_per_pixel: int, frames: int) -> None:
    """Refuse pictures beyond the caps before memory is allocated. Raises InputError."""
    if not (1 <= rows <= MAX_SIDE_PX and 1 <= columns <= MAX_SIDE_PX):
        raise InputError(
            f"{source}: frames are {rows} rows x {columns} columns, accepted are 1 to {MAX_SIDE_PX}; "
            "the header is damaged or the picture must be made smaller"
        )
    decoded = rows * columns * bytes_per_pixel * frames
    if decoded > MAX_DECODED_BYTES:
        raise InputError(
            f"{source}: {frames} frames of {rows} x {columns} decode to {decoded / 1024**3:.1f} GiB, accepted are "
            f"{MAX_DECODED_BYTES / 1024**3:g} GiB; the header is damaged or the run must be split"
        )


def check_index(source: str, index: int, frame_count: int) -> None:
    """Raises InputError for a frame that the run does not have."""
    if not 0 <= index < frame_count:
        raise InputError(f"{source}: has {frame_count} frames, no frame {index} (frames count from 0)")
