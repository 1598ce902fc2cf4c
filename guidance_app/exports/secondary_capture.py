"""The run as it looked, for any DICOM viewer: Multi-frame True Color Secondary Capture (PS3.3 A.8.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from guidance_app.exports.dicom_object import new_object, write_pictures
from guidance_app.exports.identity import RESEARCH_LINE, ExportIdentity

_STORAGE = "1.2.840.10008.5.1.4.1.1.7.4"
_FRAME_TIME, _FRAME_TIME_VECTOR = 0x00181063, 0x00181065
_EVEN_MS = 0.01  # of steps between frames; a recording's come as they came


def write_secondary_capture(
    path: Path,
    pictures: Iterable[bytes],
    *,
    count: int,
    size_px: tuple[int, int],
    times_ms: Sequence[float],
    identity: ExportIdentity,
) -> None:
    """Write burned-in pictures as one object.

    Args:
        pictures: red, green, blue of every pixel, row by row.
        times_ms: when each picture was shown, against the first.
        size_px: (rows, columns).
    """
    rows, columns = size_px
    dataset = new_object(
        _STORAGE, name="secondary capture", modality="OT", series_number=901, description="Overlay", identity=identity
    )
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = ""
    dataset.ImageComments = RESEARCH_LINE
    dataset.DerivationDescription = f"Vessel model drawn on the picture. {RESEARCH_LINE}"
    # Text that the X-ray machine wrote into its pictures is still there, and so is ours.
    dataset.BurnedInAnnotation = "YES"
    dataset.NumberOfFrames = count
    if count > 1:
        steps_ms = np.diff(times_ms)
        if np.ptp(steps_ms) <= _EVEN_MS:
            dataset.FrameIncrementPointer = _FRAME_TIME
            dataset.FrameTime = f"{float(steps_ms.mean()):.10g}"
        else:
            dataset.FrameIncrementPointer = _FRAME_TIME_VECTOR
            dataset.FrameTimeVector = ["0", *(f"{step:.10g}" for step in steps_ms.tolist())]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.LossyImageCompression = "00"
    write_pictures(path, dataset, pictures, rows * columns * 3)
