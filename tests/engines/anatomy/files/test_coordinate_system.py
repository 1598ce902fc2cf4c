import json
from pathlib import Path

import numpy as np
import pytest
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkIOGeometry import vtkSTLWriter
from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
from vtkmodules.vtkIOPLY import vtkPLYWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from calibration.errors import InputError
from engines.anatomy.files.centerline_file import load_centerlines, read_centerlines, save_centerlines
from engines.anatomy.files.coordinate_system import Declared
from engines.anatomy.files.surface_file import load_surface, read_surface, save_surface
from engines.anatomy.vessel_model import SurfaceMesh
from tests.engines.anatomy.shapes import tube_surface

SHIFT = np.array([20.0, -14.0, 7.0])
TURN = np.array([-1.0, -1.0, 1.0])


def _tube() -> SurfaceMesh:
    tube = tube_surface(3.0, 40.0)
    return SurfaceMesh(vertices_mm=tube.vertices_mm + SHIFT, triangles=tube.triangles)


def _poly_data(points: np.ndarray, triangles: np.ndarray, space: str = "") -> vtkPolyData:
    data, vertices, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    vertices.SetData(numpy_to_vtk(points, deep=1))
    for triangle in triangles:
        cells.InsertNextCell(3, [int(i) for i in triangle])
    data.SetPoints(vertices)
    data.SetPolys(cells)
    if space:
        text = vtkStringArray()
        text.SetName("SPACE")
        text.InsertNextValue(space)
        data.GetFieldData().AddArray(text)
    return data


def _write(path: Path, form: str, said: str, points: np.ndarray, triangles: np.ndarray) -> Path:
    """The mesh with `said` where this form keeps what it says of itself."""
    if form == "obj":
        lines = [f"# 3D Slicer output. {said}", *("v {:.6f} {:.6f} {:.6f}".format(*p) for p in points)]
        path.write_text("\n".join([*lines, *("f {} {} {}".format(*(t + 1)) for t in triangles), ""]))
        return path
    field = said.partition("=")[2] if "field" in form else ""
    writer = {"stl": vtkSTLWriter, "ply": vtkPLYWriter, "vtk": vtkPolyDataWriter, "vtp": vtkXMLPolyDataWriter}[
        path.suffix[1:]
    ]()
    if path.suffix == ".ply":
        writer.AddComment(said)
    elif form in ("stl", "vtk"):
        writer.SetHeader(f"3D Slicer output. {said}")
    if "binary" in form:
        writer.SetFileTypeToBinary()
    writer.SetFileName(str(path))
    writer.SetInputData(_poly_data(points, triangles, field))
    writer.Write()
    if form == "stl binary":
        content = path.read_bytes()
        path.write_bytes(said.encode().ljust(80) + content[80:])
    return path


FORMS = [("stl", "s.stl"), ("stl binary", "s.stl"), ("obj", "s.obj"), ("ply", "s.ply"), ("vtk", "s.vtk"),
         ("vtk field", "s.vtk"), ("vtk field binary", "s.vtk"), ("vtp field", "s.vtp")]  # fmt: skip


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_a_surface_that_says_ras_is_turned_and_one_that_says_lps_is_not(tmp_path: Path, form: str, name: str) -> None:
    tube = _tube()
    for system, turn in (("RAS", TURN), ("LPS", 1.0)):
        path = _write(tmp_path / name, form, f"SPACE={system}", tube.vertices_mm * turn, tube.triangles)
        found = read_surface(path)
        assert found.declared.system == system
        np.testing.assert_allclose(found.surface.vertices_mm.mean(axis=0), SHIFT, atol=0.3)


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_another_system_is_refused_by_name(tmp_path: Path, form: str, name: str) -> None:
    tube = _tube()
    with pytest.raises(InputError, match="coordinate system is MNI, expected LPS or RAS"):
        load_surface(_write(tmp_path / name, form, "SPACE=MNI", tube.vertices_mm, tube.triangles))


def test_a_stated_unit_is_obeyed_and_an_unknown_one_refused(tmp_path: Path) -> None:
    tube = _tube()
    path = _write(tmp_path / "s.obj", "obj", "SPACE=RAS UNIT=cm", tube.vertices_mm * TURN / 10, tube.triangles)
    np.testing.assert_allclose(load_surface(path).vertices_mm.mean(axis=0), SHIFT, atol=0.3)
    with pytest.raises(InputError, match="unit is inch"):
        load_surface(_write(path, "obj", "units: inch", tube.vertices_mm, tube.triangles))
    with pytest.raises(InputError, match="in LPS and in RAS"):
        load_surface(_write(path, "obj", "SPACE=RAS coordinate system: LPS", tube.vertices_mm, tube.triangles))


