"""Digital subtraction angiography of a run, and its minimum over time (MinIP)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.angiography.contrast import (
    contrast_curve,
    contrast_frame,
    frames_without_contrast,
    is_subtractable,
    log_picture,
)
from engines.angiography.field_of_view import find_field_of_view
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.native_picture import native_picture
from engines.angiography.pixel_shift import estimate_shift_px, shifted
from engines.angiography.run import FrameDecodeError, MaskOperation, Run

__all__ = ["SubtractedRun", "contrast_frame", "is_subtractable", "minip", "subtract"]

MINIP_FRAME = -1  # CONTRACT: as a frame number, it means the run's MinIP
# 16 bit grey covers -2 to +2 in log units: the lower end means 13 % transmission, the upper half is for contrast in the
# mask.
_LOG_RANGE = 2.0
_FULL_SCALE = 65535
_WINDOW_LOG = 0.8  # displayed range; a filled cerebral artery darkens by 0.1 to 0.4
# Frames much darker or noisier than the median were taken before the exposure settled.
_LEAST_BRIGHTNESS, _MOST_NOISE = 0.8, 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskPicture:
    """A view without contrast, which is subtracted from pictures with it.

    Args:
        logs: in log units, see `log_picture`.
        field: open field of the collimator; None where none is seen.
        log_intensity: whether the pixels of the frames are already logarithms.
    """

    logs: Float32[np.ndarray, "rows columns"]
    field: Bool[np.ndarray, "rows columns"] | None
    log_intensity: bool

    @classmethod
    def of(cls, logs: Float32[np.ndarray, "rows columns"], *, log_intensity: bool) -> MaskPicture:
        return cls(logs=logs, field=find_field_of_view(logs), log_intensity=log_intensity)

    def subtracted(self, live: Frame, *, shift_px: tuple[float, float] | None = None) -> Frame:
        """The frame without what the mask shows; unchanged pixels are mid-grey, vessels dark.

        Args:
            live: of the mask's size.
            shift_px: moves the mask onto the frame, (rows, columns); None finds it in the pictures.
        """
        started_ns = time.perf_counter_ns()
        logs = log_picture(live, log_intensity=self.log_intensity)
        if shift_px is None:
            shift_px = estimate_shift_px(self.logs, logs, self.field)
        native = native_picture(
            live.pixels, bits_stored=live.bits_stored, vessels_bright=live.vessels_bright, geometry=live.geometry
        )
        return replace(
            live,
            pixels=_grey(logs - shifted(self.logs, shift_px)),
            bits_stored=16,
            kind="dsa",
            native=native,
            vessels_bright=False,
            linear_intensity=False,
            log_intensity=True,
            window_center=(_FULL_SCALE + 1) / 2,
            window_width=_WINDOW_LOG / (2 * _LOG_RANGE) * _FULL_SCALE,
            decode_ms=live.decode_ms + (time.perf_counter_ns() - started_ns) / 1e6,
        )


class SubtractedRun:
    """A run (see `Run`) from which its masks are subtracted: unchanged pixels are mid-grey, vessels dark.

    A frame that no mask is stated for is shown as it is (PS3.3 C.7.6.10): its own `kind` tells.
    """

    def __init__(self, run: Run, mask: tuple[MaskOperation, ...], *, align: bool) -> None:
        self.unsubtracted, self.mask, self._align = run, mask, align
        self.path: Path = run.path
        self.source_id, self.sop_instance_uid = run.source_id, run.sop_instance_uid
        self.frame_count, self.frame_time_ms = run.frame_count, run.frame_time_ms
        self.frame_times_ms: tuple[float, ...] = getattr(run, "frame_times_ms", ())
        self.kind: FrameKind = "dsa"
        self.log_intensity = True
        self._kept: tuple[tuple[int, ...], MaskPicture] | None = None

    def geometry(self, index: int) -> CArmGeometry:
        return self.unsubtracted.geometry(index)

    def frame(self, index: int) -> Frame:
        """The subtracted frame. Raises FrameDecodeError if it or its masks are damaged."""
        live = self.unsubtracted.frame(index)
        found = self._operation(index)
        if found is None:
            return live
        operation, frames = found
        mask = self._mask(frames)
        if mask.logs.shape != live.shape_px:
            raise FrameDecodeError(f"{self.source_id}: frame {index} is {live.shape_px}, its mask {mask.logs.shape}")
        shift = operation.shift_of(index)
        find = self._align and not any(shift) and index not in frames
        return mask.subtracted(live, shift_px=None if find else shift)

    def subtracts(self, index: int) -> bool:
        """Whether a mask is stated for this frame."""
        return self._operation(index) is not None

    def _operation(self, index: int) -> tuple[MaskOperation, tuple[int, ...]] | None:
        for operation in self.mask:
            frames = operation.masks_of(index, self.frame_count)
            if frames:
                return operation, frames
        return None

    def _mask(self, frames: tuple[int, ...]) -> MaskPicture:
        if self._kept is None or self._kept[0] != frames:
            log_intensity = self.unsubtracted.log_intensity
            pictures = [log_picture(self.unsubtracted.frame(i), log_intensity=log_intensity) for i in frames]
            self._kept = frames, MaskPicture.of(np.mean(pictures, axis=0), log_intensity=log_intensity)
        return self._kept[1]


def subtract(run: Run, *, mask_frames: Sequence[int] | None = None, align: bool = True) -> SubtractedRun:
    """Subtract a run in the logarithm of intensity.

    Args:
        mask_frames: frames (from 0) to average as the mask; None follows the run's mask module, or without one takes
            the frames with least contrast before the bolus.
        align: align the mask with each frame by phase correlation, unless the mask module states a shift.

    Raises:
        InputError: the run is subtracted already, lacks the mask frames, or has no frame free of contrast.
    """
    if run.kind == "dsa":
        raise InputError(f"{run.source_id}: is subtracted already; use it as it is")
    if mask_frames is not None:
        masks = tuple(int(frame) for frame in mask_frames)
        if not masks or not all(0 <= frame < run.frame_count for frame in masks):
            raise InputError(f"{run.source_id}: mask frames {list(masks)}; choose some of 0 to {run.frame_count - 1}")
        return SubtractedRun(run, (MaskOperation(operation="AVG_SUB", mask_frames=masks),), align=align)
    if run.mask:
        return SubtractedRun(run, run.mask, align=align)
    curve = contrast_curve(run)
    if not curve.rises:
        raise InputError(
            f"{run.source_id}: no frame without contrast to subtract; choose mask frames or use it as it is"
        )
    return SubtractedRun(
        run, (MaskOperation(operation="AVG_SUB", mask_frames=frames_without_contrast(curve)),), align=align
    )


def minip(run: Run) -> Frame:
    """The darkest value of each pixel over the run, which shows every vessel that filled at any time.

    Damaged frames, frames of a subtracted run without a mask, and those taken before the exposure settled are left out.
    The geometry is that of the run if the C-arm stood still, else None with a reason.

    Raises:
        InputError: no frame can be decoded, or frames differ in size.
    """
    usual_brightness, usual_noise = _usual(run)
    darkest: Frame | None = None
    geometries: list[CArmGeometry | None] = []
    for index in _comparable(run):
        try:
            frame = run.frame(index)
        except FrameDecodeError:
            continue
        brightness, noise = _quality(frame)
        if brightness < _LEAST_BRIGHTNESS * usual_brightness or noise > _MOST_NOISE * usual_noise:
            continue
        geometries.append(frame.geometry)
        if darkest is None:
            darkest = frame
            continue
        if frame.shape_px != darkest.shape_px:
            raise InputError(f"{run.source_id}: frame {index} is {frame.shape_px}, others {darkest.shape_px}; split it")
        choose = np.maximum if frame.vessels_bright else np.minimum
        darkest = replace(darkest, pixels=choose(darkest.pixels, frame.pixels))
    if darkest is None:
        raise InputError(f"{run.source_id}: not one frame can be decoded; export it again")
    return _as_minip(run, darkest, geometries)


def _as_minip(run: Run, darkest: Frame, geometries: Sequence[CArmGeometry | None]) -> Frame:
    first, reason = geometries[0], darkest.geometry_reason
    if first is not None and any(other is None or not first.same_view(other) for other in geometries):
        first, reason = None, f"{run.source_id}: the C-arm or the table moved during the run; choose a single frame"
    pixels = np.ascontiguousarray(darkest.pixels)
    pixels.flags.writeable = False
    return replace(darkest, pixels=pixels, source_frame=MINIP_FRAME, index=0, geometry=first, geometry_reason=reason)


def _comparable(run: Run) -> list[int]:
    """Frames of one kind: of a subtracted run those that are subtracted."""
    return [i for i in range(run.frame_count) if not isinstance(run, SubtractedRun) or run.subtracts(i)]


def _usual(run: Run) -> tuple[float, float]:
    """Median (brightness, noise) of a few frames spread over the run."""
    qualities = []
    frames = _comparable(run)
    for place in np.unique(np.linspace(0, len(frames) - 1, 9).round().astype(int)) if frames else ():
        try:
            qualities.append(_quality(run.frame(frames[place])))
        except FrameDecodeError:
            continue
    brightness, noise = np.median(qualities, axis=0) if qualities else (0.0, 0.0)
    return float(brightness), float(noise)


def _quality(frame: Frame) -> tuple[float, float]:
    """(brightness, noise) in the frame's own units; noise dominates the difference of neighbouring pixels."""
    pixels = frame.pixels.astype(np.float32)
    brightness = float(np.median(pixels))
    full = float((1 << frame.bits_stored) - 1)
    return full - brightness if frame.vessels_bright else brightness, float(np.mean(np.abs(np.diff(pixels, axis=1))))


def _grey(difference: Float32[np.ndarray, "rows columns"]) -> np.ndarray:
    scaled = (difference + _LOG_RANGE) * (_FULL_SCALE / (2 * _LOG_RANGE))
    grey = np.clip(np.rint(scaled), 0, _FULL_SCALE).astype(np.uint16)
    grey.flags.writeable = False
    return grey
