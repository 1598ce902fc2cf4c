"""What one message of a recording holds, as bytes: frames losslessly, everything else as JSON.

A recording is an MCAP file (https://mcap.dev/spec) of profile `guidance-app` whose chunks are not compressed: the
pixels are, frame by frame, so that one frame can be read alone and its size is known before memory is taken.

A message on `/frames` is a little-endian uint32, that many bytes of JSON (`FrameHeader`), then the pixels: horizontal
differences modulo 256 for 8 bit, the plane of low bytes and then that of high bytes for 16 bit, either in one Zstandard
frame. Differences of 8 bit pictures and planes of 16 bit ones halve what is written and cost 1 to 3 ms a frame.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any, Literal

import numpy as np
import zstandard
from jaxtyping import UInt8, UInt16
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame, FrameKind
from engines.angiography.native_picture import SIDE_PX, NativePicture
from engines.angiography.run import MAX_SIDE_PX, FrameDecodeError

PROFILE = "guidance-app"
SCHEMA = "guidance-app/recording/1"
ABOUT = "guidance-app/recording"  # name of the metadata record that says what was recorded, and on which machine

FRAMES = "/frames"
REGISTRATIONS = "/registrations"
GUIDANCE = "/guidance"
SCREEN = "/screen"
EVENTS = "/events"
ACTIONS = "/actions"
JSON_TOPICS = (REGISTRATIONS, GUIDANCE, SCREEN, EVENTS, ACTIONS)

FRAME_ENCODING = "guidance-frame"
_LEVELS = {1: 1, 2: -1}  # of Zstandard, by bytes a pixel; higher ones cost several times as much for a tenth
MAX_HEADER_BYTES = 128 * 1024
_LENGTH = struct.Struct("<I")

Pixels = UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"]


class GeometryRecord(BaseModel):
    """`CArmGeometry` as it lies in the file, every digit of it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    primary_rad: float
    secondary_rad: float
    sid_mm: float = Field(gt=0)
    sod_mm: float = Field(gt=0)
    column_spacing_mm: float = Field(gt=0)
    row_spacing_mm: float = Field(gt=0)
    shape_px: tuple[int, int]
    principal_point_px: tuple[float, float]
    spacing_source: str
    table_mm: tuple[float, float, float] | None
    mirrored: bool
    table_tilt_rad: tuple[float, float, float] | None = None
    patient_position: str = ""
    sides_known: bool = False

    @classmethod
    def of(cls, geometry: CArmGeometry) -> GeometryRecord:
        return cls(**{name: getattr(geometry, name) for name in cls.model_fields})

    def geometry(self) -> CArmGeometry:
        return CArmGeometry(**{name: getattr(self, name) for name in type(self).model_fields})


class NativeRecord(BaseModel):
    """`NativePicture` as it lies in the file; `packed` are its pixels, row by row, little-endian, in base64."""

    model_config = ConfigDict(frozen=True)
    rows: int = Field(ge=1, le=SIDE_PX)
    columns: int = Field(ge=1, le=SIDE_PX)
    dtype: Literal["uint8", "uint16"]
    bits_stored: int = Field(ge=1, le=16)
    vessels_bright: bool = False
    packed: str

    @classmethod
    def of(cls, native: NativePicture) -> NativeRecord:
        stored = np.ascontiguousarray(native.pixels).astype(native.pixels.dtype.newbyteorder("<"), copy=False)
        return cls(
            rows=native.pixels.shape[0],
            columns=native.pixels.shape[1],
            dtype="uint16" if stored.itemsize == 2 else "uint8",
            bits_stored=native.bits_stored,
            vessels_bright=native.vessels_bright,
            packed=base64.b64encode(stored.tobytes()).decode("ascii"),
        )

    def native(self, where: str) -> NativePicture:
        """Raises FrameDecodeError where the pixels do not fill the picture."""
        kind = np.dtype(self.dtype).newbyteorder("<")
        try:
            content = base64.b64decode(self.packed, validate=True)
        except ValueError as error:
            raise FrameDecodeError(f"{where}: its native picture is no base64; the recording is damaged") from error
        if len(content) != self.rows * self.columns * kind.itemsize:
            raise FrameDecodeError(f"{where}: its native picture has {len(content)} bytes; the recording is damaged")
        pixels = np.frombuffer(content, dtype=kind).reshape(self.rows, self.columns)
        return NativePicture(
            pixels=pixels.astype(kind.newbyteorder("="), copy=False),
            bits_stored=self.bits_stored,
            vessels_bright=self.vessels_bright,
        )


class FrameHeader(BaseModel):
    """Everything of a `Frame` but its pixels; `corrupt` says why there are none."""

    model_config = ConfigDict(frozen=True)
    index: int = Field(ge=0)
    source_frame: int = 0
    source_id: str = ""
    sop_instance_uid: str = ""
    received_ns: int = Field(ge=0)
    corrupt: str = ""
    kind: FrameKind = "fluoro"
    bits_stored: int = Field(default=8, ge=1, le=16)
    decode_ms: float = 0.0
    acquired: str | None = None
    geometry: GeometryRecord | None = None
    geometry_reason: str = ""
    frame_time_ms: float | None = None
    window_center: float | None = None
    window_width: float | None = None
    vessels_bright: bool = False
    linear_intensity: bool = False
    log_intensity: bool = False
    rows: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    columns: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    dtype: Literal["uint8", "uint16"] = "uint8"
    native: NativeRecord | None = None
    crc32: int = 0  # of the pixels as they were, row by row, little-endian


