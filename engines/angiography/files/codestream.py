"""The size that a compressed frame states, read before a decoder allocates memory for it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ: ITU-T T.800 A.4.1, A.5.1
_JP2_START = b"\x00\x00\x00\x0cjP  "
_JP2_SEARCH_BYTES = 4096
# Start-of-frame markers of JPEG (T.81 B.1.1.3) and JPEG-LS (T.87 C.1.1); C4, C8 and CC are tables and extensions.
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
_SOS = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
# Lossless coding can make noise slightly larger; a longer stream is padding or an attack on the run-length decoder.
_MAX_GROWTH, _SLACK_BYTES = 2, 1024 * 1024


StreamKind = Literal["jpeg-8", "jpeg-12", "jpeg-lossless", "jpeg-ls", "jpeg-2000"]
_SEQUENTIAL = {0xC0, 0xC1, 0xC2}  # T.81 B.1.1.3: baseline, extended, progressive
_LOSSLESS, _LS = 0xC3, 0xF7


class CodestreamError(ValueError):
    """The stream's own header is broken or disagrees with the DICOM header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSize:
    rows: int
    columns: int
    samples: int
    bits: int
    marker: int = 0  # JPEG's start of frame


def starts_frame(fragment_head: bytes) -> bool:
    """Whether a fragment of a JPEG, JPEG-LS or JPEG 2000 stream begins a new picture."""
    return fragment_head.startswith((_JPEG_START, _J2K_START, _JP2_START))


def longest_stream_bytes(frame_bytes: int) -> int:
    """The largest number of bytes that a compressed picture of this size may have."""
    return _MAX_GROWTH * frame_bytes + _SLACK_BYTES


def check_stream(stream: bytes, *, rle: bool, rows: int, columns: int, samples: int, frame_bytes: int) -> int:
    """Check a compressed frame against Rows, Columns and Samples per Pixel of the DICOM header.

    Returns the bits that the stream states for a sample, 0 where it states none.

    Raises:
        CodestreamError: the stream is empty, broken, of another size, or far longer than its picture.
    """
    if len(stream) > longest_stream_bytes(frame_bytes):
        raise CodestreamError(f"{len(stream)} compressed bytes for a picture of {frame_bytes}")
    if rle:
        _check_rle(stream, frame_bytes, rows * columns)
        return 0
    found = stream_size(stream)
    if (found.rows, found.columns, found.samples) != (rows, columns, samples):
        raise CodestreamError(
            f"the stream holds {found.rows} rows x {found.columns} columns x {found.samples} samples, "
            f"the DICOM header says {rows} x {columns} x {samples}"
        )
    return found.bits


def stream_kind(head: bytes) -> StreamKind | None:
    """What a stream is by its own first bytes; None where they do not tell (run-length streams never do)."""
    if head.startswith((_J2K_START, _JP2_START)):
        return "jpeg-2000"
    if not head.startswith(_JPEG_START):
        return None
    try:
        found = stream_size(head)
    except CodestreamError:
        return None
    if found.marker in _SEQUENTIAL:
        return "jpeg-8" if found.bits <= 8 else "jpeg-12"
    return {_LOSSLESS: "jpeg-lossless", _LS: "jpeg-ls"}.get(found.marker)  # type: ignore[return-value]


def stream_size(stream: bytes) -> StreamSize:
    """Size stated by a JPEG, JPEG-LS or JPEG 2000 stream. Raises CodestreamError."""
    try:
        if stream.startswith(_JPEG_START):
            return _jpeg_size(stream)
        if stream.startswith(_JP2_START):
            start = stream.find(_J2K_START, 0, _JP2_SEARCH_BYTES)
            if start >= 0:
                return _j2k_size(stream[start : start + _JP2_SEARCH_BYTES])
        if stream.startswith(_J2K_START):
            return _j2k_size(stream)
    except struct.error as error:
        raise CodestreamError("the stream's header is cut off") from error
    raise CodestreamError("no JPEG, JPEG-LS or JPEG 2000 stream")


def _jpeg_size(stream: bytes) -> StreamSize:
    at, found = 2, None
    while True:
        if stream[at : at + 1] != b"\xff":
            raise CodestreamError("the stream's header is broken")
        marker = stream[at + 1 : at + 2]
        if not marker:
            raise CodestreamError("the stream's header is cut off")
        code = marker[0]
        if code == 0xFF:  # fill byte, T.81 B.1.1.2
            at += 1
            continue
        if code in _STANDALONE:
            at += 2
            continue
        if code == _SOS:
            break
        (length,) = struct.unpack_from(">H", stream, at + 2)
        if length < 2:
            raise CodestreamError("the stream's header is broken")
        if code in _SOF:
            if found is not None:
                raise CodestreamError("the stream states its size twice")
            bits, rows, columns, samples = struct.unpack_from(">BHHB", stream, at + 4)
            found = StreamSize(rows=rows, columns=columns, samples=samples, bits=bits, marker=code)
        at += 2 + length
    if found is None:
        raise CodestreamError("the stream does not state its size")
    return found


def _j2k_size(stream: bytes) -> StreamSize:
    width, height, left, top = struct.unpack_from(">IIII", stream, 8)
    (samples,) = struct.unpack_from(">H", stream, 40)
    (depth,) = struct.unpack_from(">B", stream, 42)  # sign in the highest bit, bits less one below
    steps = struct.unpack_from(">" + "xBB" * samples, stream, 42) if samples <= 4 else (0,)
    if any(step != 1 for step in steps):
        raise CodestreamError("the stream's colour planes are subsampled or too many")
    return StreamSize(rows=height - top, columns=width - left, samples=samples, bits=(depth & 0x7F) + 1)


def _check_rle(stream: bytes, frame_bytes: int, pixels: int) -> None:
    """Check PS3.5 G.5: a 64 byte header, one segment per byte plane, rising offsets inside the stream."""
    if len(stream) < 64:
        raise CodestreamError("the run-length header is cut off")
    count, *offsets = struct.unpack_from("<16I", stream)
    expected = frame_bytes // pixels
    used = offsets[:count] if count <= len(offsets) else []
    if count != expected or used[:1] != [64]:
        raise CodestreamError(f"the run-length header states {count} segments, the DICOM header needs {expected}")
    if sorted(set(used)) != used or used[-1] >= len(stream):
        raise CodestreamError("the run-length segments lie outside the frame")
