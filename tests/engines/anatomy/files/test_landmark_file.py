"""Point lists and planes of 3D Slicer become named points and rings in LPS millimetres."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.files.landmark_file import read_landmarks, read_planes


def _file(folder: Path, *markups: dict[str, Any]) -> Path:
    path = folder / "marks.mrk.json"
    path.write_text(json.dumps({"markups": list(markups)}))
    return path


def _markup(kind: str, *points: tuple[str, list[float]], **more: Any) -> dict[str, Any]:
    placed = [{"label": label, "position": position, "positionStatus": "defined"} for label, position in points]
    return {"type": kind, "name": "F", "coordinateSystem": "LPS", "controlPoints": placed} | more


def test_points_keep_their_labels_and_those_without_get_the_list_s_name(tmp_path: Path) -> None:
    path = _file(tmp_path, _markup("Fiducial", ("left renal", [1.0, 2.0, 3.0]), ("", [4.0, 5.0, 6.0])))
    found = read_landmarks(path)
    assert [one.name for one in found] == ["left renal", "F 2"]
    assert found[0].point_lps_mm == pytest.approx([1.0, 2.0, 3.0])


def test_ras_is_turned_and_other_units_are_scaled(tmp_path: Path) -> None:
    path = _file(
        tmp_path, _markup("Fiducial", ("a", [1.0, 2.0, 3.0]), coordinateSystem="RAS", coordinateUnits="cm")
    )  # fmt: skip
    assert read_landmarks(path)[0].point_lps_mm == pytest.approx([-10.0, -20.0, 30.0])


def test_a_plane_is_the_circle_through_its_hinge_points(tmp_path: Path) -> None:
    centre, radius = np.array([10.0, -20.0, 30.0]), 12.0
    angles = np.deg2rad([10.0, 130.0, 250.0])
    around = centre + radius * np.column_stack([np.cos(angles), np.zeros(3), np.sin(angles)])
    path = _file(tmp_path, _markup("Plane", *(("", point.tolist()) for point in around), name="annulus"))
    (plane,) = read_planes(path)
    assert plane.name == "annulus"
    assert plane.centre_lps_mm == pytest.approx(centre)
    assert plane.radius_mm == pytest.approx(radius)
    assert np.abs(plane.normal) == pytest.approx([0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        (_markup("Plane", ("", [0.0, 0.0, 0.0]), ("", [1.0, 0.0, 0.0])), "has 2 points"),
        (_markup("Plane", ("", [0.0, 0, 0]), ("", [10.0, 0, 0]), ("", [20.0, 0, 0])), "on one line"),
        (_markup("Plane", ("", [0.0, 0, 0]), ("", [float("nan"), 0, 0]), ("", [0.0, 5, 0])), "no markups file"),
        (_markup("Fiducial", ("", [0.0, 0.0, 0.0])), "holds no plane"),
        (_markup("Plane", ("", [0.0, 0, 0]), coordinateSystem="scanner"), "expected LPS or RAS"),
    ],
)
def test_planes_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path, markup: dict, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_planes(_file(tmp_path, markup))


@pytest.mark.parametrize("content", ["", "[]", '{"markups": [{"name": "x"}]}', '{"markups": []}'])
def test_what_is_no_markups_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "marks.mrk.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"mrk\.json"):
        read_landmarks(path)
