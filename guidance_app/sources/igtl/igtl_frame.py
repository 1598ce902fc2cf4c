"""An OpenIGTLink IMAGE as a frame, with the geometry that its metadata state."""

from __future__ import annotations

import math
import re
import struct
import time
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8, UInt16
from pydicom.dataset import Dataset
from pyigtl.messages import ImageMessage

from calibration.carm import CArmGeometry
from calibration.dicom_geometry import xa_geometry
from calibration.errors import InputError, MissingGeometryError
from engines.angiography.files.luminance import luminance
from engines.angiography.files.xa_tags import plausible_frame_time
from engines.angiography.frame import Frame
from engines.angiography.run import check_size
from guidance_app.sources.dicom.received_run import plain_uid
from guidance_app.sources.igtl.igtl_wire import RawMessage

# CONTRACT: keys of the metadata, with DICOM's meanings and units; several values are separated by "\", "," or spaces.
GEOMETRY_KEYS = (
    "PositionerPrimaryAngle",
    "PositionerSecondaryAngle",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "ImagerPixelSpacing",
)
_XA = "1.2.840.10008.5.1.4.1.1.12.1"
_EXTENDED_HEADER = struct.Struct(">HHII")
_IMAGE_HEADER = struct.Struct(">HBBBBHHH")
_SUB_VOLUME = struct.Struct(">HHHHHH")  # first voxel, size
_SUB_VOLUME_AT = 60  # behind the matrix
_IMAGE_HEADER_BYTES = 72
_INTEGERS = {2: np.int8, 3: np.uint8, 4: np.int16, 5: np.uint16}
_COLOURS = (3, 4)
_UNPACK_ERRORS = (ValueError, TypeError, LookupError, NotImplementedError, struct.error, OverflowError)

Pixels = UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"]


def image_frame(message: RawMessage, *, source_id: str, source_frame: int) -> Frame:
    """The picture of an IMAGE message; `index` and a missing frame time are left to whoever counts arrivals.

    Raises:
        InputError: damaged, a volume, beyond the caps, or of numbers that are no picture's.
    """
    started_ns = time.perf_counter_ns()
    if not message.intact:
        raise InputError(f"{source_id}: picture {source_frame} does not fit its checksum")
    _check_sizes(message, f"{source_id}: picture {source_frame}")
    image = ImageMessage()
    try:
        image.unpack(message.header, message.body)
        if image.image is None:
            raise InputError(f"{source_id}: picture {source_frame} holds no pixels; send a picture")
        pixels, bits, lift = _pixels(image.image)
    except _UNPACK_ERRORS as error:
        raise InputError(f"{source_id}: picture {source_frame} is damaged ({error or type(error).__name__})") from error
    metadata = {str(key): str(value) for key, value in image.metadata.items()}
    geometry, reason = _geometry(metadata, pixels.shape, source_id)
    center = _number(metadata, "WindowCenter")
    return Frame(
        pixels=pixels,
        kind="fluoro",
        # Lifted values reach up to the last of their bits, whatever is stated of the ones below zero.
        bits_stored=bits if lift else _bits_stored(metadata, bits),
        received_ns=message.received_ns,
        decode_ms=(time.perf_counter_ns() - started_ns) / 1e6,
        geometry=geometry,
        geometry_reason=reason,
        source_id=source_id,
        sop_instance_uid=plain_uid(metadata.get("SOPInstanceUID", "")),
        source_frame=source_frame,
        frame_time_ms=_frame_time_ms(metadata),
        window_center=None if center is None else center + lift,
        window_width=_positive(metadata, "WindowWidth"),
    )


