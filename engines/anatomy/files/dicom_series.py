"""One CT series from a folder of DICOM files, in any order, checked slice by slice before pixels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Float, Int32
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, EnhancedCTImageStorage

from calibration.dicom_values import DAMAGED
from calibration.errors import InputError
from engines.anatomy.files.nifti import MAX_SPACING_MM, MAX_VOXELS, MIN_SPACING_MM
from engines.anatomy.vessel_model import CtVolume
from engines.angiography.files.dicom_stream import open_dicom, transfer_syntax_of
from engines.angiography.files.xa_pixels import PixelReader

_MAX_FILES = 20_000
_MAX_SLICE_PX = 8192
_AIR_HU = -1024
_SAME_PLACE_MM = 0.01
# Table positions are often rounded to one decimal, so two slice distances may differ by twice that rounding.
_UNEVEN_MM, _UNEVEN_SHARE = 0.11, 0.03
_TILT_SHARE = 4e-3  # sideways drift per millimetre of travel: 0.2 degrees
_TAGS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "ImageType", "Rows",
         "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope",
         "RescaleIntercept", "FrameOfReferenceUID", "SamplesPerPixel", "PixelPaddingValue")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slice:
    """The geometry and scale that one file's header states."""

    path: Path
    series: str
    number: str
    frame_of_reference: str
    instance: str
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    orientation: Float[np.ndarray, " 6"]
    position_mm: Float[np.ndarray, " 3"]
    slope: float
    intercept: float
    padding: float | None


def read_ct_series(path: Path) -> CtVolume:
    """Read the one CT series of a folder (searched with its subfolders), or the series of the given file.

    Raises:
        InputError: there is no CT, there are several series, or the series is not a complete, even, straight stack.
    """
    folder = path if path.is_dir() else path.parent
    wanted = None if path.is_dir() else _header(path)
    if path.is_file() and wanted is None:
        raise InputError(f"{path}: is neither NIfTI nor a DICOM CT slice; give a DICOM folder or a .nii.gz file")
    slices = _slices_of(folder)
    if wanted is not None:
        slices = [part for part in slices if part.series == wanted.series]
    _one_series(slices, folder)
    slices, step_mm = _stacked(slices, folder)
    first, last = slices[0], slices[-1]
    column_axis, row_axis = first.orientation[:3], first.orientation[3:]
    lps_from_index = np.eye(4)
    # Index (i, j, k) is (column, row, slice); row spacing is the distance between rows, so it scales j.
    lps_from_index[:3, 0] = column_axis * first.spacing_mm[1]
    lps_from_index[:3, 1] = row_axis * first.spacing_mm[0]
    lps_from_index[:3, 2] = (last.position_mm - first.position_mm) / (len(slices) - 1)
    lps_from_index[:3, 3] = first.position_mm
    assert step_mm > 0
    return CtVolume(
        voxels_hu=_voxels(slices), lps_from_index=lps_from_index, frame_of_reference_uid=first.frame_of_reference
    )


def _slices_of(folder: Path) -> list[_Slice]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "DICOMDIR")
    if not files:
        raise InputError(f"{folder}: the folder is empty; give the folder of one CT series")
    if len(files) > _MAX_FILES:
        raise InputError(f"{folder}: holds {len(files)} files, at most {_MAX_FILES}; give the folder of one CT series")
    slices = [part for file in files if (part := _header(file)) is not None]
    if not slices:
        raise InputError(
            f"{folder}: none of its {len(files)} files is a DICOM CT slice; give the folder of a CT series"
        )
    return slices


def _header(path: Path) -> _Slice | None:
    """The slice, or None if the file is no CT slice: CT folders also hold reports, scouts and other objects."""
    try:
        if transfer_syntax_of(path) == DeflatedExplicitVRLittleEndian:
            dataset = open_dicom(path).header  # decompresses within limits, which pydicom lacks
        else:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        sop_class, kind = dataset.get("SOPClassUID"), str(dataset.get("ImageType", ""))
    except (InvalidDicomError, EOFError):
        return None
    except DAMAGED as error:
        raise InputError(f"{path}: the DICOM header cannot be read ({error}); copy the file again") from error
    if sop_class == EnhancedCTImageStorage:
        raise InputError(f"{path}: is an Enhanced CT (multi-frame); export the series as single slices or as NIfTI")
    if sop_class != CTImageStorage or "LOCALIZER" in kind:
        return None
    try:
        return _Slice(
            path=path,
            series=str(dataset.SeriesInstanceUID),
            number=str(dataset.get("SeriesNumber", "?")),
            frame_of_reference=str(dataset.get("FrameOfReferenceUID", "") or ""),
            instance=str(dataset.SOPInstanceUID),
            shape=(int(dataset.Rows), int(dataset.Columns)),
            spacing_mm=(float(dataset.PixelSpacing[0]), float(dataset.PixelSpacing[1])),
            orientation=_numbers(dataset.ImageOrientationPatient, 6),
            position_mm=_numbers(dataset.ImagePositionPatient, 3),
            slope=float(dataset.RescaleSlope),
            intercept=float(dataset.RescaleIntercept),
            padding=float(dataset.PixelPaddingValue) if "PixelPaddingValue" in dataset else None,
        )
    except DAMAGED as error:
        raise InputError(
            f"{path}: a CT slice lacks what places or scales it ({error}); export the series again with all its tags"
        ) from error


def _numbers(values: Sequence[float], count: int) -> Float[np.ndarray, " n"]:
    numbers = np.array([float(value) for value in values])
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} numbers, found {list(values)}")
    return numbers


