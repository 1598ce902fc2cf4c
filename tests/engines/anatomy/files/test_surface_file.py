from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.files.surface_file import load_surface, save_surface
from engines.anatomy.vessel_model import SurfaceMesh
from tests.engines.anatomy.shapes import tube_surface
from tests.real_data import real_data


def _corner_set(surface: SurfaceMesh) -> np.ndarray:
    corners = surface.vertices_mm[surface.triangles].reshape(len(surface.triangles), 9)
    return corners[np.lexsort(np.round(corners, 3).T)]


@pytest.mark.parametrize("name", ["tube.vtp", "tube.stl"])
def test_a_surface_survives_the_file(tmp_path: Path, name: str) -> None:
    surface = tube_surface(3.0, 40.0)
    save_surface(tmp_path / name, surface)
    back = load_surface(tmp_path / name)
    assert back.vertices_mm.shape == surface.vertices_mm.shape  # STL corners are merged again
    np.testing.assert_allclose(_corner_set(back), _corner_set(surface), atol=1e-5)


def test_ascii_stl_obj_and_ply_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.stl").write_text(
        "solid t\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 9 0\nendloop\nendfacet\n"
        "endsolid t\n"
    )
    (tmp_path / "t.obj").write_text("# o\nv 0 0 0\nv 9 0 0\nv 9 9 0\nv 0 9 0\nvn 0 0 1\nf 1//1 2//1 3//1 4//1\n")
    header = "ply\nformat {} 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    (tmp_path / "a.ply").write_text(header.format("ascii") + "0 0 0\n9 0 0\n0 9 0\n3 0 1 2\n")
    body = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]], "<f4").tobytes() + b"\3" + np.arange(3, dtype="<i4").tobytes()
    (tmp_path / "b.ply").write_bytes(header.format("binary_little_endian").encode() + body)
    for name, area in (("t.stl", 40.5), ("t.obj", 81.0), ("a.ply", 40.5), ("b.ply", 40.5)):
        surface = load_surface(tmp_path / name)
        corners = surface.vertices_mm[surface.triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert 0.5 * np.linalg.norm(normals, axis=1).sum() == pytest.approx(area)


@pytest.mark.parametrize(
    ("scale", "message"), [(0.001, "looks like metres; multiply by 1000"), (1000.0, "looks like micrometres"),
                           (0.0, "one place")],
)  # fmt: skip
def test_a_surface_in_other_units_is_refused(tmp_path: Path, scale: float, message: str) -> None:
    surface = tube_surface(3.0, 40.0)
    path = tmp_path / "tube.vtp"
    save_surface(path, SurfaceMesh(vertices_mm=surface.vertices_mm * scale, triangles=surface.triangles))
    with pytest.raises(InputError, match=message):
        load_surface(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.stl", b"x" * 80 + np.uint32(500).tobytes() + b"y" * 300, "promises 500 triangles"),
        ("empty.stl", b"", "no complete STL"),
        ("none.stl", b"x" * 80 + np.uint32(0).tobytes(), "no triangles"),
        ("cut2.stl", b"solid t\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n", "cut short"),
        ("bad.obj", b"v 0 0 0\nv 9 0 0\nv 0 9 0\nf 1 2 9\n", "names point 8"),
        ("far.obj", b"v 0 0 0\nv 9 0 0\nv 0 9 0\nf 1 2 99999999999999999999\n", "beyond all points"),
        ("nan.obj", b"v 0 0 0\nv 9 0 nan\nv 0 9 0\nf 1 2 3\n", "NaN"),
        ("bad.ply", b"ply\nformat ascii 1.0\nend_header\n", "cannot be read"),
        ("mesh.step", b"ISO-10303", "surfaces are read from"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_surface(tmp_path / name)
    assert name in str(caught.value)


def test_nan_in_a_binary_stl_is_refused(tmp_path: Path) -> None:
    surface = tube_surface(3.0, 40.0)
    vertices = surface.vertices_mm.copy()
    vertices[5, 1] = np.nan
    save_surface(tmp_path / "nan.stl", SurfaceMesh(vertices_mm=vertices, triangles=surface.triangles))
    with pytest.raises(InputError, match="NaN"):
        load_surface(tmp_path / "nan.stl")


def test_a_missing_surface_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.stl"):
        load_surface(tmp_path / "none.stl")


def test_the_real_phantom_surface_is_read() -> None:
    surface = load_surface(real_data("coronary_phantom") / "surface_coarse.stl")
    assert surface.triangles.shape == (12960, 3)
    assert len(surface.vertices_mm) < 7000
    assert np.ptp(surface.vertices_mm, axis=0).max() == pytest.approx(120.5, abs=0.5)
