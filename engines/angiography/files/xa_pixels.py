"""Find, check and decode the pictures of an XA object, one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8, UInt16
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian, RLELossless

from calibration.dicom_values import DAMAGED, stored_numbers, stored_text
from calibration.errors import InputError
from engines.angiography.files.codestream import (
    CodestreamError,
    check_stream,
    longest_stream_bytes,
)
from engines.angiography.files.dicom_stream import DicomStream
from engines.angiography.files.frame_places import frame_places
from engines.angiography.files.luminance import luminance
from engines.angiography.run import FrameDecodeError, check_size

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """The storage format of pictures as the header states it."""

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    planar: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def frame_bytes(self) -> int:
        if self.photometric == "YBR_FULL_422":
            return self.rows * self.columns * 2  # PS3.3 C.7.6.3.1.2: chroma at half the columns
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


class PixelReader:
    """Reads single frames of an opened file.

    Raises:
        InputError: on creation, for a format that cannot be read or pictures beyond the caps.
    """

    def __init__(self, stream: DicomStream, source: str) -> None:
        self.source_id = source
        self._stream = stream
        form = _pixel_format(stream.header, source)
        _decoder(stream.transfer_syntax, source)  # a name that nothing reads is refused before anything is read
        places = frame_places(stream, form.frames, form.frame_bytes, source)
        self.format = replace(form, frames=places.frames)
        _check_size(self.format, source)
        self.said = (*((f"{source}: {stream.said}",) if stream.said else ()), *places.said)
        self._fragments, self._syntax = places.fragments, places.transfer_syntax
        self._decoder = _decoder(places.transfer_syntax, source)
        # PS3.5 6.2: words of big endian objects are swapped, those that hold two 8 bit pixels too.
        big = places.transfer_syntax == ExplicitVRBigEndian
        self._swapped = big and stream.pixel_vr == b"OW" and form.bits_allocated == 8

    def require_all_frames(self) -> None:
        """Raises InputError if fewer pixel data are stored than the header states; decodes nothing."""
        form = self.format
        if self._fragments is not None:
            stored = len(self._fragments)
        else:
            stored = (self._stream.pixel_length or 0) // form.frame_bytes
        if stored < form.frames:
            raise InputError(f"{self.source_id}: holds {stored} of the {form.frames} frames it states; it is cut off")

    def read(self, index: int) -> tuple[UInt8[np.ndarray, "rows columns"] | UInt16[np.ndarray, "rows columns"], int]:
        """Pixels and their bits; black means no X-rays. Inverts MONOCHROME1, shifts signed values above zero."""
        stored = self._decode(index)
        if self.format.samples > 1:
            return luminance(stored, bits=self.format.bits_stored), self.format.bits_stored
        shift = self.format.high_bit + 1 - self.format.bits_stored if self._fragments is None else 0
        bits = min(self.format.bits_stored, stored.itemsize * 8)
        full = (1 << bits) - 1
        values = stored.astype(stored.dtype.newbyteorder("="), copy=False).view(f"u{stored.itemsize}")
        if shift or bits < stored.itemsize * 8:
            values = (values >> shift) & full  # unused bits may hold overlays
        if self.format.signed:
            values = values ^ (1 << (bits - 1))  # two's complement to offset binary
        if self.format.photometric == "MONOCHROME1":
            values = full - values
        values = np.ascontiguousarray(values, dtype=np.uint8 if bits <= 8 else np.uint16)
        values.flags.writeable = False
        return values, bits

    def _decode(self, index: int) -> Integer[np.ndarray, ...]:
        form = self.format
        data, options = self._encoded(index), self._options()
        try:
            if self._fragments is not None:
                rle = self._syntax == RLELossless
                size = {"rows": form.rows, "columns": form.columns, "samples": form.samples}
                bits = check_stream(data, rle=rle, **size, frame_bytes=form.frame_bytes)
                if bits > form.bits_allocated:
                    raise CodestreamError(
                        f"the stream holds {bits} bits a pixel, the DICOM header allocates {form.bits_allocated}"
                    )
                if 0 < bits <= 8 < form.bits_allocated:  # the stream knows its depth
                    options |= {"bits_allocated": 8, "bits_stored": min(form.bits_stored, 8)}
                data = encapsulate([data], has_bot=False)
            array, _ = self._decoder.as_array(data, index=0, validate=False, **options)
        except CodestreamError as error:
            raise FrameDecodeError(f"{self.source_id}: frame {index}: {error}; export it again") from error
        except (*DAMAGED, RuntimeError) as error:
            cause = str(error).strip().splitlines()[-1].strip()[:160] if str(error).strip() else type(error).__name__
            raise FrameDecodeError(f"{self.source_id}: frame {index} cannot be decoded ({cause})") from error
        if array.shape[:2] != (form.rows, form.columns):
            raise FrameDecodeError(
                f"{self.source_id}: frame {index} decodes to {array.shape}, not to its header's size"
            )
        return array

    def _options(self) -> dict[str, Any]:
        form = self.format
        return {
            "rows": form.rows,
            "columns": form.columns,
            "number_of_frames": 1,
            "samples_per_pixel": form.samples,
            "photometric_interpretation": form.photometric,
            "planar_configuration": form.planar,
            "bits_allocated": form.bits_allocated,
            "bits_stored": form.bits_stored,
            "pixel_representation": int(form.signed),
            "pixel_keyword": "PixelData",
            # `read` masks the unused bits of native values; it also handles values stored in the upper bits.
            "correct_unused_bits": self._fragments is not None,
        }

    def _encoded(self, index: int) -> bytes:
        if self._fragments is None:
            offset, length = index * self.format.frame_bytes, self.format.frame_bytes
            data = self._plain(offset, length)
            if len(data) < length:
                raise FrameDecodeError(
                    f"{self.source_id}: frame {index} is cut off ({len(data)} of {length} bytes); export it again"
                )
            return data
        if index >= len(self._fragments):
            raise FrameDecodeError(
                f"{self.source_id}: frame {index} is missing, only {len(self._fragments)} are stored; export it again"
            )
        pieces = self._fragments[index]
        # Checked before reading, because a damaged file may assign many fragments to one picture.
        if sum(piece.length for piece in pieces) > longest_stream_bytes(self.format.frame_bytes):
            raise FrameDecodeError(
                f"{self.source_id}: frame {index} is longer than the picture it holds; export it again"
            )
        return b"".join(self._stream.read(piece.start, piece.length) for piece in pieces)

    def _plain(self, offset: int, length: int) -> bytes:
        """Bytes of uncompressed pixel data; fewer than asked for if they end early."""
        first, last = (
            (offset - offset % 2, offset + length + length % 2 + 1) if self._swapped else (offset, offset + length)
        )
        available = min(last, self._stream.pixel_length or 0) - first
        data = self._stream.read(self._stream.pixel_offset + first, available) if available > 0 else b""
        if self._swapped:
            words = np.frombuffer(data, np.uint8)[: len(data) // 2 * 2].reshape(-1, 2)
            data = words[:, ::-1].tobytes()[offset - first :][:length]
        return data


def _decoder(syntax: UID, source: str) -> Decoder:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(f"{source}: pixel data are {syntax.name}, which cannot be read; export it again") from error
    if not decoder.is_available:
        raise InputError(f"{source}: no decoder for {syntax.name} is installed; `doctor` says which is missing")
    return decoder


def _pixel_format(header: Dataset, source: str) -> PixelFormat:
    def whole(keyword: str, default: int | None = None) -> int:
        try:
            numbers = stored_numbers(header, keyword)
        except ValueError as error:
            raise InputError(f"{source}: {error}; the header is damaged") from error
        if not numbers and default is None:
            raise InputError(f"{source}: no {keyword}; the header is damaged")
        return int(numbers[0]) if numbers else int(default or 0)

    bits_allocated = whole("BitsAllocated")
    bits_stored = whole("BitsStored", bits_allocated)
    form = PixelFormat(
        rows=whole("Rows"),
        columns=whole("Columns"),
        frames=whole("NumberOfFrames", 1),
        samples=whole("SamplesPerPixel", 1),
        photometric=stored_text(header, "PhotometricInterpretation"),
        planar=whole("PlanarConfiguration", 0),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=whole("HighBit", bits_stored - 1),
        signed=whole("PixelRepresentation", 0) == 1,
    )
    if form.frames < 1:
        raise InputError(f"{source}: Number of Frames is {form.frames}; the header is damaged")
    if (form.samples, form.photometric in _COLOUR) not in ((1, False), (3, True)) or (
        form.samples == 1 and form.photometric not in _GREY
    ):
        raise InputError(
            f"{source}: {form.photometric or 'no photometric interpretation'} with {form.samples} samples a pixel; "
            "accepted are MONOCHROME1, MONOCHROME2 and RGB or YBR colour"
        )
    depth_ok = bits_allocated in (8, 16) and 1 <= bits_stored <= bits_allocated and form.planar in (0, 1)
    if not depth_ok or not bits_stored - 1 <= form.high_bit < bits_allocated or (form.samples == 3 and form.signed):
        raise InputError(
            f"{source}: {bits_stored} of {bits_allocated} bits with high bit {form.high_bit}; accepted are 8 or 16 bits"
        )
    _check_size(form, source)
    return form


def _check_size(form: PixelFormat, source: str) -> None:
    check_size(source, form.rows, form.columns, form.samples * form.bits_allocated // 8, form.frames)
