"""VTK legacy files (.vtk): POLYDATA and UNSTRUCTURED_GRID with lines and triangles, ASCII or binary.

Layout: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html, "Simple Legacy Formats".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.poly_data import MAX_FILE_BYTES, MAX_POINTS, PolyData, checked, fan_triangles, split_cells

_DTYPES = {"char": "i1", "unsigned_char": "u1", "short": "i2", "unsigned_short": "u2", "int": "i4",
           "unsigned_int": "u4", "long": "i8", "unsigned_long": "u8", "vtktypeint64": "i8", "vtkidtype": "i8",
           "float": "f4", "double": "f8"}  # fmt: skip
_LINE_CELLS = (3, 4)  # VTK_LINE, VTK_POLY_LINE
_POLYGON_CELLS = (5, 7, 9)  # VTK_TRIANGLE, VTK_POLYGON, VTK_QUAD
_MAX_VALUES = MAX_POINTS * 4


def read_vtk(path: Path) -> PolyData:
    """Read points, lines, polygons and arrays of a legacy .vtk file.

    Raises:
        InputError: the file is unreadable, damaged, too large, or holds another data set type.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not content.startswith(b"# vtk DataFile"):
        raise InputError(f"{path}: is no legacy VTK file (it does not begin with '# vtk DataFile'); export it again")
    try:
        return checked(_LegacyReader(content, str(path)).read(), str(path))
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise InputError(f"{path}: the VTK file is damaged or cut short ({error}); export it again") from error