class FrameCoder:
    """Frames to bytes; one thread at a time."""

    def __init__(self) -> None:
        self._compressors = {size: zstandard.ZstdCompressor(level=level) for size, level in _LEVELS.items()}

    def encode(self, frame: Frame) -> bytes:
        """One message of `/frames`."""
        pixels = np.ascontiguousarray(frame.pixels)
        if pixels.dtype == np.uint16:
            pixels = pixels.astype("<u2", copy=False)
        header = FrameHeader(
            index=frame.index,
            source_frame=frame.source_frame,
            source_id=frame.source_id,
            sop_instance_uid=frame.sop_instance_uid,
            received_ns=frame.received_ns,
            kind=frame.kind,
            bits_stored=frame.bits_stored,
            decode_ms=frame.decode_ms,
            acquired=frame.acquired,
            geometry=None if frame.geometry is None else GeometryRecord.of(frame.geometry),
            geometry_reason=frame.geometry_reason,
            frame_time_ms=frame.frame_time_ms,
            window_center=frame.window_center,
            window_width=frame.window_width,
            vessels_bright=frame.vessels_bright,
            linear_intensity=frame.linear_intensity,
            log_intensity=frame.log_intensity,
            native=None if frame.native is None else NativeRecord.of(frame.native),
            rows=pixels.shape[0],
            columns=pixels.shape[1],
            dtype="uint16" if pixels.dtype.itemsize == 2 else "uint8",
            crc32=zlib.crc32(pixels.data),
        )
        return _joined(header, self._compressors[pixels.itemsize].compress(_arranged(pixels)))


def encode_corrupt(*, index: int, source_frame: int, sop_instance_uid: str, received_ns: int, text: str) -> bytes:
    """One message of `/frames` that stands for a frame which could not be decoded."""
    header = FrameHeader(
        index=index, source_frame=source_frame, sop_instance_uid=sop_instance_uid, received_ns=received_ns, corrupt=text
    )
    return _joined(header, b"")


def decode_header(data: bytes, where: str) -> tuple[FrameHeader, int]:
    """The header, and where the pixels begin.

    Raises:
        FrameDecodeError: damaged.
    """
    if len(data) < _LENGTH.size:
        raise FrameDecodeError(f"{where}: cut short ({len(data)} bytes)")
    (length,) = _LENGTH.unpack_from(data)
    if length > MAX_HEADER_BYTES or _LENGTH.size + length > len(data):
        raise FrameDecodeError(
            f"{where}: its description claims {length} bytes of {len(data)}; the recording is damaged"
        )
    try:
        return FrameHeader.model_validate_json(data[_LENGTH.size : _LENGTH.size + length]), _LENGTH.size + length
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "description"
        raise FrameDecodeError(f"{where}: {place}: {first['msg']}; the recording is damaged") from error


def decode_frame(data: bytes, where: str) -> Frame:
    """The very frame that was encoded.

    Raises:
        FrameDecodeError: damaged, or not decodable when it was recorded.
    """
    header, begin = decode_header(data, where)
    if header.corrupt:
        raise FrameDecodeError(header.corrupt)
    return Frame(
        pixels=_pixels(header, memoryview(data)[begin:], where),
        kind=header.kind,
        bits_stored=header.bits_stored,
        received_ns=header.received_ns,
        decode_ms=header.decode_ms,
        acquired=header.acquired,
        geometry=None if header.geometry is None else header.geometry.geometry(),
        geometry_reason=header.geometry_reason or ("" if header.geometry else f"{where}: no geometry was recorded"),
        source_id=header.source_id,
        sop_instance_uid=header.sop_instance_uid,
        source_frame=header.source_frame,
        index=header.index,
        frame_time_ms=header.frame_time_ms,
        window_center=header.window_center,
        window_width=header.window_width,
        vessels_bright=header.vessels_bright,
        linear_intensity=header.linear_intensity,
        log_intensity=header.log_intensity,
        native=None if header.native is None else header.native.native(where),
    )


def _joined(header: FrameHeader, pixels: bytes) -> bytes:
    text = header.model_dump_json().encode()
    return b"".join((_LENGTH.pack(len(text)), text, pixels))


def _arranged(pixels: Pixels) -> Any:
    """Neighbouring bytes made alike, which is what the compressor sees best."""
    if pixels.dtype.itemsize == 2:
        return np.ascontiguousarray(pixels.view(np.uint8).reshape(-1, 2).T)
    differences = pixels.copy()
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=differences[:, 1:])
    return differences


def _pixels(header: FrameHeader, compressed: memoryview, where: str) -> Pixels:
    rows, columns, size = header.rows, header.columns, 2 if header.dtype == "uint16" else 1
    if not rows or not columns:
        raise FrameDecodeError(f"{where}: {rows} rows x {columns} columns; the recording is damaged")
    try:
        # Whatever the compressed bytes claim, no more memory is taken than the picture needs.
        claimed = zstandard.get_frame_parameters(compressed).content_size
        if claimed != rows * columns * size:
            raise FrameDecodeError(
                f"{where}: {rows} rows x {columns} columns need {rows * columns * size} bytes, the file says "
                f"{claimed}; the recording is damaged"
            )
        content = zstandard.ZstdDecompressor().decompress(compressed)
    except zstandard.ZstdError as error:
        raise FrameDecodeError(f"{where}: {error}; the recording is damaged") from error
    stored = np.frombuffer(content, dtype=np.uint8)
    if size == 2:
        pixels = np.ascontiguousarray(stored.reshape(2, -1).T).view("<u2").reshape(rows, columns)
        pixels = pixels.astype(np.uint16, copy=False)
    else:
        pixels = np.cumsum(stored.reshape(rows, columns), axis=1, dtype=np.uint8)
    if zlib.crc32(pixels.data) != header.crc32:
        raise FrameDecodeError(f"{where}: its pixels do not match their checksum; the recording is damaged")
    return pixels
