"""XA and Enhanced XA multi-frame DICOM files, decoded one frame at a time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from calibration.carm import CArmGeometry
from calibration.dicom_geometry import require_xa, xa_geometry
from calibration.dicom_values import DAMAGED, stored_text
from calibration.errors import MissingGeometryError
from engines.angiography.files.dicom_stream import DicomStream, open_dicom
from engines.angiography.files.xa_pixels import PixelReader
from engines.angiography.files.xa_tags import (
    frame_kind,
    frame_times_ms,
    intensity_relationship,
    mask_operations,
    vessels_bright,
    window,
)
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.patient_mark import mark_of
from engines.angiography.run import MaskOperation, check_index, readable_name


class XaRun:
    """A run in an XA, XRF, Enhanced XA or Enhanced XRF file (see `Run`); frames are decoded only when asked for."""

    def __init__(self, path: Path, *, stream: DicomStream | None = None) -> None:
        """Raises InputError: the file is no such object, is damaged, exceeds the caps, or has an unreadable format.

        Args:
            stream: an already opened object; `path` then only names it.
        """
        self.path = Path(path)
        self.source_id = readable_name(self.path)
        stream = stream or open_dicom(self.path)
        self.header: Dataset = stream.header
        self._require_kind()
        self._pixels = PixelReader(stream, self.source_id)
        self.frame_count = self._pixels.format.frames
        self.said = [*self._pixels.said]
        if self._pixels.said:
            self.header.NumberOfFrames = self.frame_count  # geometry is asked for every frame that is there
        self.frame_times_ms: tuple[float, ...] = frame_times_ms(self.header, self.frame_count)
        self.frame_time_ms = float(np.mean(self.frame_times_ms)) if self.frame_times_ms else None
        self.sop_instance_uid = stored_text(self.header, "SOPInstanceUID")
        self.frame_of_reference_uid = stored_text(self.header, "FrameOfReferenceUID")
        self.kind: FrameKind = frame_kind(self.header)
        masks_said: list[str] = []
        self.mask: tuple[MaskOperation, ...] = mask_operations(self.header, self.frame_count, masks_said)
        self.said += [f"{self.source_id}: {line}" for line in masks_said]
        # Subtracted pixels are already differences of logarithms; another logarithm would distort them.
        relationship = intensity_relationship(self.header)
        self.log_intensity = self.kind == "dsa" or relationship == "LOG"
        # Pixels inverted for display are not proportional to the beam.
        turned = self._pixels.format.photometric == "MONOCHROME1"
        self._linear_intensity = self.kind != "dsa" and relationship == "LIN" and not turned
        self._patient = mark_of(
            stored_text(self.header, "PatientID"), stored_text(self.header, "PatientBirthDate")
        )  # fmt: skip
        self._geometry: dict[int, CArmGeometry | str] = {}

    def _require_kind(self) -> None:
        """Raises InputError for an object that this class does not read."""
        require_xa(self.header, self.source_id)

    def require_all_frames(self) -> None:
        """Raises InputError if fewer pixel data are stored than the header states; decodes nothing."""
        self._pixels.require_all_frames()

    def geometry(self, index: int) -> CArmGeometry:
        check_index(self.source_id, index, self.frame_count)
        if index not in self._geometry:
            try:
                self._geometry[index] = xa_geometry(self.header, index, source=self.source_id)
            except MissingGeometryError as error:
                self._geometry[index] = str(error)
            except DAMAGED as error:
                self._geometry[index] = f"{self.source_id}: the geometry is damaged ({type(error).__name__})"
        found = self._geometry[index]
        if isinstance(found, str):
            raise MissingGeometryError(found)
        return found

    def frame(self, index: int) -> Frame:
        check_index(self.source_id, index, self.frame_count)
        started_ns = time.perf_counter_ns()
        pixels, bits = self._pixels.read(index)
        geometry, reason = None, ""
        try:
            geometry = self.geometry(index)
        except MissingGeometryError as error:
            reason = str(error)
        inverted = self._pixels.format.photometric == "MONOCHROME1"
        centre, width = window(self.header, bits, index=index, inverted=inverted, signed=self._pixels.format.signed)
        return Frame(
            pixels=pixels,
            kind=self.kind,
            bits_stored=bits,
            decode_ms=(time.perf_counter_ns() - started_ns) / 1e6,
            acquired=_acquired(self.header),
            geometry=geometry,
            geometry_reason=reason,
            source_id=self.source_id,
            sop_instance_uid=self.sop_instance_uid,
            source_frame=index,
            index=index,
            frame_time_ms=self.frame_times_ms[index] if self.frame_times_ms else None,
            window_center=centre,
            window_width=width,
            vessels_bright=vessels_bright(self.header, inverted=inverted),
            linear_intensity=self._linear_intensity,
            log_intensity=self.log_intensity,
            patient_position=stored_text(self.header, "PatientPosition"),
            patient=self._patient,
        )


def _acquired(header: Dataset) -> str | None:
    both = stored_text(header, "AcquisitionDate") + stored_text(header, "AcquisitionTime")
    return stored_text(header, "AcquisitionDateTime") or both or None
