"""A DICOM object that came over the network, as a run; it stays in memory and never meets the disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.uid import UID

from calibration.dicom_geometry import XA_SOP_CLASSES
from calibration.dicom_values import DAMAGED
from calibration.errors import InputError
from engines.angiography.dsa import subtract
from engines.angiography.files.dicom_stream import DicomStream, open_data_set
from engines.angiography.files.secondary_capture import SECONDARY_CAPTURE_SOP_CLASSES, open_dicom_run
from engines.angiography.frame import Frame
from engines.angiography.run import Run

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
    run = open_dicom_run(Path(name), stream=stream)
    run.sop_instance_uid = plain_uid(run.sop_instance_uid)
    run.require_all_frames()
    return subtract(run) if run.mask else run