def _check_sizes(message: RawMessage, name: str) -> None:
    """Hold what the headers state against the bytes that are there, before anything is made of them."""
    body, start, metadata_bytes = message.body, 0, 0
    try:
        if message.header["header_version"] > 1:
            start, index_bytes, text_bytes, _ = _EXTENDED_HEADER.unpack_from(body)
            metadata_bytes = index_bytes + text_bytes
        _, components, scalar, _, _, *size = _IMAGE_HEADER.unpack_from(body, start)
        part = _SUB_VOLUME.unpack_from(body, start + _SUB_VOLUME_AT)
    except struct.error as error:
        raise InputError(f"{name} is cut off") from error
    if scalar not in _INTEGERS:
        raise InputError(f"{name} holds numbers of type {scalar}; send 8 or 16 bit integers")
    if components != 1 and (components not in _COLOURS or scalar != 3):
        raise InputError(f"{name} has {components} components; send grey, or 8 bit colour")
    # OpenIGTLink lets a message update a part of a volume, which pyigtl cannot take.
    if list(part[3:]) != size or any(part[:3]):
        raise InputError(
            f"{name} updates the part {part[3]} x {part[4]} x {part[5]} at {part[0]}, {part[1]}, {part[2]} of "
            f"{size[0]} x {size[1]} x {size[2]}; send whole pictures"
        )
    if 1 not in size:
        raise InputError(f"{name} is a volume of {size[0]} x {size[1]} x {size[2]}; send pictures")
    flat = sorted(size)[1:]
    item_bytes = components * np.dtype(_INTEGERS[scalar]).itemsize
    check_size(name, flat[0], flat[1], item_bytes, 1)
    stated, there = flat[0] * flat[1] * item_bytes, len(body) - start - metadata_bytes - _IMAGE_HEADER_BYTES
    if stated != there:
        raise InputError(f"{name} states {stated} bytes of pixels and holds {there}")


def _pixels(volume: Integer[np.ndarray, ...]) -> tuple[Pixels, int, int]:
    """Pixels, their bits, and by how much they were lifted above zero.

    (k, j, i) with one slice along any axis; pyigtl itself sends a plain array with the slice in i.
    """
    thin = next(axis for axis in range(3) if volume.shape[axis] == 1)
    flat = np.take(volume, 0, axis=thin)
    native = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    if native.ndim == 3:
        return luminance(native[..., :3], bits=8), 8, 0
    bits, lift = native.itemsize * 8, 0
    if native.dtype.kind == "i":
        # 3D Slicer sends detector values, which are never negative, as signed numbers: lifted, they would fill the
        # upper half of the bits alone, and a window in stored values would show them white.
        lift = 1 << (bits - 1) if native.min() < 0 else 0
        native = native.view(f"u{native.itemsize}") ^ lift  # two's complement to offset binary
    pixels = np.ascontiguousarray(native)
    pixels.flags.writeable = False
    return pixels, bits, lift


def _geometry(metadata: dict[str, str], shape_px: tuple[int, ...], source_id: str) -> tuple[CArmGeometry | None, str]:
    """Through the same checks as a DICOM header, so that the same values mean the same and fail in the same way."""
    if not any(metadata.get(key) for key in GEOMETRY_KEYS):
        return None, f"{source_id}: the message states no geometry; send {', '.join(GEOMETRY_KEYS)} as metadata"
    header = Dataset()
    header.SOPClassUID = _XA
    header.NumberOfFrames, header.Rows, header.Columns = 1, shape_px[0], shape_px[1]
    for key in GEOMETRY_KEYS:
        if not (text := metadata.get(key, "").strip()):
            continue
        values: list[Any] = [_finite(part) for part in re.split(r"[\\,;\s]+", text.strip("[]() "))]
        if None in values:
            return None, f"{source_id}: {key} is {text[:40]!r}, expected numbers"
        # Nine digits: more than a DICOM decimal string holds in every case.
        setattr(header, key, [float(f"{value:.9g}") for value in values])
    try:
        return xa_geometry(header, 0, source=source_id), ""
    except (MissingGeometryError, InputError) as error:
        return None, str(error)


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _number(metadata: dict[str, str], key: str) -> float | None:
    return _finite(metadata.get(key, ""))


def _positive(metadata: dict[str, str], key: str) -> float | None:
    value = _number(metadata, key)
    return value if value is not None and value > 0 else None


def _frame_time_ms(metadata: dict[str, str]) -> float | None:
    value = _number(metadata, "FrameTime")
    return value if value is not None and plausible_frame_time(value) else None


def _bits_stored(metadata: dict[str, str], bits: int) -> int:
    stated = _number(metadata, "BitsStored")
    return int(stated) if stated is not None and 1 <= stated <= bits else bits
