"""CT volumes from a DICOM folder or a NIfTI file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.nifti import is_nifti, read_nifti, write_nifti
from engines.anatomy.vessel_model import CtVolume

_MAX_HU = 100_000.0  # metal reaches 30,000 on extended scales; larger numbers are not HU


def load_ct(path: Path | str) -> CtVolume:
    """Read one CT volume in Hounsfield units.

    A folder must hold one DICOM CT series. If it holds several, the path of one file chooses that file's series.

    Raises:
        InputError: there is no CT or there are several series; slices are missing, doubled, unevenly spaced or tilted;
            the data are damaged or too large.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a DICOM folder or a .nii.gz file")
    if path.is_file() and is_nifti(path):
        voxels, lps_from_index = read_nifti(path)
        return CtVolume(voxels_hu=_as_hu(voxels, path), lps_from_index=lps_from_index)
    from engines.anatomy.files.dicom_series import read_ct_series

    return read_ct_series(path)


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
