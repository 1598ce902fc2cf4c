"""NIfTI files of single slices: 4-D pictures over time and 2-D masks, which the strict CT reader refuses."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from calibration.errors import InputError
from engines.anatomy.files.nifti import LPS_FROM_RAS, check_affine

_MAX_VALUES = 512 * 1024 * 1024
_SAME_PLACE_MM = 0.5


def read_slice_over_time(path: Path) -> tuple[Float[np.ndarray, "columns rows time"], Float[np.ndarray, "4 4"]]:
    """Pictures of one slice and `lps_from_index`.

    Raises:
        InputError: missing, damaged, not (columns, rows, 1, time), one time point, without a place, NaN, or constant.
    """
    values, lps_from_index = _read(path)
    if values.ndim != 4 or values.shape[2] != 1:
        raise InputError(
            f"{path}: has shape {values.shape}, expected (columns, rows, 1, time); save one slice over time a file"
        )
    if values.shape[3] < 2:
        raise InputError(f"{path}: has 1 time point, expected the whole first pass; give the series, not one picture")
    if min(values.shape[:2]) < 16:
        raise InputError(f"{path}: pictures are {values.shape[0]}x{values.shape[1]}, expected at least 16x16 pixels")
    frames = values[:, :, 0, :]
    if not np.isfinite(frames).all():
        count = int((~np.isfinite(frames)).sum())
        raise InputError(f"{path}: {count} of {frames.size} values are NaN or infinite; export it with numbers there")
    if float(frames.min()) == float(frames.max()):
        raise InputError(f"{path}: every value is {float(frames.min()):g}; choose a file with pictures")
    return frames, lps_from_index


def read_slice_mask(
    path: Path, shape: tuple[int, int], lps_from_index: Float[np.ndarray, "4 4"]
) -> Bool[np.ndarray, "columns rows"]:
    """A mask on the grid of its slice.

    Raises:
        InputError: missing, damaged, on another grid or of another place, or empty.
    """
    values, own = _read(path)
    flat = values.reshape(values.shape[:2]) if values.size == values.shape[0] * values.shape[1] else values
    if flat.shape != shape:
        raise InputError(f"{path}: has shape {values.shape}, expected one mask of {shape[0]}x{shape[1]} as its slice")
    corner = np.array([shape[0] - 1, shape[1] - 1, 0, 1.0])
    apart = max(
        float(np.linalg.norm((own - lps_from_index)[:3, 3])),
        float(np.linalg.norm(((own - lps_from_index) @ corner)[:3])),
    )
    if apart > _SAME_PLACE_MM:
        raise InputError(f"{path}: lies {apart:.1f} mm from its slice, expected the same affine; export both together")
    if not np.isfinite(flat).all():
        raise InputError(f"{path}: holds NaN or infinity, expected 0 and 1; export the mask again")
    mask = flat > 0.5
    if not mask.any():
        raise InputError(f"{path}: the mask is empty; leave it out or draw it")
    return mask


def _read(path: Path) -> tuple[np.ndarray, Float[np.ndarray, "4 4"]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; correct its name in perfusion.json")
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(f"{path}: is a {type(image).__name__}, expected NIfTI; convert it to .nii.gz")
        if int(np.prod([int(n) for n in image.shape])) > _MAX_VALUES:
            raise InputError(f"{path}: has shape {image.shape}, larger than any perfusion slice; check the file")
        header = image.header
        if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
            raise InputError(f"{path}: says nothing about its place (sform and qform codes are 0); convert it again")
        affine = image.affine
        if affine is None or not np.isfinite(affine).all():
            raise InputError(f"{path}: its affine holds NaN or infinity; convert it from DICOM again")
        values = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as NIfTI ({error}); export it again") from error
    lps_from_index = LPS_FROM_RAS @ np.asarray(affine, dtype=np.float64)
    check_affine(lps_from_index, str(path))
    return values, lps_from_index


def write_slice(path: Path, values: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> None:
    """Write 2-D, 3-D (slice of one) or 4-D values of a slice, whole or not at all."""
    from calibration.store import write_atomically

    if values.ndim == 2:
        values = values[..., None]
    affine = LPS_FROM_RAS @ lps_from_index
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "msec")
    image.set_qform(None, code=0)
    image.set_sform(affine, code=1)
    write_atomically(Path(path), lambda beside: nib.save(image, beside))
