"""A run with calibrations applied: straightened pictures and corrected angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32

from calibration.calibration_file import CArmFile, DistortionFile, read_calibration
from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.intensifier.distortion import Distortion
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.run import MaskOperation, Run


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corrections:
    """The corrections that calibration files state.

    Args:
        offset_primary_deg: added to the header's primary angle; `offset_secondary_deg` to the secondary one.
        pixel_spacing_mm: pixel spacing of straightened pictures, at the detector.
    """

    offset_primary_deg: float = 0.0
    offset_secondary_deg: float = 0.0
    distortion: Distortion | None = None
    pixel_spacing_mm: float | None = None

    def applied_to(self, run: Run) -> Run:
        """The corrected run. Raises InputError if its pictures have another size than the calibration's."""
        return CalibratedRun(run, self)

    def corrected(self, geometry: CArmGeometry) -> CArmGeometry:
        spacing = self.pixel_spacing_mm
        return replace(
            geometry,
            primary_rad=geometry.primary_rad + math.radians(self.offset_primary_deg),
            secondary_rad=geometry.secondary_rad + math.radians(self.offset_secondary_deg),
            row_spacing_mm=geometry.row_spacing_mm if spacing is None else spacing,
            column_spacing_mm=geometry.column_spacing_mm if spacing is None else spacing,
            spacing_source=geometry.spacing_source if spacing is None else "calibration",
        )


def read_corrections(paths: Sequence[Path]) -> Corrections:
    """Corrections of a C-arm file, a distortion file, or one of each.

    Raises:
        InputError: a file is no calibration, has expired, corrects no run, or is the second of its kind.
    """
    found = Corrections()
    seen: set[str] = set()
    for path in paths:
        content = read_calibration(path)
        if content.schema_ in seen:
            raise InputError(f"--calibration {path}: is the second {content.schema_}; give one of each kind")
        seen.add(content.schema_)
        if isinstance(content, CArmFile):
            if content.offset_primary_deg is None or content.offset_secondary_deg is None:
                raise InputError(f"--calibration {path}: holds no angle offsets; calibrate from XA files with angles")
            found = replace(
                found,
                offset_primary_deg=content.offset_primary_deg,
                offset_secondary_deg=content.offset_secondary_deg,
            )
        elif isinstance(content, DistortionFile):
            distortion = Distortion.from_file(content)
            found = replace(found, distortion=distortion, pixel_spacing_mm=content.pixel_spacing_mm)
        else:
            raise InputError(f"--calibration {path}: is a capture file; use it with capture:DEVICE?calibration=FILE")
    return found


class CalibratedRun:
    """A run (see `Run`) with its corrections applied; pixels outside the distortion grid are dark."""

    def __init__(self, run: Run, corrections: Corrections) -> None:
        self.uncorrected, self._corrections = run, corrections
        self.path: Path = run.path
        self.source_id, self.sop_instance_uid = run.source_id, run.sop_instance_uid
        self.frame_of_reference_uid: str = getattr(run, "frame_of_reference_uid", "")
        self.frame_count, self.frame_time_ms = run.frame_count, run.frame_time_ms
        self.frame_times_ms: tuple[float, ...] = getattr(run, "frame_times_ms", ())
        self.kind: FrameKind = run.kind
        self.mask: tuple[MaskOperation, ...] = run.mask
        self.log_intensity = run.log_intensity
        self._sampling: Float32[np.ndarray, "2 rows columns"] | None = None
        if corrections.distortion is not None:
            corrections.distortion.require_shape(run.frame(0).shape_px, run.source_id)
            there = corrections.distortion.sampling_px()
            self._sampling = np.nan_to_num(there, nan=-1e4).astype(np.float32)

    def geometry(self, index: int) -> CArmGeometry:
        return self._corrections.corrected(self.uncorrected.geometry(index))

    def frame(self, index: int) -> Frame:
        """As `Run.frame`, but refuses a frame of another size than the first."""
        frame = self.uncorrected.frame(index)
        geometry = None if frame.geometry is None else self._corrections.corrected(frame.geometry)
        if self._sampling is None or self._corrections.distortion is None:
            return replace(frame, geometry=geometry)
        self._corrections.distortion.require_shape(frame.shape_px, self.source_id)
        dark = (1 << frame.bits_stored) - 1 if frame.vessels_bright else 0
        pixels = cv2.remap(
            frame.pixels,
            self._sampling[1],
            self._sampling[0],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=dark,
        )
        pixels.flags.writeable = False
        return replace(frame, pixels=pixels, geometry=geometry)