def _one_series(slices: list[_Slice], folder: Path) -> None:
    by_series: dict[str, list[_Slice]] = {}
    for part in slices:
        by_series.setdefault(part.series, []).append(part)
    if len(by_series) > 1:
        found = "; ".join(
            f"series {parts[0].number}: {len(parts)} slices of {parts[0].shape[1]}x{parts[0].shape[0]}, "
            f"e.g. {parts[0].path.relative_to(folder)}"
            for parts in sorted(by_series.values(), key=len, reverse=True)[:6]
        )
        raise InputError(
            f"{folder}: holds {len(by_series)} CT series ({found}); choose one by giving the path of one of its files"
        )
    for what, values in (
        ("picture sizes", Counter(part.shape for part in slices)),
        ("pixel spacings", Counter(tuple(np.round(part.spacing_mm, 5).tolist()) for part in slices)),
        ("orientations", Counter(tuple(np.round(part.orientation, 3).tolist()) for part in slices)),
        ("frames of reference", Counter(part.frame_of_reference for part in slices)),
    ):
        if len(values) > 1:
            listed = ", ".join(f"{count} of {value}" for value, count in values.most_common(4))
            raise InputError(f"{folder}: the series mixes {len(values)} {what} ({listed}); export one stack alone")


def _stacked(slices: list[_Slice], folder: Path) -> tuple[list[_Slice], float]:
    """Slices sorted along their normal, and the step in mm; refuses a stack that is not even and straight."""
    first = slices[0]
    if len(slices) < 2:
        raise InputError(f"{first.path}: is the only CT slice here, a volume needs at least 2; copy the whole series")
    if min(first.shape) < 2 or max(first.shape) > _MAX_SLICE_PX or len(slices) * np.prod(first.shape) > MAX_VOXELS:
        raise InputError(f"{folder}: {len(slices)} slices of {first.shape[1]}x{first.shape[0]} are too large; crop it")
    if min(first.spacing_mm) < MIN_SPACING_MM or max(first.spacing_mm) > MAX_SPACING_MM:
        raise InputError(
            f"{first.path}: pixel spacing is {first.spacing_mm} mm, expected {MIN_SPACING_MM:g} to "
            f"{MAX_SPACING_MM:g}; export the series again"
        )
    column_axis, row_axis = first.orientation[:3], first.orientation[3:]
    gram = np.array([column_axis @ column_axis - 1, row_axis @ row_axis - 1, column_axis @ row_axis])
    if np.abs(gram).max() > 1e-3:
        raise InputError(f"{first.path}: image axes are not at right angles; export the series again")
    normal = np.cross(column_axis, row_axis)
    slices = sorted(slices, key=lambda part: float(part.position_mm @ normal))
    positions = np.array([part.position_mm for part in slices])
    along_mm = positions @ normal
    steps_mm = np.diff(along_mm)
    for index in np.flatnonzero(steps_mm < _SAME_PLACE_MM)[:1]:
        raise InputError(
            f"{slices[index + 1].path}: lies in the same place as {slices[index].path.name} "
            f"({int((steps_mm < _SAME_PLACE_MM).sum())} doubled slices; copies, or several phases?); keep one each"
        )
    typical_mm = float(np.median(steps_mm))
    worst = int(np.argmax(np.abs(steps_mm - typical_mm)))
    if abs(steps_mm[worst] - typical_mm) > max(_UNEVEN_MM, _UNEVEN_SHARE * typical_mm):
        gone = round(float(steps_mm[worst]) / typical_mm) - 1
        what = f"{gone} slices are missing" if gone >= 1 else "slices are unevenly spaced"
        raise InputError(
            f"{folder}: {what} between {slices[worst].path.name} and {slices[worst + 1].path.name} "
            f"({steps_mm[worst]:.2f} mm apart, expected {typical_mm:.2f}); copy the whole series"
        )
    travel = positions[-1] - positions[0]
    sideways_mm = float(np.linalg.norm(travel - (travel @ normal) * normal))
    if sideways_mm > max(_UNEVEN_MM, _TILT_SHARE * float(travel @ normal)):
        tilt_deg = np.rad2deg(np.arctan2(sideways_mm, travel @ normal))
        raise InputError(
            f"{folder}: slices are stacked askew by {tilt_deg:.1f} degrees (gantry tilt); export a straight "
            "reconstruction or resample it"
        )
    return slices, typical_mm


def _voxels(slices: list[_Slice]) -> np.ndarray:
    """Voxels (column, row, slice) in HU; int16 if every slice scales by whole numbers."""
    rows, columns = slices[0].shape
    whole = all(float(part.slope).is_integer() and float(part.intercept).is_integer() for part in slices)
    voxels = np.empty((len(slices), rows, columns), dtype=np.int16 if whole else np.float32)
    for index, part in enumerate(slices):
        try:
            stored = _stored(part.path)
        except InputError as error:
            raise InputError(f"{part.path}: pixels cannot be decoded ({error}); copy the file again") from error
        if stored.shape != (rows, columns):
            raise InputError(
                f"{part.path}: pixels are {stored.shape}, expected {(rows, columns)}; export the series again"
            )
        scaled = stored.astype(np.float64) * part.slope + part.intercept
        if part.padding is not None:
            scaled[stored == part.padding] = _AIR_HU
        voxels[index] = np.clip(scaled, -32768, 32767)
    return voxels.transpose(2, 1, 0)


def _stored(path: Path) -> Int32[np.ndarray, "rows columns"]:
    """Stored pixel values; their size is checked before a decoder allocates memory."""
    stream = open_dicom(path)
    reader = PixelReader(stream, path.name)
    lifted, bits = reader.read(0)
    stored = lifted.astype(np.int32)
    if reader.format.photometric == "MONOCHROME1":
        stored = (1 << bits) - 1 - stored
    # The reader shifts signed values above zero; Hounsfield units need the sign, so shift them back.
    return stored - (1 << (bits - 1)) if reader.format.signed else stored
