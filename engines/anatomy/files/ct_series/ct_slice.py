"""One slice of a CT, a file or a frame of an Enhanced object: where it lies, how it scales, its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int32
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, EnhancedCTImageStorage

from calibration.dicom_values import DAMAGED
from calibration.errors import InputError
from engines.angiography.files.dicom_encoding import read_header
from engines.angiography.files.dicom_stream import open_dicom, transfer_syntax_of
from engines.angiography.files.xa_pixels import PixelReader
from engines.angiography.patient_mark import PatientMark, mark_of

_LEGACY_CONVERTED_ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.2"
_ENHANCED = (EnhancedCTImageStorage, _LEGACY_CONVERTED_ENHANCED_CT)
_AIR_HU = -1024
_MAX_FRAMES = 20_000
_TAGS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "ImageType", "Rows",
         "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope",
         "RescaleIntercept", "FrameOfReferenceUID", "PatientID", "PatientBirthDate", "SamplesPerPixel",
         "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
         "NominalPercentageOfCardiacPhase", "TriggerTime", "TemporalPositionIndex", "TemporalPositionIdentifier",
         "AcquisitionNumber", "AcquisitionTime", "InstanceNumber")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a slice was taken, as far as its header says; tells the phases of one series apart."""

    percent: float | None = None  # of the cardiac cycle
    trigger_ms: float | None = None
    position: float | None = None  # temporal position index
    acquisition: float | None = None
    time: str = ""
    instance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtSlice:
    """The geometry and scale that a header states.

    Args:
        frame: within its file, from 0.
        padding: lowest and highest stored value that is no measurement.
    """

    path: Path
    frame: int = 0
    series: str
    number: str
    frame_of_reference: str
    patient: PatientMark | None
    instance: str
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    orientation: Float[np.ndarray, " 6"]
    position_mm: Float[np.ndarray, " 3"]
    slope: float
    intercept: float
    padding: tuple[int, int] | None = None
    moment: Moment = Moment()

    @property
    def place(self) -> str:
        """For a person: the file, and which frame of it."""
        return f"{self.path.name} frame {self.frame}" if self.frame else self.path.name


def slices_of_file(path: Path) -> list[CtSlice]:
    """The CT slices of a file; none where it is something else: reports and scouts lie in CT folders too.

    Raises:
        InputError: a damaged header, or a CT slice that lacks what places or scales it.
    """
    try:
        if transfer_syntax_of(path) == DeflatedExplicitVRLittleEndian:
            dataset = open_dicom(path).header  # inflated within limits, which pydicom does not have
        else:
            dataset = read_header(path, _TAGS)
        sop_class, kind = dataset.get("SOPClassUID"), str(dataset.get("ImageType", ""))
    except (InvalidDicomError, EOFError):
        return []
    except DAMAGED as error:
        raise InputError(f"{path}: the DICOM header cannot be read ({error}); copy the file again") from error
    if sop_class in _ENHANCED:
        return _frames(path)
    if sop_class != CTImageStorage or "LOCALIZER" in kind:
        return []
    try:
        return [
            CtSlice(
                path=path,
                series=str(dataset.SeriesInstanceUID),
                number=str(dataset.get("SeriesNumber", "?")),
                frame_of_reference=str(dataset.get("FrameOfReferenceUID", "") or ""),
                patient=_patient(dataset),
                instance=str(dataset.SOPInstanceUID),
                shape=(int(dataset.Rows), int(dataset.Columns)),
                spacing_mm=(float(dataset.PixelSpacing[0]), float(dataset.PixelSpacing[1])),
                orientation=_numbers(dataset.ImageOrientationPatient, 6),
                position_mm=_numbers(dataset.ImagePositionPatient, 3),
                slope=float(dataset.RescaleSlope),
                intercept=float(dataset.RescaleIntercept),
                padding=_padding(dataset),
                moment=_moment(dataset, dataset, dataset),
            )
        ]
    except DAMAGED as error:
        raise InputError(
            f"{path}: a CT slice lacks what places or scales it ({error}); export the series again with all its tags"
        ) from error


def hounsfield(slices: Sequence[CtSlice]) -> np.ndarray:
    """(column, row, slice) in HU; int16 where every slice scales by whole numbers.

    Raises:
        InputError: a picture that cannot be decoded, or of another size than its header says.
    """
    rows, columns = slices[0].shape
    whole = all(float(part.slope).is_integer() and float(part.intercept).is_integer() for part in slices)
    voxels = np.empty((len(slices), rows, columns), dtype=np.int16 if whole else np.float32)
    reader: PixelReader | None = None
    opened: Path | None = None
    for index, part in enumerate(slices):
        try:
            if reader is None or opened != part.path:
                reader, opened = PixelReader(open_dicom(part.path), part.path.name), part.path
            stored = _stored(reader, part.frame)
        except InputError as error:
            raise InputError(f"{part.path}: pixels cannot be decoded ({error}); copy the file again") from error
        if stored.shape != (rows, columns):
            raise InputError(
                f"{part.path}: pixels are {stored.shape}, expected {(rows, columns)}; export the series again"
            )
        scaled = stored.astype(np.float64) * part.slope + part.intercept
        if part.padding is not None:
            scaled[(stored >= part.padding[0]) & (stored <= part.padding[1])] = _AIR_HU
        voxels[index] = np.clip(scaled, -32768, 32767)
    return voxels.transpose(2, 1, 0)


