"""NIfTI volumes: RAS on disk, LPS inside.

A volume that cannot be placed in space is refused before its voxels take memory.
"""

from __future__ import annotations

import html
import re
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Float
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from calibration.errors import InputError
from calibration.store import write_atomically

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MAX_VOXELS = 1024 * 1024 * 1024  # 512x512 with 4096 slices; 2 GiB as int16
MIN_SPACING_MM, MAX_SPACING_MM = 0.02, 20.0
_MAX_SHEAR = 2e-3  # cosine between axes; float32 rounding lies far below it, a gantry tilt of 0.2 degrees above it
_MAX_DEFLATE_RATIO = 1040  # zlib cannot pack tighter
_NIFTI_UNIT_MM = 2
_MAX_EXTENSION_BYTES = 4 * 1024**2


def is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path) -> tuple[np.ndarray, Float[np.ndarray, "4 4"]]:
    """Voxels as stored (scaled by slope and intercept) and `lps_from_index`.

    Raises:
        InputError: the file is not NIfTI or is damaged; the volume is not 3-D, is too large, sheared, not in mm, or
            has no orientation.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(f"{path}: is a {type(image).__name__}, expected NIfTI; convert it to .nii.gz")
        lps_from_index = _checked_affine(image, path)
        _check_size(image, path)
        array = image.dataobj
        assert isinstance(array, ArrayProxy)
        unscaled = array.slope == 1.0 and array.inter == 0.0
        voxels = array.get_unscaled() if unscaled else image.get_fdata(dtype=np.float32, caching="unchanged")
        voxels = np.asarray(voxels).reshape(image.shape[:3])
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        text = str(error) if path.exists() else "no such file"
        raise InputError(f"{path}: cannot be read as NIfTI ({text}); export it again") from error
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        count = int((~np.isfinite(voxels)).sum())
        raise InputError(f"{path}: {count} of {voxels.size} voxels are NaN or infinite; export it with a number there")
    if voxels.dtype.kind not in "iuf":
        raise InputError(f"{path}: voxels are {voxels.dtype}, expected one number each; convert it to int16")
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False), lps_from_index


def names_in_nifti(path: Path) -> dict[int, str]:
    """Names of labels that the header's extension holds, as TotalSegmentator's multi-label files have them.

    The extension is Connectome Workbench's XML: `<Label Key="1" ...>aorta</Label>`.
    """
    try:
        image = nib.load(path)
        extensions = [bytes(part.get_content()) for part in getattr(image.header, "extensions", ())]
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError, TypeError):
        return {}  # the volume was read before, its names are a gift
    text = b"\n".join(extensions)[:_MAX_EXTENSION_BYTES].decode("utf-8", "replace")
    found = re.findall(r"<Label\b[^>]*\bKey=[\"'](\d{1,5})[\"'][^>]*>(?:<!\[CDATA\[)?([^<\]]*)", text)
    return {int(number): html.unescape(name).strip() for number, name in found if int(number) and name.strip()}


def write_nifti(path: Path, voxels: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> None:
    """Write a complete `.nii` or `.nii.gz`, or nothing; in RAS, as the standard demands."""
    image = nib.Nifti1Image(voxels, LPS_FROM_RAS @ lps_from_index)
    image.header.set_xyzt_units("mm")
    image.set_qform(None, code=0)  # store the sform alone, because a quaternion would round the axes
    image.set_sform(LPS_FROM_RAS @ lps_from_index, code=1)
    write_atomically(Path(path), lambda beside: nib.save(image, beside))


def _check_size(image: nib.Nifti1Image, path: Path) -> None:
    shape = image.shape
    if len(shape) < 3 or any(size != 1 for size in shape[3:]):
        raise InputError(f"{path}: has shape {shape}, expected one 3-D volume; split the series and choose one")
    if min(shape[:3]) < 2:
        raise InputError(f"{path}: has shape {shape}, expected at least 2 voxels along each axis; export the volume")
    voxels = int(np.prod([int(size) for size in shape[:3]]))
    if voxels > MAX_VOXELS:
        raise InputError(f"{path}: {voxels / 1e9:.1f} billion voxels, at most {MAX_VOXELS / 1e9:.1f}; crop or resample")
    promised = voxels * np.dtype(image.get_data_dtype()).itemsize
    packed = path.stat().st_size * (_MAX_DEFLATE_RATIO if path.name.lower().endswith(".gz") else 1)
    if promised > packed:
        raise InputError(
            f"{path}: the header promises {promised} bytes of voxels, the file has {path.stat().st_size}; "
            "it is cut short, copy it again"
        )


def _checked_affine(image: nib.Nifti1Image, path: Path) -> Float[np.ndarray, "4 4"]:
    header = image.header
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise InputError(
            f"{path}: says nothing about its orientation (sform and qform codes are 0); convert it from DICOM again"
        )
    unit = int(header["xyzt_units"]) & 7
    if unit not in (0, _NIFTI_UNIT_MM):
        found = {1: "meter", 3: "micron"}.get(unit, f"unit {unit}, which does not exist")
        raise InputError(f"{path}: lengths are in {found}, expected mm; save it in mm")
    if image.affine is None or not np.isfinite(image.affine).all():
        raise InputError(f"{path}: its affine holds NaN or infinity; convert it from DICOM again")
    lps_from_index = LPS_FROM_RAS @ np.asarray(image.affine, dtype=np.float64)
    check_affine(lps_from_index, str(path))
    return lps_from_index


def check_affine(lps_from_index: Float[np.ndarray, "4 4"], where: str) -> None:
    """Refuse grids that are singular, sheared (gantry tilt) or not in millimetres."""
    spacing = np.linalg.norm(lps_from_index[:3, :3], axis=0)
    if not np.array_equal(lps_from_index[3], (0.0, 0.0, 0.0, 1.0)):
        raise InputError(f"{where}: the last row of its affine is {lps_from_index[3].tolist()}, expected 0 0 0 1")
    if (spacing < MIN_SPACING_MM).any() or (spacing > MAX_SPACING_MM).any():
        raise InputError(
            f"{where}: voxel spacing {' x '.join(f'{value:.3g}' for value in spacing)}, expected "
            f"{MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm; save it with its spacing in mm"
        )
    axes = lps_from_index[:3, :3] / spacing
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if shear > _MAX_SHEAR:
        raise InputError(
            f"{where}: its axes are not at right angles (off by {np.rad2deg(np.arcsin(min(shear, 1.0))):.1f} degrees; "
            "gantry tilt?); resample it to a straight grid"
        )
