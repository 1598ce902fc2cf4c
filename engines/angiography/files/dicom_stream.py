"""Read header and pixel data of a DICOM file piece by piece, within stated limits."""

from __future__ import annotations

import io
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from calibration.dicom_values import DAMAGED
from calibration.errors import InputError
from engines.angiography.files.dicom_encoding import PREAMBLE_BYTES, at_pixel_data, encoding_of
from engines.angiography.run import MAX_DECODED_BYTES, MAX_SIDE_PX

_MAX_HEADER_BYTES = 256 * 1024**2  # enhanced objects with thousands of frames stay well below
_MAX_DEFLATED_HEADER_BYTES = 32 * 1024**2
_CHUNK_BYTES = 1024**2
_META_LENGTH_ELEMENT_BYTES = 12
_MAX_ITEMS = 1_000_000
_PIXEL_GROUP = 0x7FE0
_PIXEL_ELEMENT = 0x0010
_PIXEL_VRS = (b"OB", b"OW", b"OV", b"UN")
_ITEM, _SEQUENCE_END = 0xE000, 0xE0DD
_UNDEFINED_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DicomStream:
    """A file's header, and the position of its pixel data.

    Args:
        header: everything before the pixel data.
        transfer_syntax: the file's; pixel data are little endian unless it says otherwise.
        pixel_offset: offset of the first byte of the pixel data's value.
        pixel_length: bytes actually present; None if the value is encapsulated.
        pixel_vr: of the pixel data, b"" where the data set has none.
        said: how it is encoded otherwise than it states.
        inflated: the data set in memory, inflated from a deflated file or received; None if it is read from the file.
    """

    path: Path
    header: Dataset
    transfer_syntax: UID
    pixel_offset: int
    pixel_length: int | None
    pixel_vr: bytes = b""
    said: str = ""
    inflated: bytes | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the (inflated) file; fewer than asked for if the file ends early."""
        if self.inflated is not None:
            return self.inflated[offset : offset + length]
        with _BoundedReader(self.path) as file:
            file.seek(offset)
            return file.read(length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One item of encapsulated pixel data; `offset` is counted from the first byte after the offset table's item."""

    start: int
    length: int
    offset: int


def open_dicom(path: Path) -> DicomStream:
    """Read a file's header.

    Raises:
        InputError: the file is no DICOM file, is damaged, has no pixel data, or exceeds the limits.
    """
    try:
        if transfer_syntax_of(path) == DeflatedExplicitVRLittleEndian:
            return _open_deflated(path)
        with _BoundedReader(path, limit=_MAX_HEADER_BYTES) as file:
            encoding = encoding_of(file)
            header = read_dataset(file, encoding.implicit, encoding.little, stop_when=at_pixel_data)
            header.file_meta = FileMetaDataset(encoding.meta)
            offset, length, vr = _pixel_value(file, encoding.little, path.name)
            available = None if length is None else min(length, file.size - offset)
    except DAMAGED as error:
        raise InputError(f"{path.name}: is no readable DICOM file ({_cause(error)}); export it again") from error
    return DicomStream(
        path=path,
        header=header,
        transfer_syntax=encoding.transfer_syntax,
        pixel_offset=offset,
        pixel_length=available,
        pixel_vr=vr,
        said=encoding.said,
    )


def open_data_set(data: bytes, syntax: UID, name: str) -> DicomStream:
    """Read the header of a data set received over a network, which has no preamble and no file meta information.

    Args:
        data: the bytes; kept without a copy unless they are deflated.
        syntax: the transfer syntax that both ends agreed on.
        name: names the data set in error messages; no patient text.

    Raises:
        InputError: the data set is damaged, has no pixel data, or exceeds the limits.
    """
    deflated = syntax == DeflatedExplicitVRLittleEndian
    try:
        plain = _inflate(data, _MAX_DEFLATED_HEADER_BYTES, name) if deflated else data
        with io.BytesIO(plain) as file:
            header = read_dataset(
                file, syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian, stop_when=at_pixel_data
            )
            offset, length, vr = _pixel_value(file, syntax != ExplicitVRBigEndian, name)
    except DAMAGED as error:
        raise InputError(f"{name}: is no readable DICOM data set ({_cause(error)}); send it again") from error
    if deflated:
        pictures = _stated_bytes(header)
        plain = _inflate(data, offset + (pictures if length is None else min(length, pictures)), name)
    available = None if length is None else min(length, len(plain) - offset)
    return DicomStream(
        path=Path(name),
        header=header,
        transfer_syntax=syntax,
        pixel_offset=offset,
        pixel_length=available,
        pixel_vr=vr,
        inflated=plain,
    )


def read_fragments(stream: DicomStream) -> tuple[tuple[int, ...], tuple[Fragment, ...]]:
    """The basic offset table and the complete fragments in stored order; the list ends before a cut-off fragment.

    Raises:
        InputError: the value is no chain of items, or has more items than any run.
    """
    fragments: list[Fragment] = []
    table: tuple[int, ...] | None = None
    with _opened(stream) as file:
        end = file.seek(0, io.SEEK_END)
        at = first = stream.pixel_offset
        while len(fragments) < _MAX_ITEMS:
            file.seek(at)
            head = file.read(8)
            if len(head) < 8:
                break
            group, element, length = struct.unpack("<HHI", head)
            start = at + 8
            if (group, element) == (0xFFFE, _SEQUENCE_END):
                break
            if (group, element) != (0xFFFE, _ITEM):
                if table is None or not fragments:
                    raise InputError(f"{stream.path.name}: the compressed pixel data are damaged; export it again")
                break  # what came before the damage can still be shown
            if length == _UNDEFINED_LENGTH or start + length > end:
                break
            if table is None:
                data = file.read(length - length % 4)
                table, first = struct.unpack(f"<{len(data) // 4}I", data), start + length
            else:
                fragments.append(Fragment(start=start, length=length, offset=at - first))
            at = start + length
        else:
            raise InputError(f"{stream.path.name}: more than {_MAX_ITEMS} pieces of pixel data; the file is damaged")
    return table or (), tuple(fragments)


