"""Our VTK reader on the output of VTK's own writers in every encoding, and on damaged files."""

from pathlib import Path

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkIntArray, vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

from calibration.errors import InputError
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_legacy import read_vtk
from engines.anatomy.files.vtk_xml import read_vtp, write_vtp

POINTS = np.array([[0.0, 0, 0], [1, 0.5, 0], [2, 0, 0.25], [3, 0, 0], [0, 5, 0], [0, 0, 5]])


def _vtk_lines(*, polygons: bool = False) -> vtkPolyData:
    data, points, lines = vtkPolyData(), vtkPoints(), vtkCellArray()
    points.SetDataTypeToDouble()
    for point in POINTS:
        points.InsertNextPoint(point)
    for ids in ((0, 1, 2, 3), (2, 4, 5)):
        lines.InsertNextCell(len(ids))
        for i in ids:
            lines.InsertCellPoint(i)
    data.SetPoints(points)
    data.SetLines(lines)
    radius = vtkDoubleArray()
    radius.SetName("radius")
    for value in range(6):
        radius.InsertNextValue(0.5 + value)
    data.GetPointData().AddArray(radius)
    if polygons:
        cells = vtkCellArray()
        for ids in ((0, 1, 4), (0, 1, 2, 5)):
            cells.InsertNextCell(len(ids))
            for i in ids:
                cells.InsertCellPoint(i)
        data.SetPolys(cells)
        return data
    name, parent = vtkStringArray(), vtkIntArray()
    name.SetName("name")
    parent.SetName("parent")
    for text, number in (("LAD ostial", -1), ("D1", 0)):
        name.InsertNextValue(text)
        parent.InsertNextValue(number)
    data.GetCellData().AddArray(name)
    data.GetCellData().AddArray(parent)
    return data


def _check(data: PolyData, *, names: bool = True) -> None:
    np.testing.assert_allclose(data.points, POINTS)
    assert [line.tolist() for line in data.lines] == [[0, 1, 2, 3], [2, 4, 5]]
    np.testing.assert_allclose(data.point_arrays["radius"], 0.5 + np.arange(6))
    if names:
        assert tuple(data.line_arrays["name"]) == ("LAD ostial", "D1")
        assert list(data.line_arrays["parent"]) == [-1, 0]


@pytest.mark.parametrize("mode", ["Ascii", "Binary", "Appended"])
@pytest.mark.parametrize("compressor", ["None", "ZLib"])
@pytest.mark.parametrize("base64", [True, False])
@pytest.mark.parametrize("header", ["UInt32", "UInt64"])
def test_xml_is_read_as_vtk_writes_it(tmp_path: Path, mode: str, compressor: str, base64: bool, header: str) -> None:
    path = tmp_path / "lines.vtp"
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(_vtk_lines())
    writer.SetFileName(str(path))
    getattr(writer, f"SetDataModeTo{mode}")()
    getattr(writer, f"SetCompressorTypeTo{compressor}")()
    getattr(writer, f"SetHeaderTypeTo{header}")()
    writer.SetEncodeAppendedData(base64)
    writer.Write()
    _check(read_vtp(path))


@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("binary", [True, False])
def test_legacy_is_read_as_vtk_writes_it(tmp_path: Path, version: int, binary: bool) -> None:
    path = tmp_path / "lines.vtk"
    data = _vtk_lines()
    if binary:
        data.GetCellData().RemoveArray("name")
    writer = vtkPolyDataWriter()
    writer.SetInputData(data)
    writer.SetFileName(str(path))
    writer.SetFileVersion(version)
    writer.SetFileTypeToBinary() if binary else writer.SetFileTypeToASCII()
    writer.Write()
    _check(read_vtk(path), names=not binary)


def test_polygons_become_triangles(tmp_path: Path) -> None:
    path = tmp_path / "mesh.vtp"
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(_vtk_lines(polygons=True))
    writer.SetFileName(str(path))
    writer.Write()
    assert read_vtp(path).triangles.tolist() == [[0, 1, 4], [0, 1, 2], [0, 2, 5]]


def test_what_we_write_vtk_reads(tmp_path: Path) -> None:
    path = tmp_path / "lines.vtp"
    write_vtp(
        path,
        PolyData(
            points=POINTS,
            lines=(np.array([0, 1, 2, 3]), np.array([2, 4, 5])),
            point_arrays={"radius": 0.5 + np.arange(6)},
            line_arrays={"name": ("LAD ostial", "D1"), "parent": np.array([-1, 0], dtype=np.int32)},
        ),
    )
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    data = reader.GetOutput()
    np.testing.assert_allclose(vtk_to_numpy(data.GetPoints().GetData()), POINTS)
    assert data.GetNumberOfLines() == 2
    assert data.GetCellData().GetAbstractArray("name").GetValue(0) == "LAD ostial"
    assert vtk_to_numpy(data.GetCellData().GetArray("parent")).tolist() == [-1, 0]
    _check(read_vtp(path))


