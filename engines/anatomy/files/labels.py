"""Label volumes from and to files: one NIfTI, NRRD or DICOM SEG, or a folder of masks, one a structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.dicom_segmentation import is_dicom_segmentation, read_dicom_segmentation
from engines.anatomy.files.nifti import is_nifti, names_in_nifti, read_nifti, write_nifti
from engines.anatomy.files.nrrd import is_nrrd, read_nrrd_labels
from engines.anatomy.files.overlapping_masks import NamedMask, labels_of_masks
from engines.anatomy.structures.names_file import names_beside, volume_stem
from engines.anatomy.vessel_model import LabelVolume

UNNAMED = "label-"  # and the number: of a label that nothing names
_MAX_LABEL = 65535


def load_labels(path: Path | str, names: Mapping[int, str] | None = None) -> LabelVolume:
    """Read labels and their names.

    A folder (as TotalSegmentator writes it) gives each mask its file's name, in name order. A .seg.nrrd and a DICOM SEG
    hold their own names; other volumes are named by `names`, else by their NIfTI header (TotalSegmentator's
    multi-label files) or by the file beside them that does it (see `names_beside`), else `label-N`.

    Raises:
        InputError: nothing there, empty, negative or broken numbers, masks on different grids, a name given twice.
    """
    path = Path(path)
    if path.is_dir():
        return _load_masks(path)
    if is_nrrd(path):
        labels = read_nrrd_labels(path)
    elif is_nifti(path):
        labels = _load_volume(path)
    elif path.is_file() and is_dicom_segmentation(path):
        labels = read_dicom_segmentation(path)
    else:
        raise InputError(
            f"{path}: labels are read from .nii, .nii.gz, .nrrd, DICOM SEG or a folder of masks; convert it to NIfTI"
        )
    if not labels.names:
        raise InputError(f"{path}: all voxels are 0, no vessel is labelled; choose another file")
    own = {number: name for number, name in labels.names.items() if name}
    if not names and not own:
        names = names_beside(path).names
    said = own | dict(names or {})
    return replace(labels, names={value: said.get(value) or f"{UNNAMED}{value}" for value in labels.names})


def save_labels(path: Path | str, labels: LabelVolume) -> None:
    """Write the label numbers; `case.json` stores their names (`vessels_names`)."""
    largest = int(labels.labels.max(initial=0))
    write_nifti(Path(path), labels.labels.astype(np.uint8 if largest < 256 else np.uint16), labels.lps_from_index)


def _load_volume(path: Path) -> LabelVolume:
    voxels, lps_from_index = read_nifti(path)
    labels = _as_labels(voxels, path)
    said = names_in_nifti(path)
    return LabelVolume(
        labels=labels,
        lps_from_index=lps_from_index,
        names={int(value): said.get(int(value), "") for value in np.unique(labels) if value},
    )


def _load_masks(folder: Path) -> LabelVolume:
    files = sorted(file for file in folder.iterdir() if _is_mask(file) and not file.name.startswith("."))
    if not files:
        objects = sorted(file for file in folder.iterdir() if file.is_file() and is_dicom_segmentation(file))
        if len(objects) == 1:
            return read_dicom_segmentation(objects[0])
        found = f"{len(objects)} DICOM segmentations" if objects else "no .nii, .nii.gz or .nrrd masks"
        raise InputError(f"{folder}: holds {found}; choose one segmentation, or the folder with one mask a structure")
    masks = []
    reference = None
    for file in files:
        voxels, lps_from_index = _mask_voxels(file)
        if reference is None:
            reference = (voxels.shape, lps_from_index)
        elif voxels.shape != reference[0] or not np.allclose(lps_from_index, reference[1], atol=1e-3):
            raise InputError(
                f"{file}: lies on another grid ({_grid_text(voxels.shape, lps_from_index)}) than {files[0].name} "
                f"({_grid_text(*reference)}); export all masks on one grid"
            )
        mask = _as_labels(voxels, file) > 0
        if mask.any():
            masks.append(NamedMask(name=volume_stem(file), mask=mask))
    if reference is None or not masks:
        raise InputError(f"{folder}: all {len(files)} masks are empty; choose the folder of another segmentation")
    return labels_of_masks(masks, reference[1], str(folder))


def _is_mask(path: Path) -> bool:
    return is_nifti(path) or is_nrrd(path)


def _mask_voxels(path: Path) -> tuple[np.ndarray, Float[np.ndarray, "4 4"]]:
    if is_nifti(path):
        return read_nifti(path)
    labels = read_nrrd_labels(path)
    return labels.labels, labels.lps_from_index


def _grid_text(shape: tuple[int, ...], lps_from_index: Float[np.ndarray, "4 4"]) -> str:
    spacing = np.linalg.norm(lps_from_index[:3, :3], axis=0)
    first = ", ".join(f"{value:.1f}" for value in lps_from_index[:3, 3])
    return f"{' x '.join(map(str, shape))} of {' x '.join(f'{v:.3g}' for v in spacing)} mm from LPS {first}"


def _as_labels(voxels: np.ndarray, path: Path) -> np.ndarray:
    low, high = float(voxels.min()), float(voxels.max())
    if low < 0 or high > _MAX_LABEL or (voxels.dtype.kind == "f" and not np.array_equal(voxels, np.rint(voxels))):
        raise InputError(
            f"{path}: values run from {low:g} to {high:g}, expected whole labels from 0 to {_MAX_LABEL}; "
            "is this the CT instead of its labels?"
        )
    return voxels.astype(np.uint8 if high < 256 else np.uint16)
