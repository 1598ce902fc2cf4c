"""Masks of the heart in CT from a folder: each on the CT's grid, overlaps kept as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from calibration.errors import InputError
from engines.anatomy.files.nifti import is_nifti, read_nifti
from engines.anatomy.vessel_model import CtVolume

HEART_MASKS = ("lv_cavity", "lv_wall", "rv", "la", "ra", "aorta")
_MIN_CAVITY_ML, _MAX_CAVITY_ML = 15.0, 700.0
_MIN_WALL_ML, _MAX_WALL_ML = 20.0, 800.0


def load_heart_masks(folder: Path | str, ct: CtVolume) -> Mapping[str, Bool[np.ndarray, "i j k"]]:
    """Read `lv_cavity`, `lv_wall` and whatever of `rv`, `la`, `ra`, `aorta` is there.

    Raises:
        InputError: no folder, the left ventricle missing, another grid or place, empty, leaking, no mask at all.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder with lv_cavity.nii.gz and lv_wall.nii.gz")
    files = {file.name.lower().split(".nii")[0]: file for file in sorted(folder.iterdir()) if is_nifti(file)}
    masks = {name: _mask(files[name], ct) for name in HEART_MASKS if name in files}
    for name in ("lv_cavity", "lv_wall"):
        if name not in masks:
            raise InputError(f"{folder}: has no {name}.nii.gz; add it, or leave --ct-masks out")
    ml = float(np.prod(ct.spacing_mm)) / 1000.0
    for name, low, high in (
        ("lv_cavity", _MIN_CAVITY_ML, _MAX_CAVITY_ML),
        ("lv_wall", _MIN_WALL_ML, _MAX_WALL_ML),
    ):
        volume = float(masks[name].sum()) * ml
        if not low <= volume <= high:
            raise InputError(
                f"{files[name]}: holds {volume:.0f} ml, expected {low:.0f} to {high:.0f}; "
                "it leaks or is cut, draw it again"
            )
    return masks


def _mask(file: Path, ct: CtVolume) -> Bool[np.ndarray, "i j k"]:
    voxels, lps_from_index = read_nifti(file)
    shape = ct.voxels_hu.shape
    if voxels.shape != shape:
        raise InputError(f"{file}: has shape {voxels.shape}, the CT {shape}; export the masks on the CT's grid")
    corner = np.array([*(np.array(shape) - 1.0), 1.0])
    apart = max(
        float(np.linalg.norm((lps_from_index - ct.lps_from_index)[:3, 3])),
        float(np.linalg.norm(((lps_from_index - ct.lps_from_index) @ corner)[:3])),
    )
    if apart > 0.5 * float(np.min(ct.spacing_mm)) + 0.25:
        raise InputError(f"{file}: lies {apart:.1f} mm from the CT; export the masks on the CT's grid")
    mask = voxels > 0.5
    if not mask.any():
        raise InputError(f"{file}: the mask is empty; leave it out or draw it")
    return mask