def _frames(path: Path) -> list[CtSlice]:
    """The frames of an Enhanced CT (PS3.3 A.38); what all share stands in the shared functional groups."""
    header = open_dicom(path).header
    try:
        frames = header.PerFrameFunctionalGroupsSequence
        shared = header.get("SharedFunctionalGroupsSequence")
        common = shared[0] if shared else Dataset()
        if len(frames) > _MAX_FRAMES:
            raise ValueError(f"{len(frames)} frames")
        return list(_placed_frames(path, header, common, frames))
    except DAMAGED as error:
        raise InputError(
            f"{path}: is an Enhanced CT that lacks what places or scales its frames ({error}); export it again"
        ) from error


def _placed_frames(path: Path, header: Dataset, common: Dataset, frames: Sequence[Dataset]) -> Iterator[CtSlice]:
    padding = _padding(header)
    for index, frame in enumerate(frames):
        kind = _group(frame, common, "CTImageFrameTypeSequence", header).get("FrameType", header.get("ImageType", ""))
        if "LOCALIZER" in str(kind):
            continue
        measures = _group(frame, common, "PixelMeasuresSequence")
        values = _group(frame, common, "PixelValueTransformationSequence")
        yield CtSlice(
            path=path,
            frame=index,
            series=str(header.SeriesInstanceUID),
            number=str(header.get("SeriesNumber", "?")),
            frame_of_reference=str(header.get("FrameOfReferenceUID", "") or ""),
            patient=_patient(header),
            instance=f"{header.SOPInstanceUID} frame {index}",
            shape=(int(header.Rows), int(header.Columns)),
            spacing_mm=(float(measures.PixelSpacing[0]), float(measures.PixelSpacing[1])),
            orientation=_numbers(_group(frame, common, "PlaneOrientationSequence").ImageOrientationPatient, 6),
            position_mm=_numbers(_group(frame, common, "PlanePositionSequence").ImagePositionPatient, 3),
            slope=float(values.RescaleSlope),
            intercept=float(values.RescaleIntercept),
            padding=padding,
            moment=_moment(
                _group(frame, common, "CardiacSynchronizationSequence", Dataset()),
                _group(frame, common, "FrameContentSequence", Dataset()),
                Dataset(),
            ),
        )


def _group(frame: Dataset, common: Dataset, keyword: str, otherwise: Dataset | None = None) -> Dataset:
    """A functional group, from the frame or shared by all."""
    for place in (frame, common):
        if place.get(keyword):
            return place[keyword][0]
    if otherwise is None:
        raise ValueError(f"no {keyword}")
    return otherwise


def _moment(cardiac: Dataset, content: Dataset, own: Dataset) -> Moment:
    def number(dataset: Dataset, *keywords: str) -> float | None:
        for keyword in keywords:
            try:
                value = float(str(dataset.get(keyword)))
            except DAMAGED:
                continue
            if np.isfinite(value):
                return value
        return None

    return Moment(
        percent=number(cardiac, "NominalPercentageOfCardiacPhase"),
        trigger_ms=number(cardiac, "TriggerTime", "NominalCardiacTriggerDelayTime"),
        position=number(content, "TemporalPositionIndex", "TemporalPositionIdentifier"),
        acquisition=number(content, "AcquisitionNumber", "FrameAcquisitionNumber"),
        time=str(content.get("AcquisitionTime") or content.get("FrameReferenceDateTime") or ""),
        instance=number(own, "InstanceNumber"),
    )


def _patient(header: Dataset) -> PatientMark | None:
    return mark_of(str(header.get("PatientID", "") or ""), str(header.get("PatientBirthDate", "") or ""))


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """PS3.3 C.7.5.1.1.2: a value, or all between a value and a limit.

    Stored with the VR of the pixels, with the other one, or with none: what counts are its bits.
    """
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = dataset.get(keyword)
        if value is None or value == b"" or value == "":
            continue
        whole = int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(float(value))
        whole &= 0xFFFF
        ends.append(whole - 0x10000 if signed and whole >= 0x8000 else whole)
    return (min(ends), max(ends)) if ends else None


def _numbers(values: Sequence[float], count: int) -> Float[np.ndarray, " n"]:
    numbers = np.array([float(value) for value in values])
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} numbers, found {list(values)}")
    return numbers


def _stored(reader: PixelReader, frame: int) -> Int32[np.ndarray, "rows columns"]:
    """Pixels as the file has them; sizes are checked before a decoder takes memory for them."""
    lifted, bits = reader.read(frame)
    stored = lifted.astype(np.int32)
    if reader.format.photometric == "MONOCHROME1":
        stored = (1 << bits) - 1 - stored
    # A run's reader lifts signed values above zero; Hounsfield units need their sign.
    return stored - (1 << (bits - 1)) if reader.format.signed else stored