def transfer_syntax_of(path: Path) -> str:
    """The transfer syntax that the file's meta information states; "" if it has none.

    Raises:
        Any of `DAMAGED`.
    """
    with path.open("rb") as file:
        if file.read(PREAMBLE_BYTES)[-4:] != b"DICM":
            return ""
    return str(read_file_meta_info(path).get("TransferSyntaxUID") or "")


def _open_deflated(path: Path) -> DicomStream:
    """Inflate only as many bytes as the header's pictures need, because a small file may inflate to terabytes."""
    meta = read_file_meta_info(path)
    start = PREAMBLE_BYTES + _META_LENGTH_ELEMENT_BYTES + int(meta.FileMetaInformationGroupLength)
    head = _inflated(path, start, _MAX_DEFLATED_HEADER_BYTES)
    with io.BytesIO(head) as file:
        header = read_dataset(file, False, True, stop_when=at_pixel_data)
        offset, length, vr = _pixel_value(file, True, path.name)
    header.file_meta = meta
    pictures = _stated_bytes(header)
    needed = offset + (pictures if length is None else min(length, pictures))
    inflated = head[:needed] if needed <= len(head) else _inflated(path, start, needed)
    available = None if length is None else min(length, len(inflated) - offset)
    return DicomStream(
        path=path,
        header=header,
        transfer_syntax=DeflatedExplicitVRLittleEndian,
        pixel_offset=offset,
        pixel_length=available,
        pixel_vr=vr,
        inflated=inflated,
    )


def _inflated(path: Path, start: int, limit: int) -> bytes:
    """The first `limit` bytes of a deflated file's content. Raises InputError if it is damaged."""
    with path.open("rb") as file:
        file.seek(start)
        return _inflate_from(file, limit, path.name)


def _inflate(data: bytes, limit: int, name: str) -> bytes:
    return _inflate_from(io.BytesIO(data), limit, name)


def _inflate_from(file: BinaryIO, limit: int, name: str) -> bytes:
    inflater, pieces, left = zlib.decompressobj(-zlib.MAX_WBITS), [], limit
    try:
        while left > 0 and not inflater.eof:
            packed = inflater.unconsumed_tail or file.read(_CHUNK_BYTES)
            if not packed:
                break
            pieces.append(inflater.decompress(packed, min(left, _CHUNK_BYTES)))
            left -= len(pieces[-1])
    except zlib.error as error:
        raise InputError(f"{name}: the deflated data are damaged; export it again") from error
    return b"".join(pieces)


def _stated_bytes(header: Dataset) -> int:
    """Bytes of all pictures by the header; 0 if it is damaged or beyond the caps, since it is refused later anyway."""
    try:
        sizes = [int(header.get(keyword) or 1) for keyword in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")]
        stated = math.prod(sizes) * int(header.get("BitsAllocated") or 16) // 8
    except DAMAGED:
        return 0
    return stated if 0 < stated <= MAX_DECODED_BYTES and max(sizes[:2]) <= MAX_SIDE_PX else 0


def _pixel_value(file: BinaryIO, little: bool, source: str) -> tuple[int, int | None, bytes]:
    """Offset, stated length and VR of the pixel data's value; the file must be positioned at the element's tag."""
    order = "<" if little else ">"
    head = file.read(8)
    if len(head) < 8:
        raise InputError(f"{source}: holds no pixel data; it is cut off or no picture")
    group, element = struct.unpack(order + "HH", head[:4])
    if (group, element) != (_PIXEL_GROUP, _PIXEL_ELEMENT):
        raise InputError(f"{source}: holds no integer pixel data; export it as a picture")
    # Files exist that state explicit VR and hold implicit, and the other way round. The element itself tells: as an
    # implicit length each of these would be odd, which no length is.
    vr = head[4:6] if head[4:6] in _PIXEL_VRS else b""
    if vr:
        (length,) = struct.unpack(order + "I", file.read(4).ljust(4, b"\0"))
    else:
        (length,) = struct.unpack(order + "I", head[4:])
    return file.tell(), None if length == _UNDEFINED_LENGTH else length, vr


def _opened(stream: DicomStream) -> BinaryIO:
    return io.BytesIO(stream.inflated) if stream.inflated is not None else _BoundedReader(stream.path)


def _cause(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__


class _BoundedReader(io.BufferedReader):
    """A file that never allocates memory for missing bytes and reads at most `limit` bytes in all."""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        super().__init__(io.FileIO(path, "rb"))
        self.size = path.stat().st_size
        self._left = limit

    def read(self, size: int | None = -1, /) -> bytes:
        remaining = max(0, self.size - self.tell())
        wanted = remaining if size is None or size < 0 else min(size, remaining)
        if self._left is not None:
            self._left -= wanted
            if self._left < 0:
                raise InputError(f"{Path(self.name).name}: the header is larger than {_MAX_HEADER_BYTES >> 20} MiB")
        return super().read(wanted)
