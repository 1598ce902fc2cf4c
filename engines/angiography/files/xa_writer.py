"""Write X-ray angiographic runs as DICOM files that every reader can open; the simulation uses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8, UInt16
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    XRayAngiographicImageStorage,
    generate_uid,
)

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.store import write_atomically

Compression = Literal["none", "rle", "jpeg2000", "jpeg2000-lossy"]

_TRANSFER_SYNTAXES = {
    "none": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
    "jpeg2000-lossy": JPEG2000,
}
# Usual in angiography archives; such compression removes quantum noise before it touches vessels.
_LOSSY_RATIO = 12.0
_FRAME_TIME_TAG = 0x00181063
_DISTANCE_TOLERANCE_MM = 1e-3
_ANGLE_DECIMALS = 6
# In Explicit VR, all DS values of one attribute share a 16 bit length: 65534 bytes at up to 16 characters a value.
_MAX_MOVING_FRAMES = 4000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XaRecord:
    """One run to be written as X-Ray Angiographic Image Storage (PS3.3 A.14).

    Args:
        pixels: (frames, rows, columns), MONOCHROME2.
        geometry: one for the whole run, or one per frame; SID, SOD and spacing must not change within a run.
        uid_seed: the same seed gives the same instance and series UIDs, so that a case is reproducible.
        bits_stored: None takes 8 for uint8 and 16 for uint16.
        patient_id: pseudonym; becomes Patient ID and name.
        study_seed: runs with the same seed belong to the same study; None takes `patient_id`.
        mask_frames: frames (from 0) to average as mask, written as an AVG_SUB item of the Mask Module; () for none.
        intensity: Pixel Intensity Relationship; "LIN" is proportional to the beam, "DISP" is made for display.
        subtracted: whether the pixels are already subtracted.
        acquired: "YYYYMMDDHHMMSS", or None if unknown.
    """

    pixels: UInt8[np.ndarray, "frames rows columns"] | UInt16[np.ndarray, "frames rows columns"]
    geometry: CArmGeometry | Sequence[CArmGeometry]
    frame_time_ms: float
    uid_seed: str
    bits_stored: int | None = None
    patient_id: str = "SIMULATED"
    study_seed: str | None = None
    frame_of_reference_uid: str = ""
    series_number: int = 1
    instance_number: int = 1
    description: str = ""
    mask_frames: tuple[int, ...] = ()
    intensity: Literal["LIN", "LOG", "DISP"] = "DISP"
    subtracted: bool = False
    window_center: float | None = None
    window_width: float | None = None
    acquired: str | None = None
    deidentification: str = "simulated picture, no patient"
    compression: Compression = "none"


def write_xa(path: Path, record: XaRecord) -> None:
    """Write the complete run or nothing, in Explicit VR Little Endian or compressed as the record says.

    Raises:
        InputError: the record is no valid run (shapes, bits, geometry), or the folder cannot be written to.
    """
    dataset = xa_dataset(record, source=Path(path).name)
    write_atomically(Path(path), lambda beside: dataset.save_as(beside, enforce_file_format=True))


def xa_dataset(record: XaRecord, *, source: str = "run") -> Dataset:
    """The run as a data set, ready for a file or for a network send. Raises InputError as `write_xa` does."""
    views = _checked_views(record, source)
    dataset = Dataset()
    _write_identity(dataset, record)
    _write_acquisition(dataset, record)
    _write_positioner(dataset, views)
    _write_table(dataset, views)
    _write_mask(dataset, record)
    _write_pixels(dataset, record)
    return dataset


def instance_uid(uid_seed: str) -> str:
    """The SOP Instance UID of a record with this seed."""
    return generate_uid(entropy_srcs=["instance", uid_seed])


def _checked_views(record: XaRecord, source: str) -> tuple[CArmGeometry, ...]:
    pixels = record.pixels
    if pixels.ndim != 3 or pixels.dtype not in (np.uint8, np.uint16) or 0 in pixels.shape:
        raise InputError(
            f"{source}: a run is (frames, rows, columns) of uint8 or uint16, found {pixels.shape} {pixels.dtype}"
        )
    frames = pixels.shape[0]
    views = record.geometry if isinstance(record.geometry, Sequence) else (record.geometry,) * frames
    if len(views) != frames:
        raise InputError(f"{source}: {frames} frames but {len(views)} geometries; give one, or one a frame")
    first = views[0]
    for index, view in enumerate(views):
        fixed = (view.sid_mm, view.sod_mm, view.column_spacing_mm, view.row_spacing_mm)
        expected = (first.sid_mm, first.sod_mm, first.column_spacing_mm, first.row_spacing_mm)
        if not np.allclose(fixed, expected, rtol=0, atol=_DISTANCE_TOLERANCE_MM):
            raise InputError(
                f"{source}: frame {index} changes SID, SOD or spacing; XA holds one of each, split the run"
            )
        if view.shape_px != pixels.shape[1:]:
            raise InputError(f"{source}: frame {index} is {pixels.shape[1:]}, its geometry is for {view.shape_px}")
        centre = ((pixels.shape[2] - 1) / 2, (pixels.shape[1] - 1) / 2)
        if not np.allclose(view.principal_point_px, centre, rtol=0, atol=1e-6):
            raise InputError(f"{source}: XA cannot state the principal point {view.principal_point_px}; it is {centre}")
    if frames > _MAX_MOVING_FRAMES and any(not first.same_view(view) for view in views):
        raise InputError(f"{source}: {frames} frames with a moving C-arm; XA holds {_MAX_MOVING_FRAMES}, split the run")
    bits = _bits_stored(record)
    if not 1 <= bits <= pixels.itemsize * 8 or int(pixels.max()) >> bits:
        raise InputError(f"{source}: values up to {int(pixels.max())} do not fit {bits} stored bits")
    if any(not 0 <= mask < frames for mask in record.mask_frames):
        raise InputError(f"{source}: mask frames {record.mask_frames} are outside 0..{frames - 1}")
    if not (math.isfinite(record.frame_time_ms) and record.frame_time_ms > 0):
        raise InputError(f"{source}: frame time {record.frame_time_ms} ms; it must be positive")
    return tuple(views)


def _bits_stored(record: XaRecord) -> int:
    return record.bits_stored if record.bits_stored is not None else record.pixels.itemsize * 8


def _write_identity(dataset: Dataset, record: XaRecord) -> None:
    study = record.study_seed if record.study_seed is not None else record.patient_id
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = [
        "DERIVED" if record.subtracted else "ORIGINAL",
        "PRIMARY",
        "SINGLE PLANE",
        *(["SUBTRACTION"] if record.subtracted else []),
    ]
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.SOPInstanceUID = UID(instance_uid(record.uid_seed))
    date, time = (record.acquired[:8], record.acquired[8:]) if record.acquired else ("", "")
    dataset.StudyDate, dataset.StudyTime = date, time
    dataset.ContentDate, dataset.ContentTime = date, time
    if record.acquired:
        dataset.AcquisitionDate, dataset.AcquisitionTime = date, time
    dataset.Modality = "XA"
    dataset.Manufacturer = "guidance-app"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.StudyID = ""
    if record.description:
        dataset.SeriesDescription = record.description
    dataset.PatientName = dataset.PatientID = record.patient_id
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = record.deidentification
    dataset.PatientPosition = "HFS"
    dataset.PatientOrientation = None
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", study])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", study, record.uid_seed])
    dataset.SeriesNumber, dataset.InstanceNumber = record.series_number, record.instance_number
    if record.frame_of_reference_uid:
        dataset.FrameOfReferenceUID = UID(record.frame_of_reference_uid)
        dataset.PositionReferenceIndicator = ""


def _write_acquisition(dataset: Dataset, record: XaRecord) -> None:
    rate = max(1, round(1000.0 / record.frame_time_ms))
    dataset.KVP = dataset.ExposureTime = dataset.XRayTubeCurrent = dataset.Exposure = None
    dataset.RadiationSetting = "GR"
    dataset.ContrastBolusAgent = ""
    dataset.FrameTime = _ds(record.frame_time_ms)
    dataset.CineRate = dataset.RecommendedDisplayFrameRate = rate
    dataset.NumberOfFrames = record.pixels.shape[0]
    dataset.FrameIncrementPointer = _FRAME_TIME_TAG


def _write_positioner(dataset: Dataset, views: Sequence[CArmGeometry]) -> None:
    first = views[0]
    dataset.DistanceSourceToDetector = _ds(first.sid_mm)
    dataset.DistanceSourceToPatient = _ds(first.sod_mm)
    dataset.EstimatedRadiographicMagnificationFactor = _ds(first.sid_mm / first.sod_mm)
    # PS3.3 10.7.1.3: row spacing first, column spacing second.
    dataset.ImagerPixelSpacing = [_ds(first.row_spacing_mm), _ds(first.column_spacing_mm)]
    primary_deg = np.round(np.rad2deg([view.primary_rad for view in views]), _ANGLE_DECIMALS)
    secondary_deg = np.round(np.rad2deg([view.secondary_rad for view in views]), _ANGLE_DECIMALS)
    dataset.PositionerPrimaryAngle = _ds(primary_deg[0])
    dataset.PositionerSecondaryAngle = _ds(secondary_deg[0])
    moving = bool(np.ptp(primary_deg) or np.ptp(secondary_deg))
    dataset.PositionerMotion = "DYNAMIC" if moving else "STATIC"
    if moving:
        # PS3.3 C.8.7.5.1.3: a vector of offsets from the first angle, one per frame.
        dataset.PositionerPrimaryAngleIncrement = [_ds(angle - primary_deg[0]) for angle in primary_deg]
        dataset.PositionerSecondaryAngleIncrement = [_ds(angle - secondary_deg[0]) for angle in secondary_deg]
    if first.mirrored:
        dataset.FieldOfViewRotation = 0
        dataset.FieldOfViewHorizontalFlip = "YES"


def _write_table(dataset: Dataset, views: Sequence[CArmGeometry]) -> None:
    tables = [view.table_mm for view in views if view.table_mm is not None]
    if len(tables) != len(views):
        dataset.TableMotion = "STATIC"
        return
    positions = np.array(tables)
    dataset.TableTopLateralPosition = _ds(positions[0, 0])
    dataset.TableTopLongitudinalPosition = _ds(positions[0, 1])
    dataset.TableTopVerticalPosition = _ds(positions[0, 2])
    moving = bool(np.ptp(positions, axis=0).any())
    dataset.TableMotion = "DYNAMIC" if moving else "STATIC"
    if moving:
        relative = positions - positions[0]
        dataset.TableLateralIncrement = [_ds(value) for value in relative[:, 0]]
        dataset.TableLongitudinalIncrement = [_ds(value) for value in relative[:, 1]]
        dataset.TableVerticalIncrement = [_ds(value) for value in relative[:, 2]]


def _write_mask(dataset: Dataset, record: XaRecord) -> None:
    if not record.mask_frames:
        return
    item = Dataset()
    item.MaskOperation = "AVG_SUB"
    item.MaskFrameNumbers = [frame + 1 for frame in record.mask_frames]  # DICOM counts frames from 1
    dataset.MaskSubtractionSequence = [item]
    dataset.RecommendedViewingMode = "SUB"


def _write_pixels(dataset: Dataset, record: XaRecord) -> None:
    pixels, bits = record.pixels, _bits_stored(record)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[1], pixels.shape[2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = pixels.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = record.intensity
    full = float(1 << bits)
    dataset.WindowCenter = _ds(record.window_center if record.window_center is not None else full / 2)
    dataset.WindowWidth = _ds(record.window_width if record.window_width is not None else full)
    stored = np.ascontiguousarray(pixels)
    syntax = _TRANSFER_SYNTAXES[record.compression]
    if syntax == ExplicitVRLittleEndian:
        data = stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OW" if stored.itemsize == 2 else "OB"
    else:
        lossy = syntax == JPEG2000
        ratios = [_LOSSY_RATIO] if lossy else None
        dataset.compress(syntax, stored, generate_instance_uid=False, j2k_cr=ratios)
        if lossy:
            dataset.LossyImageCompression = "01"
            dataset.LossyImageCompressionRatio = _ds(_LOSSY_RATIO)
            dataset.LossyImageCompressionMethod = "ISO_15444_1"


def _ds(value: float) -> float:
    """The value rounded to 9 digits, which always fit a decimal string of 16 characters (PS3.5 6.2)."""
    return float(f"{float(value):.9g}")
