"""Contours from tables, in every form that programs write, and as landmarks."""

import numpy as np
import pytest

from calibration.errors import InputError
from engines.ivus.features.contour_maps import contour_maps, polygon_centroid
from engines.ivus.files.contour_tables import read_contours
from tests.real_data import real_data


def circle(radius=1.5, centre=(0.0, 0.0), count=60):
    turn = np.arange(count) * 2 * np.pi / count
    return np.column_stack([centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn)])


def rows(frames, polygon_of, mark=",", z=lambda k: 0.5 * k):
    return [mark.join(map(str, (k, *point, z(k)))) for k in frames for point in polygon_of(k)]


def write(folder, name, lines):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("mark", [",", "\t", ";"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_delimiter_header_and_orientation_do_not_matter(tmp_path, mark, header, turned):
    lines = rows(range(5), lambda _: circle(centre=(4.0, 5.0))[:: -1 if turned else 1], mark)
    contours = read_contours(write(tmp_path / "c", "lumen", [mark.join(("frame", "x", "y", "z"))] * header + lines))
    assert contours.names == ("0", "1", "2", "3", "4")
    np.testing.assert_allclose(contours.z_mm, 0.5 * np.arange(5))
    maps = contour_maps(contours)
    np.testing.assert_allclose(maps.centre_mm, np.broadcast_to([4.0, 5.0], (5, 2)), atol=0.01)
    np.testing.assert_allclose(maps.size_mm, 1.5, atol=0.03)


def test_stored_order_is_that_of_first_appearance(tmp_path):
    lines = rows([30, 20, 10], lambda _: circle(), z=lambda k: 3.0 - k / 10)
    assert read_contours(write(tmp_path / "c", "lumen", lines)).names == ("30", "20", "10")


def test_a_closed_polygon_has_the_same_centroid_as_an_open_one():
    open_polygon = circle(centre=(2.0, 1.0))[:45]
    closed = np.concatenate([open_polygon, open_polygon[:1]])
    np.testing.assert_allclose(polygon_centroid(open_polygon), polygon_centroid(closed), atol=1e-9)


def test_two_branches_in_one_frame_are_two_polygons(tmp_path):
    folder = write(tmp_path / "c", "lumen", rows(range(6), lambda _: circle()))
    both = np.concatenate([circle(0.5, (2.2, 0.0)), circle(0.5, (0.0, 2.2))])
    contours = read_contours(write(folder, "branch", rows([1], lambda _: both)))
    assert [len(polygons) for polygons in contours.branch] == [0, 2, 0, 0, 0, 0]
    seen = contour_maps(contours).branch[1]
    assert seen[0] > 0.4
    assert seen[12] > 0.4
    assert seen[30] < 0.1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (rows(range(6), lambda _: 1000 * circle()), "radius"),
        (rows(range(4), lambda _: circle(), z=lambda _: 1.0), "must increase"),
        (rows(range(4), lambda _: circle(), z=lambda k: 0.0005 * k), "metres"),
        (rows([3], lambda _: circle()), "contours of 1 frame"),
        (["0,nan,1,2", "1,2,3,4"], "NaN"),
        (["0,1", "1,2"], "no frame,x,y,z"),
        (["frame,x,y,z"], "no rows"),
    ],
)
def test_what_cannot_be_contours_is_one_clear_line(tmp_path, lines, words):
    with pytest.raises(InputError, match=words):
        read_contours(write(tmp_path / "c", "lumen", lines))


def test_a_folder_without_a_lumen_says_so(tmp_path):
    with pytest.raises(InputError, match=r"lumen\.csv"):
        read_contours(write(tmp_path / "c", "eem", rows(range(4), lambda _: circle())))


@pytest.mark.parametrize("name", ["ivus_full", "ivus_rest", "ivus_stress", "ivus_prestent", "ivus_poststent"])
def test_real_contours_are_read(name):
    contours = read_contours(real_data(f"ivus_contours/{name}"))
    maps = contour_maps(contours)
    assert len(contours.names) > 15
    assert np.isfinite(maps.radius_mm).all()
    assert 0.8 < np.median(maps.size_mm) < 3.5
