"""CT volumes from a DICOM folder or a NIfTI file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.nifti import is_nifti, read_nifti, write_nifti
from engines.anatomy.files.notes import Note, logged
from engines.anatomy.vessel_model import CtVolume

_OFFSET = 1024
_AIR_HU, _TISSUE_HU = (-1100.0, -850.0), (-120.0, 160.0)
_SEEN_SHARE, _SAMPLED_VOXELS = 0.02, 500_000
_MAX_HU = 100_000.0  # metal reaches 30,000 on extended scales; larger numbers are not HU


def load_ct(
    path: Path | str,
    *,
    phase: int | None = None,
    nifti_form: str | None = None,
    hu_offset: float | None = None,
    within: Path | None = None,
    note: Note = logged,
) -> CtVolume:
    """Read one CT volume in Hounsfield units.

    A folder must contain one DICOM CT series; the path of one of its files chooses the series and phase of that file.

    Args:
        phase: of several phases in one series or a 4-D NIfTI, its number from 1, or its percentage of
            the cardiac cycle.
        nifti_form: "sform" or "qform" of a NIfTI in which they disagree.
        hu_offset: added to all values, for files that store Hounsfield units with an offset.
        within: folder in which the DICOM series of a given file lies, where that is not the file's own.
        note: is told in one line what was assumed or passed over.

    Raises:
        InputError: there is no CT, there are several series or phases, slices are missing, unevenly spaced or tilted,
            or the data are damaged or too large.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a DICOM folder or a .nii.gz file")
    if path.is_file() and is_nifti(path):
        voxels, lps_from_index = read_nifti(path, form=nifti_form, volume=phase, note=note)
        ct = CtVolume(voxels_hu=_as_hu(voxels, path), lps_from_index=lps_from_index)
    else:
        from engines.anatomy.files.ct_series.dicom_series import read_ct_series

        ct = read_ct_series(path, phase, note, within=within)
    if hu_offset is not None:
        return replace(ct, voxels_hu=np.clip(ct.voxels_hu + np.float32(hu_offset), -32768, 32767).astype(
            ct.voxels_hu.dtype if float(hu_offset).is_integer() else np.float32))  # fmt: skip
    if doubt := hu_doubt(ct.voxels_hu):
        note(f"{path}: {doubt}")
    return ct


def hu_doubt(voxels_hu: np.ndarray) -> str:
    """Why the values may be Hounsfield units with an offset of 1024, "" where nothing speaks for that."""
    sample = voxels_hu.ravel()[:: max(1, voxels_hu.size // _SAMPLED_VOXELS)]

    def share(low: float, high: float) -> float:
        return float(((sample >= low) & (sample <= high)).mean())

    offset = 0
    if sample.min() > _AIR_HU[1] and share(*(value + _OFFSET for value in _AIR_HU)) > _SEEN_SHARE:
        offset = _OFFSET
    elif share(*(value - _OFFSET for value in _AIR_HU)) > _SEEN_SHARE and share(*_TISSUE_HU) < _SEEN_SHARE:
        offset = -_OFFSET
    between = share(_AIR_HU[1] + offset, _TISSUE_HU[0] + offset)
    if not offset or share(*(value + offset for value in _TISSUE_HU)) < max(5 * _SEEN_SHARE, between):
        return ""
    low, middle = np.percentile(sample, 1), np.median(sample[(sample > -512 + offset) & (sample < 1500 + offset)])
    return (
        f"its values seem to be Hounsfield units offset by {offset} (air at {low:.0f}, tissue at {middle:.0f}); they "
        f"are taken as stored; --hu-offset {-offset} takes the offset off, --hu-offset 0 says that they are right"
    )


def save_ct(path: Path | str, ct: CtVolume) -> None:
    """Write `.nii.gz`, as int16 if all values are whole numbers."""
    voxels = ct.voxels_hu
    if voxels.dtype.kind != "f" or np.array_equal(voxels, np.rint(voxels)):
        voxels = np.clip(voxels, -32768, 32767).astype(np.int16)
    write_nifti(Path(path), voxels, ct.lps_from_index)


def _as_hu(voxels: np.ndarray, path: Path) -> np.ndarray:
    low, high = float(voxels.min()), float(voxels.max())
    if low == high:
        raise InputError(f"{path}: every voxel is {low:g}; this is no CT, choose another file")
    if max(abs(low), abs(high)) > _MAX_HU:
        raise InputError(f"{path}: values run from {low:g} to {high:g}, no Hounsfield units; export the CT in HU")
    if voxels.dtype.kind == "f":
        return voxels.astype(np.float32)
    return voxels.astype(np.int16) if low >= -32768 and high <= 32767 else voxels.astype(np.float32)
