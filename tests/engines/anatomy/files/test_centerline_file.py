from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.files.centerline_file import load_centerlines, save_centerlines
from engines.anatomy.vessel_model import Branch, CenterlineTree
from tests.real_data import real_data


def _line(start: tuple[float, float, float], end: tuple[float, float, float], count: int = 21) -> np.ndarray:
    return np.linspace(start, end, count)


def _tree() -> CenterlineTree:
    trunk, left = _line((0, 0, 0), (0, 0, 40)), _line((0, 0, 40), (15, 0, 60))
    return CenterlineTree(
        branches=(
            Branch(points_mm=trunk, radius_mm=np.full(21, 3.0), name="LM", vessel_class="artery"),
            Branch(points_mm=left, radius_mm=np.linspace(2, 1, 21), name="LCx", vessel_class="vein", parent=0),
        )
    )


def test_a_tree_survives_the_file(tmp_path: Path) -> None:
    save_centerlines(tmp_path / "t.vtp", _tree())
    back = load_centerlines(tmp_path / "t.vtp")
    for ours, theirs in zip(_tree().branches, back.branches, strict=True):
        np.testing.assert_array_equal(ours.points_mm, theirs.points_mm)
        np.testing.assert_array_equal(ours.radius_mm, theirs.radius_mm)
        assert (ours.name, ours.vessel_class, ours.parent) == (theirs.name, theirs.vessel_class, theirs.parent)


def test_unknown_radii_stay_unknown(tmp_path: Path) -> None:
    branch = Branch(points_mm=_line((0, 0, 0), (0, 0, 40)), radius_mm=np.full(21, np.nan))
    save_centerlines(tmp_path / "t.vtp", CenterlineTree(branches=(branch,)))
    assert np.isnan(load_centerlines(tmp_path / "t.vtp").radius_mm()).all()


@pytest.mark.parametrize("header", ["", "x,y,z,radius,branch\n", "X;Y;Z;Radius;Branch\n"])
def test_csv_with_and_without_header(tmp_path: Path, header: str) -> None:
    mark = ";" if ";" in header else ","
    rows = [mark.join(map(str, (*point, 2.0, "RCA"))) for point in _line((0, 0, 0), (0, 30, 0))]
    rows += [mark.join(map(str, (*point, 1.0, "PDA"))) for point in _line((0, 30, 0), (20, 40, 0))]
    (tmp_path / "c.csv").write_text(header + "\n".join(rows) + "\n")
    tree = load_centerlines(tmp_path / "c.csv")
    assert [(branch.name, branch.parent) for branch in tree.branches] == [("RCA", -1), ("PDA", 0)]
    assert tree.branches[0].radius_mm[3] == 2.0


@pytest.mark.parametrize("mark", [";", "\t"])
def test_csv_with_decimal_commas(tmp_path: Path, mark: str) -> None:
    rows = [mark.join(("-1,5", f"{z},25", "1,0e1", "2,5", "LAD, 1")) for z in range(0, 30, 2)]
    (tmp_path / "c.csv").write_text("# exported by a spreadsheet, in mm\n" + "\n".join(rows) + "\n")
    (branch,) = load_centerlines(tmp_path / "c.csv").branches
    np.testing.assert_allclose(branch.points_mm[1], (-1.5, 2.25, 10.0))
    assert branch.radius_mm[0] == 2.5
    assert branch.name == "LAD, 1"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "0 rows"),
        ("a.csv", "1,2\n3,4\n", "expected rows x,y,z"),
        ("a.csv", "x,y,z\n1,2,three\n4,5,6\n", "no x,y,z"),
        ("a.csv", "1,2,3\n4,nan,6\n70,8,9\n", "point 2 is NaN"),
        ("a.csv", "1,2,3\n1,2,3\n", "one place"),
        ("a.csv", "0.001,0,0\n0.05,0,0\n0.1,0,0\n", "metres"),
        ("a.csv", "0,0,0,-1\n30,0,0,1\n", "radii"),
        ("a.csv", "0,0,0,900\n30,0,0,1\n", "radii"),
        ("a.dcm", "x", "centerlines are read from"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load_centerlines(tmp_path / name)
    assert name in str(caught.value)


def test_binary_content_in_a_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not text"):
        load_centerlines(tmp_path / "a.csv")


def test_the_real_phantom_is_one_tree_of_eleven_branches() -> None:
    tree = load_centerlines(real_data("coronary_phantom") / "centerlines.vtk")
    assert len(tree.branches) == 11
    assert [branch.parent for branch in tree.branches].count(-1) == 1
    for branch in tree.branches[1:]:
        np.testing.assert_allclose(branch.points_mm[0], tree.branches[branch.parent].points_mm[-1], atol=0.06)


def test_real_lines_from_one_ostium_become_a_tree_without_doubled_trunks() -> None:
    tree = load_centerlines(real_data("ivus_contours") / "lca_cl.vtp")
    lengths = [np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1).sum() for branch in tree.branches]
    # Five lines of 96 to 217 mm from one place sum to 792 mm; what they share counts once.
    assert 400 < sum(lengths) < 460
    assert tree.branches[0].radius_mm[0] > 10  # rooted in the aorta
    assert [branch.parent for branch in tree.branches].count(-1) == 1
    assert all(branch.parent >= 0 for branch in tree.branches[1:])


def test_a_real_csv_is_read() -> None:
    tree = load_centerlines(real_data("ivus_contours") / "centerline_rca.csv")
    assert len(tree.points_mm()) > 700
