"""Segmentations of 3D Slicer (.seg.nrrd) and label maps (.nrrd).

Read with numpy alone: ITK's reader was seen to end the process on a damaged header, and a case must not do that.
Format: https://teem.sourceforge.net/nrrd/format.html; segments:
https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html ("Segmentations file format").
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer

from calibration.errors import InputError
from engines.anatomy.files.nifti import MAX_VOXELS, check_affine
from engines.anatomy.files.overlapping_masks import NamedMask, labels_of_masks
from engines.anatomy.files.poly_data import MAX_FILE_BYTES
from engines.anatomy.vessel_model import LabelVolume

_MAX_HEADER_BYTES = 16 * 1024**2
_MAX_LAYERS = 64
_MAX_LABEL = 65535
_MAX_DEFLATE_RATIO = 1040  # zlib cannot pack tighter
_TYPES = {"signed char": "i1", "int8": "i1", "int8_t": "i1", "char": "i1", "uchar": "u1", "unsigned char": "u1",
          "uint8": "u1", "uint8_t": "u1", "short": "i2", "short int": "i2", "signed short": "i2", "int16": "i2",
          "int16_t": "i2", "ushort": "u2", "unsigned short": "u2", "uint16": "u2", "uint16_t": "u2", "int": "i4",
          "signed int": "i4", "int32": "i4", "int32_t": "i4", "uint": "u4", "unsigned int": "u4", "uint32": "u4",
          "uint32_t": "u4", "float": "f4", "double": "f8"}  # fmt: skip
_LPS_FROM = {"left-posterior-superior": (1.0, 1.0, 1.0), "lps": (1.0, 1.0, 1.0),
             "right-anterior-superior": (-1.0, -1.0, 1.0), "ras": (-1.0, -1.0, 1.0),
             "left-anterior-superior": (1.0, -1.0, 1.0), "las": (1.0, -1.0, 1.0)}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Header:
    """Fields (lower case) and the pairs that programs add; the data begin at `data_at`."""

    fields: dict[str, str]
    pairs: dict[str, str]
    data_at: int


def is_nrrd(path: Path) -> bool:
    return path.name.lower().endswith(".nrrd")


def read_nrrd_labels(path: Path) -> LabelVolume:
    """Labels on their grid; segments come with their names, a plain label map with none.

    Layers, in which segments may overlap, are merged as a folder of masks is.

    Raises:
        InputError: damaged, no labels, larger than the cap, in another space, a name given twice.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")
        content = path.read_bytes()
        header = _header(content)
        layers, lps_from_index = _volume(content, header, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); export the segmentation again") from error
    except (ValueError, ArithmeticError, LookupError, TypeError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as NRRD ({error}); export the segmentation again") from error
    check_affine(lps_from_index, str(path))
    segments = _segments(header.pairs)
    if not segments:
        if len(layers) > 1:
            raise InputError(f"{path}: has {len(layers)} layers and no segment names; export it as .seg.nrrd again")
        present = [int(value) for value in np.unique(layers[0]) if value]
        return LabelVolume(labels=layers[0], lps_from_index=lps_from_index, names=dict.fromkeys(present, ""))
    masks = []
    for name, layer, value in segments:
        if not 0 <= layer < len(layers):
            raise InputError(
                f"{path}: segment {name!r} is said to lie in layer {layer} of {len(layers)}; export it again"
            )
        masks.append(NamedMask(name=name, mask=layers[layer] == value))
    return labels_of_masks(masks, lps_from_index, str(path))


def _header(content: bytes) -> _Header:
    if not content.startswith(b"NRRD"):
        raise ValueError("it does not begin with NRRD")
    end = re.compile(rb"\r?\n\r?\n").search(content, 0, _MAX_HEADER_BYTES)
    if end is None:
        raise ValueError("no blank line ends its header")
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    for line in content[: end.start()].decode("utf-8", "replace").splitlines()[1:]:
        key, mark, value = line.partition(":=")
        if mark:
            pairs[key] = value.replace("\\n", "\n").strip()
        elif not line.startswith("#"):
            key, _, value = line.partition(":")
            fields[key.strip().lower()] = value.strip()
    return _Header(fields=fields, pairs=pairs, data_at=end.end())


def _volume(
    content: bytes, header: _Header, path: Path
) -> tuple[list[Integer[np.ndarray, "i j k"]], Float[np.ndarray, "4 4"]]:
    fields = header.fields
    if "data file" in fields or "datafile" in fields:
        raise InputError(f"{path}: keeps its voxels in another file; save it as one .nrrd")
    sizes = [int(word) for word in fields["sizes"].split()]
    directions = re.findall(r"none|\([^)]*\)", fields["space directions"]) if "space directions" in fields else []
    if not directions or "space" not in fields:
        raise InputError(f"{path}: does not say where its voxels lie (space, space directions); export it again")
    if fields["space"].lower() not in _LPS_FROM:
        raise InputError(f"{path}: lies in the space {fields['space']!r}, expected LPS or RAS; export it again")
    axes = [axis for axis, direction in enumerate(directions) if direction != "none"]
    if len(axes) != 3 or len(directions) != len(sizes) or len(sizes) > 4 or min(sizes) < 1:
        raise ValueError(f"sizes {sizes} with {len(axes)} directions in space, expected three")
    turn = np.array(_LPS_FROM[fields["space"].lower()])
    lps_from_index = np.eye(4)
    for column, axis in enumerate(axes):
        lps_from_index[:3, column] = turn * _vector(directions[axis])
    lps_from_index[:3, 3] = turn * _vector(fields.get("space origin", "(0,0,0)"))
    voxels = _voxels(content, header, sizes, path)
    layers = voxels if len(sizes) == 4 else voxels[None]
    if len(sizes) == 4:
        layers = np.moveaxis(voxels, next(axis for axis in range(4) if axis not in axes), 0)
    if len(layers) > _MAX_LAYERS:
        raise ValueError(f"{len(layers)} layers")
    return [np.ascontiguousarray(layer) for layer in layers], lps_from_index


def _vector(text: str) -> Float[np.ndarray, " 3"]:
    values = np.array([float(word) for word in text.strip("() ").split(",")])
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f"{text} is no place in space")
    return values


