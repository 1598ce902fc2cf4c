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
from engines.anatomy.files.notes import Note, logged

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MAX_VOXELS = 1024 * 1024 * 1024  # 512x512 with 4096 slices; 2 GiB as int16
MIN_SPACING_MM, MAX_SPACING_MM = 0.02, 20.0
_MAX_SHEAR = 2e-3  # cosine between axes; float32 rounding lies far below it, a gantry tilt of 0.2 degrees above it
_MAX_DEFLATE_RATIO = 1040  # zlib cannot pack tighter
_NIFTI_UNIT_MM = 2
_FORMS_APART_MM, _FORMS_APART_VOXELS = 0.05, 0.1  # quaternions in single precision stay far below
_MAX_EXTENSION_BYTES = 4 * 1024**2


def is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(
    path: Path, *, form: str | None = None, volume: int | None = None, note: Note = logged
) -> tuple[np.ndarray, Float[np.ndarray, "4 4"]]:
    """Voxels as stored (scaled by slope and intercept) and `lps_from_index`.

    Args:
        form: "sform" or "qform" where both are there and disagree; by default the sform, and `note` says so.
        volume: of a 4-D file, from 1.

    Raises:
        InputError: the file is not NIfTI or is damaged; the volume is not 3-D, is too large, sheared, not in mm, or
            has no orientation.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(f"{path}: is a {type(image).__name__}, expected NIfTI; convert it to .nii.gz")
        lps_from_index = _checked_affine(image, path, form, note)
        _check_size(image, path, volume)
        array = image.dataobj
        assert isinstance(array, ArrayProxy)
        unscaled = array.slope == 1.0 and array.inter == 0.0
        if volume is not None and len(image.shape) > 3:
            voxels = np.asarray(array[..., volume - 1])
            voxels = voxels if unscaled else voxels.astype(np.float32)
        else:
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


def _check_size(image: nib.Nifti1Image, path: Path, volume: int | None) -> None:
    shape = image.shape
    if len(shape) == 4 and volume is not None and not 1 <= volume <= shape[3]:
        raise InputError(f"{path}: has no phase {volume}; it holds 1 to {shape[3]}")
    if len(shape) == 4 and shape[3] > 1 and volume is not None:
        shape = shape[:3]
    if len(shape) < 3 or any(size != 1 for size in shape[3:]):
        raise InputError(
            f"{path}: has shape {shape}, expected one 3-D volume; split the series, or choose a CTA's "
            f"volume with --phase"
        )
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


def _checked_affine(image: nib.Nifti1Image, path: Path, form: str | None, note: Note) -> Float[np.ndarray, "4 4"]:
    header = image.header
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise InputError(
            f"{path}: does not state its orientation (sform and qform codes are 0); convert it from DICOM again"
        )
    unit = int(header["xyzt_units"]) & 7
    if unit not in (0, _NIFTI_UNIT_MM):
        found = {1: "meter", 3: "micron"}.get(unit, f"unit {unit}, which does not exist")
        raise InputError(f"{path}: lengths are in {found}, expected mm; save it in mm")
    affine = _chosen_form(image, path, form, note)
    if affine is None or not np.isfinite(affine).all():
        raise InputError(f"{path}: its affine holds NaN or infinity; convert it from DICOM again")
    lps_from_index = LPS_FROM_RAS @ np.asarray(affine, dtype=np.float64)
    check_affine(lps_from_index, str(path))
    return lps_from_index


def _chosen_form(image: nib.Nifti1Image, path: Path, form: str | None, note: Note) -> Float[np.ndarray, "4 4"] | None:
    """The affine of the wanted form, else of the sform, else of the qform; says where the two disagree.

    Programs differ in which they take, so that models and volumes of one patient come apart.
    """
    header = image.header
    valid = {"sform": int(header["sform_code"]) > 0, "qform": int(header["qform_code"]) > 0}
    if form is not None and not valid[form]:
        other = "sform" if form == "qform" else "qform"
        raise InputError(f"{path}: has no {form} (its code is 0); leave the choice out, its {other} is used")
    if not all(valid.values()):
        return image.affine
    try:
        forms = {"sform": np.asarray(header.get_best_affine()), "qform": np.asarray(header.get_qform(coded=False))}
    except (HeaderDataError, ValueError, ArithmeticError, np.linalg.LinAlgError):
        return image.affine if form != "qform" else None
    chosen = forms[form or "sform"]
    if form is not None or not all(np.isfinite(affine).all() for affine in forms.values()):
        return chosen
    shape = np.array(image.shape[:3])
    corners = np.array(list(np.ndindex(2, 2, 2))) * (shape - 1)
    apart_mm = max(float(np.linalg.norm(step)) for step in _moved(forms["sform"], forms["qform"], corners))
    if apart_mm <= max(_FORMS_APART_MM, _FORMS_APART_VOXELS * float(np.linalg.norm(chosen[:3, :3], axis=0).min())):
        return chosen
    turn = _axes(forms["qform"]).T @ _axes(forms["sform"])
    said = f"its sform and qform place the volume up to {apart_mm:.1f} mm apart"
    if np.linalg.det(turn) < 0:
        raise InputError(
            f"{path}: {said}, one the mirror image of the other; left and right cannot be both, choose with "
            "--nifti-form sform or qform"
        )
    angle_deg = np.rad2deg(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    centre = 0.5 * (shape - 1)
    shift_mm = float(np.linalg.norm(_moved(forms["sform"], forms["qform"], centre[None])[0]))
    note(
        f"{path}: {said} (turned by {angle_deg:.1f} degrees, its centre moved by {shift_mm:.1f} mm); the sform is "
        "used, programs differ; choose with --nifti-form sform or qform"
    )
    return chosen


def _moved(
    first: Float[np.ndarray, "4 4"], second: Float[np.ndarray, "4 4"], index: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    return index @ (second - first)[:3, :3].T + (second - first)[:3, 3]


def _axes(affine: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "3 3"]:
    return affine[:3, :3] / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-12)


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
