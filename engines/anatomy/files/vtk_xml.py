"""VTK XML PolyData (.vtp): reads every encoding, plain or zlib-compressed, and writes compressed files.

The reader uses numpy alone, because VTK's own reader aborts the whole process when a size in the file is damaged.
Layout: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.anatomy.files.poly_data import MAX_FILE_BYTES, MAX_POINTS, PolyData, checked, fan_triangles, split_cells

_DTYPES = {"Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4", "Int64": "i8",
           "UInt64": "u8", "Float32": "f4", "Float64": "f8", "String": "u1"}  # fmt: skip
_ZLIB = "vtkZLibDataCompressor"
_BLOCK_BYTES = 32768  # VTK's own default
_MAX_ARRAY_BYTES = MAX_POINTS * 3 * 8


def read_vtp(path: Path) -> PolyData:
    """Read the geometry and arrays of a .vtp file.

    Raises:
        InputError: the file is unreadable, damaged, too large, or of another type.
    """
    path = Path(path)
    root, appended = _parse(path)
    if root.tag != "VTKFile" or root.get("type") != "PolyData":
        raise InputError(
            f"{path}: expected a VTK PolyData file, found {root.tag} of type {root.get('type')}; save it as .vtp"
        )
    pieces = root.findall("./PolyData/Piece")
    if len(pieces) != 1:
        raise InputError(f"{path}: expected one piece of geometry, found {len(pieces)}; merge it and save it as .vtp")
    reader = _ArrayReader(path, root, appended)
    data = checked(_piece(pieces[0], reader, str(path)), str(path))
    return replace(data, remarks=_remarks(root, reader))


def write_vtp(path: Path, data: PolyData) -> None:
    """Write zlib-compressed .vtp that VTK, ParaView and 3D Slicer read; `KEY=TEXT` remarks become field data."""
    path = Path(path)
    root = ElementTree.Element(
        "VTKFile", type="PolyData", version="1.0", byte_order="LittleEndian", header_type="UInt64", compressor=_ZLIB
    )
    content = ElementTree.SubElement(root, "PolyData")
    said = [remark.partition("=") for remark in data.remarks if "=" in remark]
    if said:
        fields = ElementTree.SubElement(content, "FieldData")
        for key, _, text_ in said:
            _add_array(fields, key, (text_,))
    piece = ElementTree.SubElement(
        content,
        "Piece",
        NumberOfPoints=str(len(data.points)),
        NumberOfVerts="0",
        NumberOfLines=str(len(data.lines)),
        NumberOfStrips="0",
        NumberOfPolys=str(len(data.triangles)),
    )
    section = ElementTree.SubElement(piece, "PointData")
    for name, values in data.point_arrays.items():
        _add_array(section, name, values)
    section = ElementTree.SubElement(piece, "CellData")
    # VTK wants one value per cell, lines before polygons, so a file with both gets no line arrays.
    for name, values in data.line_arrays.items() if not len(data.triangles) else ():
        _add_array(section, name, values)
    _add_array(ElementTree.SubElement(piece, "Points"), "Points", np.asarray(data.points, dtype=np.float64))
    section = ElementTree.SubElement(piece, "Lines")
    _add_array(section, "connectivity", np.concatenate([np.zeros(0, np.int64), *data.lines]).astype(np.int64))
    _add_array(section, "offsets", np.cumsum([len(line) for line in data.lines]).astype(np.int64))
    section = ElementTree.SubElement(piece, "Polys")
    _add_array(section, "connectivity", data.triangles.ravel().astype(np.int64))
    _add_array(section, "offsets", np.arange(3, 3 * len(data.triangles) + 1, 3, dtype=np.int64))
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=False)

    def write(beside: Path) -> None:
        beside.write_text('<?xml version="1.0"?>\n' + text + "\n", encoding="utf-8")

    write_atomically(path, write)


def _parse(path: Path) -> tuple[ElementTree.Element, bytes]:
    """The XML, and the bytes after the underscore of AppendedData (raw data would break an XML parser)."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if b"<!DOCTYPE" in content[:4096] or b"<!ENTITY" in content[:4096]:
        raise InputError(f"{path}: has an XML document type, which no VTK file needs; export it again")
    appended = b""
    opening = re.search(rb"<AppendedData[^>]*>\s*_", content)
    if opening:
        closing = content.rfind(b"</AppendedData>")
        appended = content[opening.end() : closing]
        content = content[: opening.end() - 1] + content[closing:]
    try:
        return ElementTree.fromstring(content), appended
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: is no complete VTK XML file ({error}); export it again") from error


