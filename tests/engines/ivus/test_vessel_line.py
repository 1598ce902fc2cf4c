"""Which line of a centerline file is followed, and which files are refused."""

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.files.poly_data import PolyData
from engines.anatomy.files.vtk_xml import write_vtp
from engines.ivus.files.vessel_line import load_vessel_line


def straight(start, way, length_mm, step_mm=0.5):
    along = np.arange(0.0, length_mm + 1e-9, step_mm)
    return np.asarray(start, dtype=float) + along[:, None] * np.asarray(way, dtype=float) / np.linalg.norm(way)


def write_lines(path, *lines):
    ends = np.cumsum([len(line) for line in lines])
    write_vtp(path, PolyData(points=np.concatenate(lines), lines=tuple(np.split(np.arange(ends[-1]), ends[:-1]))))
    return path


def write_csv(path, points):
    np.savetxt(path, points, delimiter=",")
    return path


def test_one_line_is_taken_as_it_is(tmp_path):
    points = straight([0, 0, 0], [1, 2, 3], 60)
    for path in (write_csv(tmp_path / "l.csv", points), write_lines(tmp_path / "l.vtp", points)):
        found = load_vessel_line(path)
        assert {tuple(found[0].round(3)), tuple(found[-1].round(3))} == {
            tuple(points[0].round(3)), tuple(points[-1].round(3))}  # fmt: skip


def test_of_two_arteries_from_one_ostium_the_longer_is_followed(tmp_path):
    lad, lcx = straight([0, 0, 0], [1, 0, 0], 90), straight([0, 0, 0], [-0.3, 1, 0], 60)
    found = load_vessel_line(write_lines(tmp_path / "l.vtp", lcx, lad))
    np.testing.assert_allclose(found, lad)


def test_pieces_that_follow_each_other_are_one_vessel(tmp_path):
    trunk = straight([0, 0, 0], [1, 0, 0], 30)
    onwards, side = straight(trunk[-1], [1, 0.2, 0], 50), straight(trunk[-1], [0.5, -1, 0], 20)
    found = load_vessel_line(write_lines(tmp_path / "l.vtp", trunk, side, onwards))
    length = np.linalg.norm(np.diff(found, axis=0), axis=1).sum()
    assert length == pytest.approx(80.0, abs=1.0)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (straight([0, 0, 0], [1, 0, 0], 60)[[0, -1]], "2 points"),
        (straight([0, 0, 0], [1, 0, 0], 5), "mm long"),
        (np.concatenate([straight([0, 0, 0], [1, 0, 0], 30), straight([80, 0, 0], [1, 0, 0], 30)]), "jumps"),
        (straight([0, 0, 0], [1, 0, 0], 60) / 1000.0, "metres"),
    ],
)
def test_what_is_no_vessel_is_one_clear_line(tmp_path, points, words):
    with pytest.raises(InputError, match=words):
        load_vessel_line(write_csv(tmp_path / "l.csv", points))