class _LegacyReader:
    """Reads one file, keyword by keyword."""

    def __init__(self, content: bytes, where: str) -> None:
        self.content, self.where = content, where
        title = content.index(b"\n") + 1
        self.at = content.index(b"\n", title) + 1  # after the title, which is free text
        self.remarks = [content[title : self.at].decode("latin-1").strip()]
        self.binary = self._word().upper() == "BINARY"
        self.points = np.zeros((0, 3))
        self.groups: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.cell_types = np.zeros(0, dtype=np.int64)
        self.point_arrays: dict[str, np.ndarray | tuple[str, ...]] = {}
        self.cell_arrays: dict[str, np.ndarray | tuple[str, ...]] = {}
        self.field_arrays: dict[str, np.ndarray | tuple[str, ...]] = {}

    def read(self) -> PolyData:
        arrays, count = self.field_arrays, 0  # of the whole data set, until POINT_DATA or CELL_DATA
        while word := self._word().upper():
            if word == "DATASET":
                if (kind := self._word().upper()) not in ("POLYDATA", "UNSTRUCTURED_GRID"):
                    raise InputError(f"{self.where}: holds {kind}, expected POLYDATA or UNSTRUCTURED_GRID")
            elif word == "POINTS":
                points = self._count()
                self.points = self._values(3 * points, self._word()).reshape(-1, 3).astype(np.float64)
            elif word in ("VERTICES", "LINES", "POLYGONS", "CELLS"):
                self.groups[word] = self._cells(self._count(), self._count())
            elif word == "CELL_TYPES":
                self.cell_types = self._values(self._count(), "int")
            elif word == "TRIANGLE_STRIPS":
                raise InputError(f"{self.where}: holds triangle strips; save it as triangles")
            elif word in ("POINT_DATA", "CELL_DATA"):
                arrays, count = (self.point_arrays if word == "POINT_DATA" else self.cell_arrays), self._count()
            else:
                self._attribute(word, arrays, count)
        return self._poly_data()

    def _attribute(self, word: str, arrays: dict[str, np.ndarray | tuple[str, ...]], count: int) -> None:
        if word == "SCALARS":
            name, kind = self._word(), self._word()
            components = 1
            if (following := self._word()).isdigit():
                components, following = int(following), self._word()
            if following.upper() == "LOOKUP_TABLE":
                self._word()
            arrays[name] = _shaped(self._values(count * components, kind), components)
        elif word in ("NORMALS", "VECTORS"):
            name, kind = self._word(), self._word()
            arrays[name] = self._values(3 * count, kind).reshape(-1, 3)
        elif word == "FIELD":
            self._word()
            for _ in range(self._count()):
                name = self._word()
                if name.upper() == "METADATA":
                    self._skip_metadata()
                    name = self._word()
                components, tuples, kind = self._count(), self._count(), self._word()
                if kind == "string":
                    arrays[name] = self._strings(components * tuples)
                else:
                    arrays[name] = _shaped(self._values(components * tuples, kind), components)
        elif word == "METADATA":
            self._skip_metadata()
        else:
            raise InputError(f"{self.where}: has the section {word}, which is not read; save it as .vtp")

    def _skip_metadata(self) -> None:
        end = self.content.find(b"\n\n", self.at)
        self.at = len(self.content) if end < 0 else end

    def _poly_data(self) -> PolyData:
        remarks = [
            f"{name}={values[0]}" for name, values in self.field_arrays.items() if isinstance(values, tuple) and values
        ]
        if "CELLS" in self.groups:
            cells = split_cells(*self.groups["CELLS"], self.where)
            if len(cells) != len(self.cell_types):
                raise InputError(
                    f"{self.where}: {len(cells)} cells but {len(self.cell_types)} cell types; export again"
                )
            is_line = np.isin(self.cell_types, _LINE_CELLS)
            lines = tuple(cell for cell, keep in zip(cells, is_line, strict=True) if keep)
            polygons = [c for c, kind in zip(cells, self.cell_types, strict=True) if kind in _POLYGON_CELLS]
            flat = np.concatenate([np.zeros(0, dtype=np.int64), *polygons])
            triangles = fan_triangles(flat, np.cumsum([len(cell) for cell in polygons]), self.where)
            rows = np.flatnonzero(is_line)
        else:
            lines = split_cells(*self.groups["LINES"], self.where) if "LINES" in self.groups else ()
            none = np.zeros((0, 3), dtype=np.int64)
            triangles = fan_triangles(*self.groups["POLYGONS"], self.where) if "POLYGONS" in self.groups else none
            first = len(self.groups["VERTICES"][1]) if "VERTICES" in self.groups else 0
            rows = np.arange(first, first + len(lines))
        return PolyData(
            points=self.points,
            lines=lines,
            triangles=triangles,
            point_arrays={name: values for name, values in self.point_arrays.items() if isinstance(values, np.ndarray)},
            line_arrays={
                name: values[rows] if isinstance(values, np.ndarray) else tuple(values[row] for row in rows)
                for name, values in self.cell_arrays.items()
            },
            remarks=(*self.remarks, *remarks),
        )

    def _cells(self, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Connectivity and end offsets; before version 5, files store each cell's size in front of its points."""
        mark = self.at
        if self._word().upper() == "OFFSETS":
            offsets = self._values(count, self._word())
            self._word()  # CONNECTIVITY
            return self._values(size, self._word()), offsets[1:]
        self.at = mark
        flat = self._values(size, "int").astype(np.int64)
        starts, at = np.zeros(count, dtype=np.int64), 0
        for cell in range(count):
            starts[cell] = at
            if flat[at] < 0:
                raise ValueError(f"cell {cell} has {flat[at]} points")
            at += int(flat[at]) + 1
        if at != size:
            raise ValueError(f"cells take {at} numbers, {size} promised")
        return np.delete(flat, starts), np.cumsum(flat[starts])

    def _values(self, count: int, kind: str) -> np.ndarray:
        if not 0 <= count <= _MAX_VALUES:
            raise ValueError(f"{count} values promised, at most {_MAX_VALUES} are read")
        dtype = np.dtype(_DTYPES[kind.lower()])
        if not self.binary:
            return self._ascii(count, dtype)
        start = self.content.index(b"\n", self.at - 1) + 1 if count else self.at
        values = np.frombuffer(self.content, dtype=dtype.newbyteorder(">"), count=count, offset=start)
        self.at = start + values.nbytes
        return values.astype(dtype)

    def _ascii(self, count: int, dtype: np.dtype) -> np.ndarray:
        # Read numbers up to the first keyword, which begins with a letter (other than the e, n, i of 1e5, nan, inf).
        tokens: list[bytes] = []
        at = self.at
        while len(tokens) < count:
            end = self.content.find(b"\n", at)
            end = len(self.content) if end < 0 else end
            tokens += self.content[at:end].split()
            if end == len(self.content) and len(tokens) < count:
                raise ValueError(f"{count} values promised, {len(tokens)} found")
            at = end + 1
        if len(tokens) > count:
            raise ValueError(f"{count} values promised, {len(tokens)} found before the line's end")
        self.at = at
        return np.array(tokens, dtype=dtype) if count else np.zeros(0, dtype=dtype)

    def _strings(self, count: int) -> tuple[str, ...]:
        if self.binary:
            return tuple(self._binary_string() for _ in range(count))
        if count > MAX_POINTS:
            raise ValueError(f"{count} texts promised")
        texts = []
        for _ in range(count):
            end = self.content.index(b"\n", self.at)
            texts.append(self.content[self.at : end].decode("utf-8", "replace").replace("%20", " ").strip())
            self.at = end + 1
        return tuple(texts)

    def _binary_string(self) -> str:
        """Its length stands before it, in 1, 2, 4 or 8 bytes as the first two bits say (vtkDataWriter)."""
        size = {3: 1, 2: 2, 1: 4, 0: 8}[self.content[self.at] >> 6]
        length = int.from_bytes(self.content[self.at : self.at + size], "big") & ((1 << (8 * size - 2)) - 1)
        start = self.at + size
        if start + length > len(self.content):
            raise ValueError(f"a text of {length} bytes promised")
        self.at = start + length
        return self.content[start : self.at].decode("utf-8", "replace")

    def _count(self) -> int:
        count = int(self._word())
        if not 0 <= count <= _MAX_VALUES:
            raise ValueError(f"{count} items promised")
        return count

    def _word(self) -> str:
        while self.at < len(self.content) and self.content[self.at : self.at + 1].isspace():
            self.at += 1
        start = self.at
        while self.at < len(self.content) and not self.content[self.at : self.at + 1].isspace():
            self.at += 1
        word = self.content[start : self.at].decode("ascii")
        self.at += 1
        return word


def _shaped(values: np.ndarray, components: int) -> np.ndarray:
    return values if components == 1 else values.reshape(-1, components)