def test_a_surface_of_many_blocks_survives(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = PolyData(points=rng.normal(size=(9000, 3)), triangles=rng.integers(0, 9000, (20000, 3)))
    write_vtp(tmp_path / "big.vtp", data)
    back = read_vtp(tmp_path / "big.vtp")
    np.testing.assert_array_equal(back.points, data.points)
    np.testing.assert_array_equal(back.triangles, data.triangles)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</VTKFile>", "", "no complete VTK XML"),
        ('type="PolyData"', 'type="ImageData"', "expected a VTK PolyData"),
        ('Name="connectivity"', 'Name="elsewhere"', "no lines|damaged|0 values"),
        ("<Points>", "<NoPoints>", "no complete|no points"),
        ("vtkZLibDataCompressor", "vtkLZ4DataCompressor", "zlib"),
        ('type="Float64"', 'type="Float128"', "unknown type"),
        ('header_type="UInt64"', 'header_type="Int9"', "header_type is 'Int9'"),
        ('NumberOfComponents="3"', 'NumberOfComponents="-inf"', "damaged"),
        ('<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>', "document type"),
    ],
)
def test_a_damaged_xml_file_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "lines.vtp"
    write_vtp(path, PolyData(points=POINTS, lines=(np.array([0, 1, 2, 3]),), point_arrays={"radius": np.ones(6)}))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        _refuse_without_lines(read_vtp(path))
    assert "lines.vtp" in str(caught.value)


def _refuse_without_lines(data: PolyData) -> None:
    if not data.lines:
        raise InputError("lines.vtp: no lines")


def _xml(points: str, connectivity: str, offsets: str) -> str:
    return (
        '<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian"><PolyData><Piece NumberOfPoints="2">'
        f'<Points><DataArray type="Float32" NumberOfComponents="3" format="ascii">{points}</DataArray></Points>'
        f'<Lines><DataArray type="Int64" Name="connectivity" format="ascii">{connectivity}</DataArray>'
        f'<DataArray type="Int64" Name="offsets" format="ascii">{offsets}</DataArray></Lines></Piece></PolyData>'
        "</VTKFile>"
    )


@pytest.mark.parametrize(
    ("points", "connectivity", "offsets", "message"),
    [
        ("0 0 0 nan 0 0", "0 1", "2", "NaN"),
        ("0 0 0 1 0 0", "0 7", "2", "names point 7"),
        ("0 0 0 1 0 0", "0 -1", "2", "damaged"),
        ("0 0 0 1 0 0", "0 1", "5", "offsets"),
        ("0 0 0 1 0", "0 1", "2", "cut short"),
        ("0 0 0 one 0 0", "0 1", "2", "damaged"),
    ],
)
def test_impossible_geometry_is_refused(
    tmp_path: Path, points: str, connectivity: str, offsets: str, message: str
) -> None:
    path = tmp_path / "bad.vtp"
    path.write_text(_xml(points, connectivity, offsets))
    with pytest.raises(InputError, match=message):
        read_vtp(path)


def test_a_block_that_inflates_beyond_its_promise_takes_no_memory(tmp_path: Path) -> None:
    import base64
    import zlib

    bomb = zlib.compress(bytes(50_000_000), 9)
    table = np.array([1, 24, 24, len(bomb)], dtype="<u4")
    text = (base64.b64encode(table.tobytes()) + base64.b64encode(bomb)).decode()
    xml = _xml("", "0 1", "2").replace(
        'format="ascii"></DataArray></Points>', f'format="binary">{text}</DataArray></Points>'
    )
    path = tmp_path / "bomb.vtp"
    path.write_text(xml.replace("<VTKFile ", '<VTKFile compressor="vtkZLibDataCompressor" '))
    assert read_vtp(path).points.shape == (2, 3)


def test_absurd_counts_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "bomb.vtk"
    path.write_text("# vtk DataFile Version 2.0\nt\nASCII\nDATASET POLYDATA\nPOINTS 999999999999 float\n0 0 0\n")
    with pytest.raises(InputError, match="promised"):
        read_vtk(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello", "no legacy VTK file"),
        ("# vtk DataFile Version 2.0\nt\nASCII\nDATASET STRUCTURED_POINTS\n", "STRUCTURED_POINTS"),
        ("# vtk DataFile Version 2.0\nt\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 1 1\n", "5 found"),
        ("# vtk DataFile Version 2.0\nt\nASCII\nDATASET POLYDATA\nPOINTS 2 float\n0 0 0 1 1 1\nLINES 1 9\n2 0 1\n",
         "promised"),
        ("# vtk DataFile Version 2.0\nt\nASCII\nDATASET POLYDATA\nPOINTS 2 float\n0 0 0 1 1 1\nLINES 1 3\n2 0 5\n",
         "names point 5"),
        ("# vtk DataFile Version 2.0", "damaged"),
    ],
)  # fmt: skip
def test_a_damaged_legacy_file_is_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.vtk"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_vtk(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for reader, name in ((read_vtp, "none.vtp"), (read_vtk, "none.vtk")):
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            reader(tmp_path / name)


@pytest.mark.parametrize("title", [b"vtk output", b"SPACE=RAS", b""])
def test_a_title_padded_with_zero_bytes_is_read_like_one_without(tmp_path: Path, title: bytes) -> None:
    body = b"\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 0 0 10 0 0 20\nLINES 1 4\n3 0 1 2\n"
    found = []
    for name, padding in (("plain", b""), ("padded", b"\0" * (256 - len(title)))):
        path = tmp_path / f"{name}.vtk"
        path.write_bytes(b"# vtk DataFile Version 3.0\n" + title + padding + body)
        found.append(read_vtk(path).points)
    np.testing.assert_array_equal(found[0], found[1])
