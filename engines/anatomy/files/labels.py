"""Read and write label volumes: one NIfTI with label numbers, or a folder with one mask per structure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.nifti import is_nifti, read_nifti, write_nifti
from engines.anatomy.vessel_model import LabelVolume

_MAX_LABEL = 65535


def load_labels(path: Path | str, names: Mapping[int, str] | None = None) -> LabelVolume:
    """Read labels; in a folder (as TotalSegmentator writes it) each mask is named after its file, in name order.

    Where masks of a folder overlap, the smaller structure keeps the voxel: an ostium is part of its branch.
    Labels of a single file that `names` does not cover are called `label-N`.

    Raises:
        InputError: files are missing or empty, numbers are negative or broken, or masks lie on different grids.
    """
    path = Path(path)
    if path.is_dir():
        return _load_masks(path)
    if not is_nifti(path):
        raise InputError(f"{path}: labels are read from .nii, .nii.gz or a folder of them; convert it to NIfTI")
    voxels, lps_from_index = read_nifti(path)
    labels = _as_labels(voxels, path)
    present = [int(value) for value in np.unique(labels) if value]
    if not present:
        raise InputError(f"{path}: all voxels are 0, no vessel is labelled; choose another file")
    names = dict(names or {})
    return LabelVolume(
        labels=labels,
        lps_from_index=lps_from_index,
        names={value: names.get(value, f"label-{value}") for value in present},
    )


def save_labels(path: Path | str, labels: LabelVolume) -> None:
    """Write the label numbers; `case.json` stores their names (`vessels_names`)."""
    largest = int(labels.labels.max(initial=0))
    write_nifti(Path(path), labels.labels.astype(np.uint8 if largest < 256 else np.uint16), labels.lps_from_index)


def _load_masks(folder: Path) -> LabelVolume:
    files = sorted(file for file in folder.iterdir() if is_nifti(file) and not file.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: holds no .nii or .nii.gz masks; choose the folder with one mask a structure")
    masks = []
    reference = None
    for file in files:
        voxels, lps_from_index = read_nifti(file)
        if reference is None:
            reference = (voxels.shape, lps_from_index)
        elif voxels.shape != reference[0] or not np.allclose(lps_from_index, reference[1], atol=1e-3):
            raise InputError(
                f"{file}: has shape {voxels.shape} or a place unlike {files[0].name} {reference[0]}; "
                "export all masks on one grid"
            )
        mask = _as_labels(voxels, file) > 0
        if mask.any():
            masks.append((file.name.split(".nii")[0], mask))
    if reference is None or not masks:
        raise InputError(f"{folder}: all {len(files)} masks are empty; choose the folder of another segmentation")
    labels = np.zeros(reference[0], dtype=np.uint8 if len(masks) < 256 else np.uint16)
    numbers = {name: number for number, (name, _) in enumerate(masks, start=1)}
    for name, mask in sorted(masks, key=lambda item: -int(item[1].sum())):
        labels[mask] = numbers[name]
    present = set(np.unique(labels).tolist())
    return LabelVolume(
        labels=labels,
        lps_from_index=reference[1],
        names={number: name for name, number in numbers.items() if number in present},
    )


def _as_labels(voxels: np.ndarray, path: Path) -> np.ndarray:
    low, high = float(voxels.min()), float(voxels.max())
    if low < 0 or high > _MAX_LABEL or (voxels.dtype.kind == "f" and not np.array_equal(voxels, np.rint(voxels))):
        raise InputError(
            f"{path}: values run from {low:g} to {high:g}, expected whole labels from 0 to {_MAX_LABEL}; "
            "is this the CT instead of its labels?"
        )
    return voxels.astype(np.uint8 if high < 256 else np.uint16)
