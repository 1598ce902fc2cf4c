"""A DICOM object that came over the network, as a run; it stays in memory and never meets the disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.uid import UID

from calibration.carm import CArmGeometry
from calibration.dicom_geometry import XA_SOP_CLASSES
from calibration.dicom_values import DAMAGED, stored_text
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.dsa import subtract
from engines.angiography.files.dicom_stream import DicomStream, open_data_set
from engines.angiography.files.xa_file import XaRun
from engines.angiography.frame import Frame
from engines.angiography.run import Run, check_index

SECONDARY_CAPTURE_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.2": "Multi-frame Grayscale Byte Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.3": "Multi-frame Grayscale Word Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.4": "Multi-frame True Color Secondary Capture Image Storage",
}
RECEIVED_SOP_CLASSES = XA_SOP_CLASSES | SECONDARY_CAPTURE_SOP_CLASSES
_MAX_UID_CHARACTERS = 64  # PS3.5 9.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReceivedRun:
    """A run of which the first frame is decoded already: that is how the sender was told that it can be read.

    Args:
        size_bytes: what it holds in memory.
        received_ns: monotonic clock when the last byte was there.
    """

    run: Run
    first: Frame
    size_bytes: int
    received_ns: int

    def frame(self, index: int) -> Frame:
        return self.first if index == 0 else self.run.frame(index)


class SecondaryCaptureRun(XaRun):
    """Pictures without a word on how they were projected."""

    def _require_kind(self) -> None:
        sop_class = stored_text(self.header, "SOPClassUID")
        if sop_class not in SECONDARY_CAPTURE_SOP_CLASSES:
            name = UID(sop_class).name if sop_class else "an object without SOP class"
            raise InputError(f"{self.source_id}: is {name}; accepted are XA, XRF, their enhanced forms and captures")

    def geometry(self, index: int) -> CArmGeometry:
        check_index(self.source_id, index, self.frame_count)
        raise MissingGeometryError(
            f"{self.source_id}: a secondary capture does not say how it was projected; send the XA object instead"
        )


def read_received(data: bytes, syntax: UID, *, name: str, received_ns: int) -> ReceivedRun:
    """The run in a received data set, with its first frame decoded.

    Args:
        name: what error messages call it, "object 3"; no patient text.

    Raises:
        InputError: damaged, cut off, of another kind, or beyond the caps; memory is taken only after they were checked.
    """
    stream = open_data_set(data, syntax, name)
    try:
        run = _run(stream, name)
        first = run.frame(0)
    except DAMAGED as error:
        raise InputError(f"{name}: the data set is damaged ({type(error).__name__}); send it again") from error
    return ReceivedRun(run=run, first=replace(first, received_ns=received_ns), size_bytes=len(data),
                       received_ns=received_ns)  # fmt: skip


def plain_uid(text: str) -> str:
    """The UID, or "" for anything that is none."""
    fits = 0 < len(text) <= _MAX_UID_CHARACTERS and set(text) <= set("0123456789.")
    return text if fits else ""


def _run(stream: DicomStream, name: str) -> Run:
    kind = XaRun if stored_text(stream.header, "SOPClassUID") in XA_SOP_CLASSES else SecondaryCaptureRun
    run = kind(Path(name), stream=stream)
    run.sop_instance_uid = plain_uid(run.sop_instance_uid)
    run.require_all_frames()
    return subtract(run) if run.mask else run
