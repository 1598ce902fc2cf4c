"""Angiograms as pictures alone: many archives keep them as Secondary Capture, which says nothing of the C-arm."""

from __future__ import annotations

from pathlib import Path

from pydicom.uid import UID

from calibration.carm import CArmGeometry
from calibration.dicom_geometry import XA_SOP_CLASSES
from calibration.dicom_values import stored_text
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.files.dicom_encoding import say
from engines.angiography.files.dicom_stream import DicomStream, open_dicom
from engines.angiography.files.xa_file import XaRun
from engines.angiography.run import check_index

SECONDARY_CAPTURE_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.2": "Multi-frame Grayscale Byte Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.3": "Multi-frame Grayscale Word Secondary Capture Image Storage",
    "1.2.840.10008.5.1.4.1.1.7.4": "Multi-frame True Color Secondary Capture Image Storage",
}


class SecondaryCaptureRun(XaRun):
    """Pictures without a word on how they were projected."""

    def _require_kind(self) -> None:
        sop_class = stored_text(self.header, "SOPClassUID")
        if sop_class not in SECONDARY_CAPTURE_SOP_CLASSES:
            name = UID(sop_class).name if sop_class else "an object without SOP class"
            raise InputError(
                f"{self.source_id}: is {name}, not an X-ray angiographic run (XA, XRF, their enhanced forms or a "
                "secondary capture); choose such a file"
            )

    def geometry(self, index: int) -> CArmGeometry:
        check_index(self.source_id, index, self.frame_count)
        raise MissingGeometryError(
            f"{self.source_id}: a secondary capture does not say how it was projected (angles, distances, pixel "
            "spacing); use the XA object instead"
        )


def open_dicom_run(path: Path, *, stream: DicomStream | None = None) -> XaRun:
    """The run in an X-ray or Secondary Capture object; says in one line where it has pictures alone.

    Args:
        stream: an already opened object; `path` then only names it.

    Raises:
        InputError: the object is of another kind, is damaged, exceeds the caps, or has an unreadable format.
    """
    stream = stream or open_dicom(path)
    x_ray = stored_text(stream.header, "SOPClassUID") in XA_SOP_CLASSES
    run = (XaRun if x_ray else SecondaryCaptureRun)(path, stream=stream)
    for line in run.said:
        say(line)
    try:
        run.geometry(0)
    except MissingGeometryError as error:
        reason = str(error).removeprefix(f"{run.source_id}: ")
        say(f"{run.source_id}: pictures without geometry, so that no model can be placed on them ({reason})")
    return run