class _ArrayReader:
    """Decodes the DataArray elements of one file."""

    def __init__(self, path: Path, root: ElementTree.Element, appended: bytes) -> None:
        self.path = path
        self.order = ">" if root.get("byte_order") == "BigEndian" else "<"
        header = root.get("header_type", "UInt32")
        if header not in ("UInt32", "UInt64"):
            raise InputError(f"{path}: header_type is {header!r}, expected UInt32 or UInt64; export the file again")
        self.header = np.dtype(self.order + _DTYPES[header])
        self.compressed = root.get("compressor") is not None
        if self.compressed and root.get("compressor") != _ZLIB:
            raise InputError(f"{path}: compressed with {root.get('compressor')}; save it with zlib or uncompressed")
        element = root.find("AppendedData")
        self.appended_is_base64 = element is not None and element.get("encoding") == "base64"
        self.appended = appended

    def read(self, element: ElementTree.Element) -> np.ndarray | tuple[str, ...]:
        name = element.get("Name", "?")
        kind = element.get("type", "")
        if kind not in _DTYPES:
            raise InputError(f"{self.path}: array {name} has the unknown type {kind!r}; export the file again")
        dtype = np.dtype(self.order + _DTYPES[kind])
        try:
            values = self._values(element, dtype)
            components = int(element.get("NumberOfComponents", "1") or 1)
        except (ValueError, binascii.Error, zlib.error, IndexError, OverflowError) as error:
            raise InputError(f"{self.path}: array {name} is damaged ({error}); export the file again") from error
        if kind == "String":
            return tuple(part.decode("utf-8", "replace") for part in values.tobytes().split(b"\0")[:-1])
        if components > 1:
            if len(values) % components:
                raise InputError(f"{self.path}: array {name} is cut short; export the file again")
            values = values.reshape(-1, components)
        return values.astype(dtype.newbyteorder("="))

    def _values(self, element: ElementTree.Element, dtype: np.dtype) -> np.ndarray:
        form = element.get("format", "ascii")
        if form == "ascii":
            text = (element.text or "").split()
            # numpy parses the text in the array's own type: a detour through float would corrupt 64-bit indices.
            return np.array(text, dtype=dtype) if text else np.zeros(0, dtype=dtype)
        if form == "binary":
            return np.frombuffer(self._decode("".join((element.text or "").split()).encode(), True), dtype=dtype)
        start = int(element.get("offset", "0"))
        if not 0 <= start <= len(self.appended):
            raise ValueError(f"offset {start} lies outside the file")
        return np.frombuffer(self._decode(self.appended[start:], self.appended_is_base64), dtype=dtype)

    def _decode(self, raw: bytes, is_base64: bool) -> bytes:
        if not raw:
            return b""
        size = self.header.itemsize
        if not self.compressed:
            count = int(np.frombuffer(_take(raw, 0, size, is_base64), self.header)[0])
            _check_size(count)
            # Without compression, header and data form one base64 stream.
            return _take(raw, 0, size + count, is_base64)[size:]
        block_count = int(np.frombuffer(_take(raw, 0, size, is_base64), self.header)[0])
        if block_count == 0:
            return b""
        _check_size(block_count * size)
        table_bytes = size * (3 + block_count)
        table = np.frombuffer(_take(raw, 0, table_bytes, is_base64), self.header).astype(np.int64)
        start = 4 * -(-table_bytes // 3) if is_base64 else table_bytes
        _check_size(int(table[1]) * block_count)
        blocks = _take(raw[start:], 0, int(table[3:].sum()), is_base64)
        out, at = [], 0
        for packed in table[3:]:
            # max_length stops a zip bomb at the size that the table promises.
            out.append(zlib.decompressobj().decompress(blocks[at : at + int(packed)], int(table[1])))
            at += int(packed)
        return b"".join(out)


def _take(raw: bytes, start: int, count: int, is_base64: bool) -> bytes:
    if is_base64:
        decoded = base64.b64decode(raw[: 4 * -(-(start + count) // 3)])[start : start + count]
    else:
        decoded = raw[start : start + count]
    if len(decoded) < count:
        raise ValueError(f"{count} bytes promised, {len(decoded)} found")
    return decoded


def _check_size(count: int) -> None:
    if not 0 <= count <= _MAX_ARRAY_BYTES:
        raise ValueError(f"{count} bytes promised, at most {_MAX_ARRAY_BYTES} are read")


def _piece(piece: ElementTree.Element, reader: _ArrayReader, where: str) -> PolyData:
    def arrays(tag: str) -> dict[str, np.ndarray | tuple[str, ...]]:
        return {
            element.get("Name", ""): reader.read(element)
            for element in piece.findall(f"./{tag}/*")
            if element.tag in ("DataArray", "Array")
        }

    points = next(iter(arrays("Points").values()), None)
    if not isinstance(points, np.ndarray) or points.size == 0:
        raise InputError(f"{where}: has no points; choose a file with a surface or centerlines")
    if _cells(arrays("Strips")) is not None:
        raise InputError(f"{where}: holds triangle strips; save it as triangles")
    verts, line_cells, polygons = (_cells(arrays(tag)) for tag in ("Verts", "Lines", "Polys"))
    lines = split_cells(*line_cells, where) if line_cells else ()
    # VTK numbers the cells in the order vertices, lines, polygons.
    first = len(verts[1]) if verts else 0
    return PolyData(
        points=points.astype(np.float64),
        lines=lines,
        triangles=fan_triangles(*polygons, where) if polygons else np.zeros((0, 3), dtype=np.int64),
        point_arrays={name: values for name, values in arrays("PointData").items() if isinstance(values, np.ndarray)},
        line_arrays={name: values[first : first + len(lines)] for name, values in arrays("CellData").items()},
    )


def _remarks(root: ElementTree.Element, reader: _ArrayReader) -> tuple[str, ...]:
    """Texts of the field data: 3D Slicer keeps SPACE there."""
    found = []
    for element in root.findall("./PolyData/FieldData/*"):
        if element.get("type") == "String":
            values = reader.read(element)
            found += [f"{element.get('Name')}={value}" for value in values[:1] if isinstance(value, str)]
    return tuple(found)


def _cells(arrays: dict[str, np.ndarray | tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray] | None:
    connectivity, offsets = arrays.get("connectivity"), arrays.get("offsets")
    if not isinstance(connectivity, np.ndarray) or not isinstance(offsets, np.ndarray) or not offsets.size:
        return None
    return connectivity.ravel(), offsets.ravel()


def _add_array(section: ElementTree.Element, name: str, values: np.ndarray | Sequence[str]) -> None:
    if isinstance(values, np.ndarray):
        kind = {code: kind for kind, code in _DTYPES.items() if kind != "String"}[values.dtype.str[1:]]
        raw = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
        element = ElementTree.SubElement(section, "DataArray", type=kind, Name=name, format="binary")
        if values.ndim == 2:
            element.set("NumberOfComponents", str(values.shape[1]))
    else:
        raw = b"".join(text.encode("utf-8") + b"\0" for text in values)
        element = ElementTree.SubElement(
            section, "Array", type="String", Name=name, format="binary", NumberOfTuples=str(len(values))
        )
    blocks = [raw[at : at + _BLOCK_BYTES] for at in range(0, len(raw), _BLOCK_BYTES)]
    packed = [zlib.compress(block) for block in blocks]
    last = len(raw) % _BLOCK_BYTES
    table = np.array([len(blocks), _BLOCK_BYTES, last, *(len(block) for block in packed)], dtype="<u8")
    if not blocks:
        table = table[:1]
    element.text = (base64.b64encode(table.tobytes()) + base64.b64encode(b"".join(packed))).decode()
