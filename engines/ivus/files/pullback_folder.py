"""A pullback as `pullback.nii.gz` and `pullback.json`: a series of pictures, not a volume in space."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import UInt8
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from pydantic import BaseModel, ConfigDict, ValidationError

from calibration.errors import InputError
from engines.angiography.files.luminance import luminance
from engines.ivus.files.pullback import MAX_DECODED_BYTES, Pullback


class _Description(BaseModel):
    model_config = ConfigDict(extra="ignore")
    pixel_mm: float
    frame_positions_mm: list[float]
    centre_px: tuple[float, float] | None = None
    gated: bool = True
    frame_time_ms: float | None = None
    r_peaks_ms: list[float] | None = None


def read_pullback_folder(folder: Path) -> Pullback:
    """Raises InputError: a file is missing or damaged, or a value is missing."""
    json_path = folder / "pullback.json"
    pictures = next((folder / name for name in ("pullback.nii.gz", "pullback.nii") if (folder / name).exists()), None)
    if pictures is None or not json_path.exists():
        missing = "pullback.nii.gz" if pictures is None else "pullback.json"
        raise InputError(f"{folder}: has no {missing}; a pullback folder holds pullback.nii.gz and pullback.json")
    try:
        about = _Description.model_validate(json.loads(json_path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{json_path}: {name}: {first['msg']}; expected pixel_mm and frame_positions_mm") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{json_path}: cannot be read as JSON ({error})") from error
    frames = _frames(pictures)
    centre = about.centre_px or ((frames.shape[2] - 1) / 2, (frames.shape[1] - 1) / 2)
    return Pullback(
        frames=frames,
        pixel_mm=about.pixel_mm,
        centre_px=centre,
        z_mm=np.asarray(about.frame_positions_mm, dtype=np.float64),
        gated=about.gated,
        frame_time_ms=about.frame_time_ms,
        r_peaks_ms=tuple(about.r_peaks_ms or ()),
        source=str(folder),
    )


def _frames(path: Path) -> UInt8[np.ndarray, "f rows columns"]:
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(f"{path}: is a {type(image).__name__}, expected NIfTI; convert it to .nii.gz")
        shape = tuple(int(size) for size in image.shape)
        promised = int(np.prod(shape, dtype=np.float64)) * np.dtype(image.get_data_dtype()).itemsize
        if promised > MAX_DECODED_BYTES:
            raise InputError(f"{path}: {promised / 1e9:.1f} GB of pixels, at most 2; cut the run or store 8 bits")
        voxels = np.asarray(image.dataobj)
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as NIfTI ({error}); export it again") from error
    if voxels.dtype.names:  # NIfTI's RGB
        voxels = np.stack([voxels[name] for name in voxels.dtype.names[:3]], axis=-1)
        voxels = luminance(voxels.reshape(*voxels.shape[:-1], 3), bits=8)
    while voxels.ndim > 3 and 1 in voxels.shape[2:]:
        voxels = voxels.squeeze(axis=2 + voxels.shape[2:].index(1))
    if voxels.ndim == 4 and voxels.shape[3] == 3:
        voxels = luminance(voxels, bits=8)
    if voxels.ndim == 2:
        voxels = voxels[:, :, None]
    if voxels.ndim != 3 or min(voxels.shape[:2]) < 16:
        raise InputError(f"{path}: has shape {shape}, expected (columns, rows, frames) of pictures; store the run so")
    return np.ascontiguousarray(_bytes(voxels, path).transpose(2, 1, 0))


def _bytes(voxels: np.ndarray, path: Path) -> UInt8[np.ndarray, ...]:
    if voxels.dtype == np.uint8:
        return voxels
    values = voxels.astype(np.float32)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise InputError(f"{path}: {count} pixels are NaN or infinite; export the run in 8 bits")
    low, high = float(values.min()), float(values.max())
    if low < 0.0 or high > 255.0 or high <= 1.0:  # another range of grey values, from black to white
        values = (values - low) * (255.0 / max(high - low, 1e-6))
    return np.rint(values).astype(np.uint8)
