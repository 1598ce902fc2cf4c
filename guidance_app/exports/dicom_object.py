"""What every DICOM object of an export has in common."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, ExplicitVRLittleEndian, XRayAngiographicImageStorage

from calibration.errors import InputError
from calibration.store import write_atomically
from guidance_app.exports.identity import RESEARCH_LINE, ExportIdentity

_MODEL = "guidance-app"
_MAX_PIXEL_BYTES = 2**32 - 2  # of one value in an uncompressed object, PS3.5 7.1


def new_object(
    sop_class: str, *, name: str, modality: str, series_number: int, description: str, identity: ExportIdentity
) -> Dataset:
    """File meta, Patient, Study, Series, Equipment and SOP Common; `description` gets the research line beside it."""
    now = datetime.datetime.now()
    dataset = Dataset()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = identity.new_uid(name)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.file_meta = meta
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    identity.describe(dataset)
    dataset.Modality = modality
    dataset.SeriesInstanceUID = identity.new_uid(f"{name} series")
    dataset.SeriesNumber = series_number
    if modality != "SEG":
        dataset.Laterality = ""
    dataset.SeriesDescription = f"{description} - {RESEARCH_LINE}"[:64]
    dataset.SeriesDate, dataset.SeriesTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    dataset.InstanceNumber = 1
    dataset.Manufacturer = _MODEL
    dataset.ManufacturerModelName = f"{_MODEL} (research use only)"
    dataset.DeviceSerialNumber = "none"
    dataset.SoftwareVersions = version("guidance-app")
    dataset.ContentDate, dataset.ContentTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    dataset.ContributingEquipmentSequence = Sequence([_contribution()])
    return dataset


def code(value: str, scheme: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def reference_series(dataset: Dataset, series_uid: str, instances: Iterable[str], identity: ExportIdentity) -> None:
    """Common Instance Reference (PS3.3 C.12.2) of X-ray objects, whose UIDs come as they are to be written.

    A recording does not know the series of its frames: with new UIDs any new one will do, with the true ones a made-up
    one would be false, and the reference is left out.
    """
    uids = list(dict.fromkeys(instances))
    if not uids or (identity.identified and not series_uid):
        return
    series = Dataset()
    series.SeriesInstanceUID = identity.uid(series_uid)
    series.ReferencedInstanceSequence = Sequence([])
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = XRayAngiographicImageStorage, uid
        series.ReferencedInstanceSequence.append(item)
    dataset.ReferencedSeriesSequence = Sequence([series])


def write_object(path: Path, dataset: Dataset) -> None:
    write_atomically(path, lambda beside: dcmwrite(beside, dataset, enforce_file_format=True))


def write_pictures(path: Path, dataset: Dataset, frames: Iterable[bytes], frame_bytes: int) -> None:
    """Write an object whose 8 bit pixel data come frame by frame, so that a long run needs no memory.

    Raises:
        InputError: more than an uncompressed object can hold.
    """
    total = frame_bytes * int(dataset.NumberOfFrames)
    if total > _MAX_PIXEL_BYTES:
        raise InputError(
            f"{path}: {dataset.NumberOfFrames} frames are {total / 2**30:.1f} GiB, an uncompressed object holds 4; "
            "export one with --frame, or the film with --format mp4"
        )

    def write(beside: Path) -> None:
        dcmwrite(beside, dataset, enforce_file_format=True)
        with beside.open("ab") as file:
            padded = total + total % 2
            # (7FE0,0010) OB, the last element of the object.
            file.write(b"\xe0\x7f\x10\x00OB\0\0" + padded.to_bytes(4, "little"))
            for frame in frames:
                assert len(frame) == frame_bytes
                file.write(frame)
            file.write(b"\0" * (padded - total))

    write_atomically(path, write)


def _contribution() -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = code("109103", "DCM", "Modifying Equipment")
    item.Manufacturer = _MODEL
    item.ManufacturerModelName = _MODEL
    item.SoftwareVersions = version("guidance-app")
    item.ContributionDescription = RESEARCH_LINE
    return item