def test_comments_about_something_else_declare_nothing(tmp_path: Path) -> None:
    tube = _tube()
    for said in ("color space=sRGB", "units: none", "workspace=Untitled", "Blender 4.1"):
        found = read_surface(_write(tmp_path / "s.obj", "obj", said, tube.vertices_mm, tube.triangles))
        assert found.declared == Declared()


def test_what_this_program_writes_says_that_it_is_lps_and_a_silent_file_says_nothing(tmp_path: Path) -> None:
    for name in ("s.vtp", "s.stl"):
        save_surface(tmp_path / name, _tube())
        assert read_surface(tmp_path / name).declared.system == "LPS"
    (tmp_path / "c.csv").write_text("0,0,0\n0,0,30\n")
    found = read_centerlines(tmp_path / "c.csv")
    assert found.declared.system == ""
    save_centerlines(tmp_path / "c.vtp", found.tree)
    assert read_centerlines(tmp_path / "c.vtp").declared.system == "LPS"


def test_text_stl_may_begin_with_blanks_and_be_in_capitals(tmp_path: Path) -> None:
    facet = "FACET NORMAL 0 0 1\n OUTER LOOP\n VERTEX 0 0 0\n VERTEX 3.0E+1 0 0\n VERTEX 0 30 5\n ENDLOOP\nENDFACET\n"
    for before in ("  ", "\n\n\t", "\ufeff"):
        (tmp_path / "s.stl").write_text(f"{before}SOLID Slicer SPACE=RAS\n{facet}ENDSOLID\n", encoding="utf-8")
        surface = load_surface(tmp_path / "s.stl")
        assert len(surface.triangles) == 1
        assert surface.vertices_mm.min(axis=0).tolist() == [-30, -30, 0]


def test_bytes_behind_a_binary_stl_are_padding(tmp_path: Path) -> None:
    save_surface(tmp_path / "s.stl", _tube())
    whole = load_surface(tmp_path / "s.stl")
    (tmp_path / "s.stl").write_bytes((tmp_path / "s.stl").read_bytes() + b"\0")
    np.testing.assert_array_equal(load_surface(tmp_path / "s.stl").vertices_mm, whole.vertices_mm)


# --- centerlines ---

LINE = np.column_stack(
    [20 + 12 * np.linspace(0, 1, 60) ** 2, -14 + 6 * np.linspace(0, 1, 60), np.linspace(-18, 18, 60)]
)
RADIUS = np.linspace(5, 3, 60)


def _table(
    path: Path, head: list[str], points: np.ndarray, radius: np.ndarray, mark: str = ",", label: str = ""
) -> Path:
    rows = [
        mark.join([*([f"{label}{i}"] if label else []), *(f"{v:.5f}" for v in (*p, r))])
        for i, (p, r) in enumerate(zip(points, radius, strict=True))
    ]
    path.write_text("\n".join([*head, *rows, ""]))
    return path


