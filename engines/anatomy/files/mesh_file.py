"""Plain triangle formats: STL (binary, ASCII), OBJ, PLY (ASCII, binary little endian)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.files.poly_data import MAX_FILE_BYTES, MAX_POINTS, PolyData, checked, fan_triangles

_STL_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_STL_TITLE_BYTES = 4096  # within which a text file says "solid", after blank lines
_MAX_REMARKS = 200
_PLY_DTYPES = {"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
               "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4",
               "float32": "f4", "double": "f8", "float64": "f8"}  # fmt: skip


def read_stl(path: Path) -> PolyData:
    """Read triangles and merge equal corners, so that neighbours share vertices."""
    content = _content(path)
    # Binary files may also begin with "solid"; only the size tells them from ASCII files.
    count = int(np.frombuffer(content[80:84], "<u4")[0]) if len(content) >= 84 else -1
    whole = 84 + count * _STL_RECORD.itemsize
    text = content[:_STL_TITLE_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()[:5].lower() == b"solid"
    if count >= 0 and (len(content) == whole or (len(content) > whole > 84 and not text)):  # archives pad the end
        corners = np.frombuffer(content, _STL_RECORD, count=count, offset=84)["corners"].reshape(-1, 3)
        remarks = (content[:80].decode("latin-1"),)
    elif text:
        titles = re.findall(rb"(?im)^\W*(?:end)?solid\b([^\r\n]*)", content[:_STL_TITLE_BYTES] + b"\n" + content[-400:])
        remarks = tuple(title.decode("latin-1") for title in titles)
        words = content.lower().split()
        at = np.flatnonzero(np.array(words, dtype=object) == b"vertex")
        try:
            corners = np.array([words[i + 1 : i + 4] for i in at], dtype=np.float64).reshape(-1, 3)
        except ValueError as error:
            raise InputError(f"{path}: a vertex of the ASCII STL lacks three numbers; export it again") from error
        if len(corners) % 3 or b"endsolid" not in content[-400:].lower():
            raise InputError(f"{path}: the ASCII STL is cut short ({len(corners)} corners); export it again")
    else:
        expected = 84 + max(count, 0) * _STL_RECORD.itemsize
        raise InputError(
            f"{path}: is no complete STL: its header promises {max(count, 0)} triangles ({expected} bytes), "
            f"the file has {len(content)} bytes; export it again"
        )
    return replace(_merged(corners.astype(np.float64), str(path)), remarks=remarks)


def read_obj(path: Path) -> PolyData:
    """Vertices and faces; textures, normals and groups are ignored."""
    points: list[list[bytes]] = []
    faces: list[list[int]] = []
    remarks: list[str] = []
    try:
        for line in _content(path).splitlines():
            words = line.split()
            if line.lstrip()[:1] == b"#" and len(remarks) < _MAX_REMARKS:
                remarks.append(line.decode("latin-1"))
            elif words[:1] == [b"v"]:
                points.append(words[1:4])
            elif words[:1] == [b"f"]:
                numbers = [int(word.split(b"/")[0]) for word in words[1:]]
                # Negative numbers count backwards from the latest vertex.
                faces.append([number - 1 if number > 0 else len(points) + number for number in numbers])
        vertices = np.array(points, dtype=np.float64).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"{path}: the OBJ file is damaged ({error}); export it again") from error
    return checked(PolyData(points=vertices, triangles=_fans(faces, path), remarks=tuple(remarks)), str(path))


def read_ply(path: Path) -> PolyData:
    content = _content(path)
    end = content.find(b"end_header")
    if not content.startswith(b"ply") or end < 0:
        raise InputError(f"{path}: is no PLY file (no ply header); export it again")
    body = content[content.index(b"\n", end) + 1 :]
    header = [line.split() for line in content[:end].decode("ascii", "replace").splitlines()]
    form = next((words[1] for words in header if words[:1] == ["format"]), "")
    elements: list[tuple[str, int, list[list[str]]]] = []
    try:
        for words in header:
            if words[:1] == ["element"]:
                elements.append((words[1], int(words[2]), []))
            elif words[:1] == ["property"]:
                elements[-1][2].append(words[1:])
        if [name for name, _, _ in elements[:2]] != ["vertex", "face"] or elements[0][1] > MAX_POINTS:
            raise ValueError("expected the elements vertex, then face")
        if form == "ascii":
            points, faces = _ply_ascii(body, elements)
        elif form == "binary_little_endian":
            points, faces = _ply_binary(body, elements)
        else:
            raise ValueError(f"format {form} is not read")
    except (ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path}: the PLY file cannot be read ({error}); export it as STL or VTP") from error
    remarks = tuple(" ".join(words[1:]) for words in header if words[:1] in (["comment"], ["obj_info"]))
    return checked(PolyData(points=points, triangles=_fans(faces, path), remarks=remarks), str(path))


def _ply_ascii(
    body: bytes, elements: list[tuple[str, int, list[list[str]]]]
) -> tuple[Float[np.ndarray, "n 3"], list[list[int]]]:
    lines = body.split(b"\n")
    count, columns = elements[0][1], [words[-1] for words in elements[0][2]]
    places = [columns.index(axis) for axis in "xyz"]
    points = np.array([[line.split()[place] for place in places] for line in lines[:count]], dtype=np.float64)
    faces = [[int(word) for word in line.split()] for line in lines[count : count + elements[1][1]]]
    return points.reshape(-1, 3), [face[1 : 1 + face[0]] for face in faces]


def _ply_binary(
    body: bytes, elements: list[tuple[str, int, list[list[str]]]]
) -> tuple[Float[np.ndarray, "n 3"], list[list[int]]]:
    vertex = np.dtype([(words[-1], "<" + _PLY_DTYPES[words[0]]) for words in elements[0][2]])
    values = np.frombuffer(body, vertex, count=elements[0][1])
    points = np.column_stack([values[axis].astype(np.float64) for axis in "xyz"])
    properties = elements[1][2]
    if len(properties) != 1 or properties[0][0] != "list":
        raise ValueError("faces carry more than their corners")
    kinds = ["<" + _PLY_DTYPES[kind] for kind in properties[0][1:3]]
    triangle = np.dtype([("count", kinds[0]), ("corners", kinds[1], 3)])
    faces = np.frombuffer(body, triangle, count=elements[1][1], offset=values.nbytes)
    if (faces["count"] != 3).any():
        raise ValueError("binary faces with more than three corners")
    return points, faces["corners"].astype(np.int64).tolist()


def _fans(faces: list[list[int]], path: Path) -> np.ndarray:
    try:
        flat = np.array([corner for face in faces for corner in face], dtype=np.int64)
    except OverflowError as error:
        raise InputError(f"{path}: a face names a corner beyond all points; export it again") from error
    return fan_triangles(flat, np.cumsum([len(face) for face in faces], dtype=np.int64), str(path))


def _merged(corners: Float[np.ndarray, "n 3"], where: str) -> PolyData:
    if len(corners) == 0:
        raise InputError(f"{where}: has no triangles; export the surface again")
    if len(corners) > 3 * MAX_POINTS:
        raise InputError(f"{where}: has {len(corners) // 3} triangles; reduce the surface below {MAX_POINTS}")
    vertices, inverse = np.unique(corners, axis=0, return_inverse=True)
    triangles = inverse.reshape(-1, 3)
    distinct = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)
    return checked(PolyData(points=vertices, triangles=triangles[distinct].astype(np.int64)), where)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e9:.1f} GB; at most {MAX_FILE_BYTES / 1e9:.1f} GB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
