"""Segmentations of 3D Slicer (.seg.nrrd) and label maps (.nrrd), read by SimpleITK, whose space is LPS as ours.

Format: https://teem.sourceforge.net/nrrd/format.html; segments:
https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html ("Segmentations file format").
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.nifti import MAX_VOXELS, check_affine
from engines.anatomy.files.overlapping_masks import NamedMask, labels_of_masks
from engines.anatomy.vessel_model import LabelVolume

if TYPE_CHECKING:
    import SimpleITK as sitk

_MAX_DEFLATE_RATIO = 1040  # zlib cannot pack tighter
_MAX_LAYERS = 64
_MAX_LABEL = 65535


def is_nrrd(path: Path) -> bool:
    return path.name.lower().endswith(".nrrd")


def read_nrrd_labels(path: Path) -> LabelVolume:
    """Labels on their grid; segments come with their names, a plain label map with none.

    Layers, in which segments may overlap, are merged as a folder of masks is.

    Raises:
        InputError: damaged, no labels, larger than the cap, a name given twice.
    """
    import SimpleITK as sitk  # half a second, which only those pay who read such files

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NrrdImageIO")
    try:
        reader.ReadImageInformation()
        _check_size(reader, path)
        image = reader.Execute()
    except RuntimeError as error:
        cause = str(error).strip().splitlines()[-1][:160] if path.exists() else "no such file"
        raise InputError(f"{path}: cannot be read as NRRD ({cause}); export the segmentation again") from error
    lps_from_index = _affine(image)
    check_affine(lps_from_index, str(path))
    layers = _layers(image, path)
    names = _segments(image)
    if not names:
        if len(layers) > 1:
            raise InputError(f"{path}: has {len(layers)} layers and no segment names; export it as .seg.nrrd again")
        present = [int(value) for value in np.unique(layers[0]) if value]
        return LabelVolume(labels=layers[0], lps_from_index=lps_from_index, names=dict.fromkeys(present, ""))
    masks = []
    for name, layer, value in names:
        if not 0 <= layer < len(layers):
            raise InputError(
                f"{path}: segment {name!r} is said to lie in layer {layer} of {len(layers)}; export it again"
            )
        masks.append(NamedMask(name=name, mask=layers[layer] == value))
    return labels_of_masks(masks, lps_from_index, str(path))


def _check_size(reader: sitk.ImageFileReader, path: Path) -> None:
    size, layers = reader.GetSize(), reader.GetNumberOfComponents()
    if len(size) != 3 or layers > _MAX_LAYERS:
        raise InputError(f"{path}: has size {size} and {layers} layers, expected one 3-D volume; export it again")
    voxels = int(np.prod([int(value) for value in size])) * layers
    if voxels > MAX_VOXELS:
        raise InputError(f"{path}: {voxels / 1e9:.1f} billion voxels, at most {MAX_VOXELS / 1e9:.1f}; crop it")
    if voxels > path.stat().st_size * _MAX_DEFLATE_RATIO:
        raise InputError(f"{path}: promises {voxels} voxels, the file has {path.stat().st_size} bytes; copy it again")


def _affine(image: sitk.Image) -> Float[np.ndarray, "4 4"]:
    lps_from_index = np.eye(4)
    lps_from_index[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    lps_from_index[:3, 3] = image.GetOrigin()
    return lps_from_index


def _layers(image: sitk.Image, path: Path) -> list[np.ndarray]:
    import SimpleITK as sitk

    voxels = sitk.GetArrayFromImage(image)  # (k, j, i[, layer])
    low, high = float(voxels.min()), float(voxels.max())
    if not 0 <= low <= high <= _MAX_LABEL or (voxels.dtype.kind == "f" and not np.array_equal(voxels, np.rint(voxels))):
        raise InputError(
            f"{path}: values run from {low:g} to {high:g}, expected whole labels from 0 to {_MAX_LABEL}; "
            "is this the CT instead of its labels?"
        )
    voxels = voxels.astype(np.uint8 if high < 256 else np.uint16)
    if voxels.ndim == 3:
        voxels = voxels[..., None]
    return [np.ascontiguousarray(voxels[..., layer].transpose(2, 1, 0)) for layer in range(voxels.shape[3])]


def _segments(image: sitk.Image) -> list[tuple[str, int, int]]:
    """Name, layer and label value of each segment."""
    found = {}
    for key in image.GetMetaDataKeys():
        if match := re.fullmatch(r"Segment(\d+)_(Name|LabelValue|Layer)", key):
            found.setdefault(int(match[1]), {})[match[2]] = image.GetMetaData(key).strip()
    return [
        (
            said.get("Name") or f"segment-{number}",
            int(said["Layer"]) if said.get("Layer", "").isdigit() else 0,
            # Files of before layers existed have one segment a component, of value 1.
            int(said["LabelValue"]) if said.get("LabelValue", "").isdigit() else 1,
        )
        for number, said in sorted(found.items())
    ]