@pytest.mark.parametrize(
    ("name", "head", "factors", "mark", "label"),
    [
        ("c.csv", ["# CoordinateSystem = RAS", "x,y,z,radius"], (TURN, 1), ",", ""),
        ("c.fcsv", ["# Markups fiducial file version = 4.10", "# CoordinateSystem = 0", "# columns = id,x,y,z,radius"],
         (TURN, 1), ",", "P_"),
        ("c.csv", ["# CoordinateSystem = 1", "x,y,z,radius"], (1, 1), ",", ""),
        ("c.csv", ["label,r,a,s,radius"], (TURN, 1), ",", "P-"),
        ("c.tsv", ["label\tL\tP\tS\tRadius"], (1, 1), "\t", "P-"),
        ("c.txt", ["X Y Z MaximumInscribedSphereRadius"], (1, 1), " ", ""),
        ("c.dat", ["X Y Z  MaximumInscribedSphereRadius"], (1, 1), "   ", ""),
        ("c.csv", ["Points:0,Points:1,Points:2,MaximumInscribedSphereRadius"], (1, 1), ",", ""),
        ("c.csv", ["x [cm],y [cm],z [cm],radius [mm]"], (0.1, 1), ",", ""),
        ("c.csv", ["x_mm,y_mm,z_mm,diameter"], (1, 2), ",", ""),
        ("c.csv", ["# Units = cm", "r;a;s;radius"], (0.1 * TURN, 0.1), ";", ""),
    ],
)  # fmt: skip
def test_tables_are_read_into_lps_with_their_radii(
    tmp_path: Path, name: str, head: list[str], factors: tuple[np.ndarray | float, float], mark: str, label: str
) -> None:
    tree = load_centerlines(_table(tmp_path / name, head, LINE * factors[0], RADIUS * factors[1], mark, label))
    assert len(tree.branches) == 1
    np.testing.assert_allclose(tree.points_mm(), LINE, atol=1e-3)
    np.testing.assert_allclose(tree.radius_mm(), RADIUS, atol=1e-3)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (["l,a,s,radius"], "no coordinates among its columns l, a, s, radius; expected x,y,z or r,a,s or l,p,s"),
        (["i,j,k,radius"], "no coordinates among its columns i, j, k"),
        (["# CoordinateSystem = scanner", "x,y,z,radius"], "coordinate system is scanner"),
        (["# CoordinateSystem = LPS", "r,a,s,radius"], "in LPS and in RAS"),
        (["# unit: furlong", "x,y,z,radius"], "unit is furlong"),
    ],
)
def test_tables_in_another_system_are_refused_by_name(tmp_path: Path, head: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_centerlines(_table(tmp_path / "c.csv", head, LINE, RADIUS))


def test_a_label_that_many_points_share_is_a_branch(tmp_path: Path) -> None:
    rows = [f"{'LAD' if x < 30 else 'LCX'},{x},0,{x % 30}" for x in range(60)]
    (tmp_path / "c.csv").write_text("\n".join(["label,x,y,z", *rows]))
    assert {branch.name for branch in load_centerlines(tmp_path / "c.csv").branches} == {"LAD", "LCX"}


def _markups(path: Path, markups: list[dict]) -> Path:
    path.write_text(json.dumps({"@schema": "markups-schema-v1.0.3.json#", "markups": markups}))
    return path


def _curve(points: np.ndarray, system: str, **more: object) -> dict:
    said = [{"label": f"C-{i}", "position": p, "positionStatus": "defined"} for i, p in enumerate(points.tolist())]
    return {"type": "Curve", "coordinateSystem": system, "coordinateUnits": "mm", "controlPoints": said, **more}


@pytest.mark.parametrize(("system", "turn"), [("RAS", TURN), ("LPS", 1.0), ("0", TURN)])
def test_a_curve_of_slicer_is_a_centerline(tmp_path: Path, system: str, turn: np.ndarray | float) -> None:
    radii = [{"name": "Radius", "units": "mm", "controlPointValues": RADIUS.tolist()}]
    tree = load_centerlines(_markups(tmp_path / "c.mrk.json", [_curve(LINE * turn, system, measurements=radii)]))
    points = tree.points_mm()
    np.testing.assert_allclose(points[[0, -1]], LINE[[0, -1]], atol=1e-6)
    assert np.abs(np.interp(points[:, 2], LINE[:, 2], LINE[:, 0]) - points[:, 0]).max() < 0.01
    np.testing.assert_allclose(tree.radius_mm()[[0, -1]], [5, 3])


def test_between_few_control_points_the_curve_bends_as_slicer_draws_it(tmp_path: Path) -> None:
    angle = np.linspace(0, np.pi, 7)
    arc = 30 * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    points = load_centerlines(_markups(tmp_path / "c.mrk.json", [_curve(arc, "LPS")])).points_mm()
    inner = points[np.abs(np.arctan2(points[:, 1], points[:, 0]) - np.pi / 2) < np.pi / 4]
    assert np.abs(np.linalg.norm(inner, axis=1) - 30).max() < 0.3  # straight pieces would be off by 1 mm


@pytest.mark.parametrize(
    ("markups", "message"),
    [
        ([{"type": "Fiducial", "controlPoints": []}], "holds no curve .*found Fiducial"),
        ([], "found nothing"),
        ([_curve(LINE, "MNI")], "coordinate system is MNI"),
        ([_curve(LINE[:1], "LPS")], "no curve of two points"),
        ([{"type": "Curve", "controlPoints": [{"position": ["a", 1, 2]}]}], "no markups file"),
    ],
)
def test_markups_that_are_no_centerline_are_one_clear_line(tmp_path: Path, markups: list[dict], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_centerlines(_markups(tmp_path / "c.mrk.json", markups))
