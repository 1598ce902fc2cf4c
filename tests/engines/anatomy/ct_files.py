"""Small DICOM CT series, written slice by slice, with the defects that a test needs."""

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SHAPE = (6, 8)  # rows, columns
SPACING_MM = (0.8, 0.5)  # between rows, between columns
STEP_MM = 1.25
ORIGIN_MM = np.array([-20.0, 30.0, 100.0])


def voxel_values(count: int) -> np.ndarray:
    """Stored values (slice, row, column), each different from its neighbours."""
    return np.arange(count * SHAPE[0] * SHAPE[1], dtype=np.int16).reshape(count, *SHAPE)


def write_series(
    folder: Path,
    count: int = 5,
    *,
    series_uid: str | None = None,
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    step_mm: tuple[float, float, float] = (0, 0, STEP_MM),
    prefix: str = "s",
    **tags: object,
) -> list[Path]:
    """Write slices in shuffled file order; `tags` replace or (None) remove attributes of every slice."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = series_uid or generate_uid()
    frame_of_reference = "1.2.3.4.5"
    paths = []
    for index in range(count):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(str(folder), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID = series_uid
        dataset.SeriesNumber = 3
        dataset.FrameOfReferenceUID = frame_of_reference
        dataset.PatientName = "Doe^Jane"
        dataset.PatientID = "SECRET-4711"
        dataset.Modality = "CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Rows, dataset.Columns = SHAPE
        dataset.PixelSpacing = list(SPACING_MM)
        dataset.ImageOrientationPatient = list(orientation)
        dataset.ImagePositionPatient = [f"{value:.4f}" for value in ORIGIN_MM + index * np.array(step_mm)]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1000
        dataset.PixelData = voxel_values(count)[index].tobytes()
        for name, value in tags.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
        # File names run against the order of the slices.
        path = folder / f"{prefix}{count - index:03d}.dcm"
        dataset.save_as(path)
        paths.append(path)
    return paths