def _voxels(content: bytes, header: _Header, sizes: list[int], path: Path) -> Integer[np.ndarray, "*sizes"]:
    fields = header.fields
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    dtype = np.dtype(order + _TYPES[fields["type"].lower()])
    count = int(np.prod([float(size) for size in sizes]))
    if count > MAX_VOXELS:
        raise InputError(f"{path}: {count / 1e9:.1f} billion voxels, at most {MAX_VOXELS / 1e9:.1f}; crop it")
    stored, needed = content[header.data_at :], count * dtype.itemsize
    encoding = fields.get("encoding", "").lower()
    if encoding in ("gzip", "gz"):
        if needed > len(stored) * _MAX_DEFLATE_RATIO:
            raise ValueError(f"it promises {count} voxels in {len(stored)} bytes")
        stored = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(stored, needed)
    elif encoding != "raw":
        raise InputError(f"{path}: its voxels are stored as {encoding or 'nothing'}, expected raw or gzip; save it so")
    if len(stored) < needed:
        raise ValueError(f"{needed} bytes of voxels promised, {len(stored)} found")
    values = np.frombuffer(stored, dtype, count).reshape(sizes, order="F")  # the first axis runs fastest
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= _MAX_LABEL or (dtype.kind == "f" and not np.array_equal(values, np.rint(values))):
        raise InputError(
            f"{path}: values run from {low:g} to {high:g}, expected whole labels from 0 to {_MAX_LABEL}; "
            "is this the CT instead of its labels?"
        )
    return values.astype(np.uint8 if high < 256 else np.uint16)


def _segments(pairs: dict[str, str]) -> list[tuple[str, int, int]]:
    """Name, layer and label value of each segment."""
    found: dict[int, dict[str, str]] = {}
    for key, value in pairs.items():
        if match := re.fullmatch(r"Segment(\d{1,5})_(Name|LabelValue|Layer)", key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [
        (
            said.get("Name") or f"segment-{number}",
            _whole(said.get("Layer"), 0),
            # Files of before layers existed have one segment a component, of value 1.
            _whole(said.get("LabelValue"), 1),
        )
        for number, said in sorted(found.items())
    ]


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"\d{1,5}", text) else otherwise
