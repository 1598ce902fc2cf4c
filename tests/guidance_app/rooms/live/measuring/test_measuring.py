"""Rulers measure in the picture, say how they are calibrated, can be undone, and are saved beside the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage
from pytestqt.qtbot import QtBot

from guidance_app.live.guidance import ScreenState
from guidance_app.rooms.live.measuring.measured import RULERS, ModelMark
from guidance_app.rooms.live.measuring.measured_file import SCHEMA, own_folder
from guidance_app.rooms.live.measuring.way_back import way_back
from tests.guidance_app.rooms.live.judging.judging_bench import JudgingBench, branch, judged_screen
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import geometry, screen

_CTRL = Qt.KeyboardModifier.ControlModifier
_NUMBERS = (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4, Qt.Key.Key_5, Qt.Key.Key_6, Qt.Key.Key_7,
            Qt.Key.Key_8)  # fmt: skip
_LENGTH, _LINE, _ANGLE, _DIAMETER, _CATHETER, _MARKER, _RING, _POINT = _NUMBERS


@pytest.fixture
def bench(qtbot: QtBot) -> JudgingBench:
    made = JudgingBench(qtbot, branch("LAD", 2.0))
    made.press(Qt.Key.Key_K)
    qtbot.waitUntil(lambda: made.desk.model is not None)
    return made


def _figures(bench: JudgingBench) -> list[str]:
    return [" ".join(one.words()) for one in bench.place.measuring.measured.measurements]


def _bare(qtbot: QtBot) -> JudgingBench:
    """A picture without geometry."""
    shown = screen(guidance="unregistered", state="hidden", paused=True)
    assert shown.frame is not None
    made = JudgingBench(qtbot, shown=replace(shown, frame=replace(shown.frame, geometry=None)))
    made.press(Qt.Key.Key_K)
    return made


# Lengths and angles


def test_a_length_is_told_in_millimetres_at_the_isocentre_and_says_so(bench: JudgingBench) -> None:
    bench.press(_LENGTH)
    bench.click(20.0, 20.0)
    bench.click(80.0, 20.0)
    expected = 60.0 * geometry().isocentre_mm_per_px
    (told,) = _figures(bench)
    assert float(told.split()[0]) == pytest.approx(expected, abs=0.5)
    assert "mm (header, at the isocentre)" in told
    item = bench.place.measuring_panel.list.item(0)
    assert item is not None
    assert "header, at the isocentre" in item.text()


def test_without_geometry_figures_are_pixels(qtbot: QtBot) -> None:
    bench = _bare(qtbot)
    bench.press(_LENGTH)
    bench.click(20.0, 20.0)
    bench.click(80.0, 20.0)
    (told,) = _figures(bench)
    assert float(told.split()[0]) == pytest.approx(60.0, abs=1.5)
    assert "px (no calibration: pixels)" in told
    assert "figures are pixels" in bench.place.measuring_panel.way.text()


def test_a_line_takes_any_number_of_points_and_enter_ends_it(bench: JudgingBench) -> None:
    bench.press(_LINE)
    for column, row in ((20.0, 20.0), (40.0, 20.0), (40.0, 40.0)):
        bench.click(column, row)
    assert _figures(bench) == []
    bench.press(Qt.Key.Key_Return)
    assert "accept" not in bench.session.asked
    assert float(_figures(bench)[0].split()[0]) == pytest.approx(40.0 * geometry().isocentre_mm_per_px, abs=0.6)
    bench.press(_LINE)
    bench.press(Qt.Key.Key_Return)
    assert bench.session.asked[-1:] == ["accept"], "without a line Enter means what it means elsewhere"


def test_an_angle_takes_three_clicks(bench: JudgingBench) -> None:
    bench.press(_ANGLE)
    for column, row in ((20.0, 50.0), (50.0, 50.0), (50.0, 20.0)):
        bench.click(column, row)
    assert float(_figures(bench)[0].split()[0]) == pytest.approx(90.0, abs=2.0)


# Calibration by hand


def test_a_catheter_calibrates_what_is_measured_next_on_this_view(qtbot: QtBot) -> None:
    bench = _bare(qtbot)
    bench.place.measuring_panel.french.setValue(6.0)
    bench.press(_CATHETER)
    bench.click(30.0, 20.0)
    bench.click(40.0, 20.0)
    bench.press(_LENGTH)
    bench.click(20.0, 60.0)
    bench.click(70.0, 60.0)
    told = _figures(bench)[1]
    assert float(told.split()[0]) == pytest.approx(10.0, abs=1.2)
    assert "(catheter 6 F)" in told
    bench.press(Qt.Key.Key_Z, _CTRL)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert bench.place.measuring.pixel_size() is None, "undoing the catheter undoes its calibration"


def test_a_known_marker_goes_before_the_header(bench: JudgingBench) -> None:
    bench.place.measuring_panel.marker.setValue(20.0)
    bench.press(_MARKER)
    bench.click(20.0, 20.0)
    bench.click(60.0, 20.0)
    bench.press(_LENGTH)
    bench.click(20.0, 60.0)
    bench.click(60.0, 60.0)
    assert _figures(bench)[1].startswith("20.0 mm")
    assert "(marker 20 mm)" in _figures(bench)[1]


def test_a_catheter_of_a_pixel_calibrates_nothing(bench: JudgingBench) -> None:
    bench.press(_CATHETER)
    bench.click(30.0, 20.0)
    bench.click(30.0, 20.0)
    assert "too few to calibrate" in bench.place.measuring_panel.status.text()
    assert _figures(bench) == []


# Vessels


def _vessel_screen() -> ScreenState:
    return judged_screen()


def test_a_diameter_along_the_segmented_vessel_tells_stenosis_and_both_diameters(bench: JudgingBench) -> None:
    bench.press(_DIAMETER)
    bench.click(24.0, 50.0)
    bench.click(76.0, 50.0)
    (told,) = _figures(bench)
    words = bench.place.measuring.measured.measurements[0].figures
    assert [name for name, _ in words] == ["least", "healthy there", ""]
    assert words[1][1].value == pytest.approx(11.0 * geometry().isocentre_mm_per_px, abs=0.5)
    assert "% stenosis" in told
    assert "header, at the isocentre" in told


def test_beside_the_vessels_no_diameter_is_told(bench: JudgingBench) -> None:
    bench.press(_DIAMETER)
    bench.click(24.0, 10.0)
    bench.click(76.0, 10.0)
    assert "click on the vessel" in bench.place.measuring_panel.status.text()


def test_vessels_of_another_picture_are_not_measured(qtbot: QtBot) -> None:
    shown = judged_screen()
    assert shown.result is not None
    bench = JudgingBench(qtbot, shown=replace(shown, result=replace(shown.result, frame_index=7)))
    bench.press(Qt.Key.Key_K)
    bench.press(_DIAMETER)
    bench.click(24.0, 50.0)
    bench.click(76.0, 50.0)
    assert "pause" in bench.place.measuring_panel.status.text()


def test_the_model_tells_foreshortening_where_the_line_follows_it(bench: JudgingBench, monkeypatch) -> None:
    pose = bench.session.registration.isocentre_from_lps  # type: ignore[union-attr]
    projection = geometry().projection(pose)
    tilted = projection.camera_from_lps.rotation.T @ np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5)])
    middle = projection.back_project(np.array([[50.0, 50.0]]), np.array([geometry().sod_mm]))[0]
    points = middle + np.linspace(-8.0, 8.0, 40)[:, None] * tilted
    monkeypatch.setattr(bench.model, "lines", lambda: (points, np.tile(tilted, (40, 1))))
    shown = projection.project(points)[0]
    bench.press(_LENGTH)
    bench.click(*shown[2])
    bench.click(*shown[-3])
    assert "foreshortened by 29 %, says the model" in _figures(bench)[0]


# Marks on the model


def test_a_ring_stands_across_the_model_and_follows_its_pose(bench: JudgingBench) -> None:
    bench.press(_RING)
    bench.click(50.0, 50.0)
    (mark,) = bench.place.measuring.measured.marks
    assert mark.name == "Ring 1 LM"
    assert mark.radius_mm == 3.0
    (shown,) = bench.place.measuring.tool.marks
    assert np.nanmean(shown.points_px, axis=0) == pytest.approx([50.0, 50.0], abs=1.5)
    assert shown.dashed, "the pose is only proposed"
    assert bench.session.registration is not None
    gone = replace(judged_screen(), guidance_state="stale", overlay=None, overlay_state="hidden")
    bench.place.measuring.see(gone, cast(Any, bench.session))
    assert bench.place.measuring.tool.marks == ()


def test_a_ring_is_a_circle_of_the_lumen_across_the_vessel() -> None:
    mark = ModelMark(
        name="r", point_lps_mm=np.array([1.0, 2.0, 3.0]), direction=np.array([0.0, 0.6, 0.8]), radius_mm=4.0
    )
    around = mark.outline_mm() - mark.point_lps_mm
    assert np.linalg.norm(around, axis=1) == pytest.approx(np.full(49, 4.0))
    assert around @ mark.direction == pytest.approx(np.zeros(49), abs=1e-9)
    assert replace(mark, radius_mm=0.0).outline_mm().shape == (1, 3)


def test_without_a_registration_there_is_no_mark_on_the_model(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot, shown=screen(guidance="unregistered", state="hidden", paused=True))
    bench.press(Qt.Key.Key_K)
    qtbot.waitUntil(lambda: bench.desk.model is not None)
    bench.press(_POINT)
    bench.click(50.0, 50.0)
    assert "needs one" in bench.place.measuring_panel.status.text()


# Undo, views, files


def test_everything_can_be_undone_and_done_again(bench: JudgingBench) -> None:
    bench.press(_LENGTH)
    bench.click(20.0, 20.0)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert bench.place.measuring.tool.drawing_px == ()
    bench.click(20.0, 20.0)
    bench.click(60.0, 20.0)
    bench.press(_RING)
    bench.click(50.0, 50.0)
    bench.press(Qt.Key.Key_S)
    measured = bench.place.measuring.measured
    counts = []
    for _ in range(3):
        bench.press(Qt.Key.Key_Z, _CTRL)
        now = bench.place.measuring.measured
        counts.append((len(now.measurements), len(now.marks), len(now.views)))
    assert counts == [(1, 1, 0), (1, 0, 0), (0, 0, 0)]
    assert bench.press(Qt.Key.Key_Z, _CTRL) == "Nothing to undo"
    for _ in range(3):
        bench.press(Qt.Key.Key_Y, _CTRL)
    assert bench.place.measuring.measured is measured


def test_a_stored_view_says_the_way_back_and_when_it_is_met(bench: JudgingBench) -> None:
    bench.press(Qt.Key.Key_S)
    desk = bench.place.measuring
    assert desk.tool.note == "VIEW 1 IS MET"
    assert bench.place.measuring_panel.picture.isVisible()
    shown = judged_screen()
    assert shown.frame is not None
    away = geometry(primary_rad=geometry().primary_rad - np.deg2rad(12.0),
                    secondary_rad=geometry().secondary_rad - np.deg2rad(8.0))  # fmt: skip
    turned = replace(shown, frame=replace(shown.frame, geometry=away))
    desk.see(turned, cast(Any, bench.session))
    assert desk.tool.note == "View 1: 12 degrees LAO, 8 cranial"
    assert not bench.place.measuring_panel.picture.isVisible()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"primary_rad": np.deg2rad(40.2)}, "10 degrees RAO"),
        ({"secondary_rad": np.deg2rad(-4.1)}, "8 degrees caudal"),
        ({"sid_mm": 1000.0}, "detector 5 cm away"),
        ({"column_spacing_mm": 0.2, "row_spacing_mm": 0.2}, "field 3 cm"),
    ],
)
def test_the_way_back_names_only_what_differs(changes: dict[str, float], words: str) -> None:
    assert way_back(geometry(**changes), geometry()) == words


def test_a_measurement_belongs_to_its_view(bench: JudgingBench) -> None:
    bench.press(_LENGTH)
    bench.click(20.0, 20.0)
    bench.click(80.0, 20.0)
    shown = judged_screen()
    assert shown.frame is not None
    turned = replace(shown, frame=replace(shown.frame, geometry=geometry(primary_rad=0.1)))
    bench.place.measuring.see(turned, cast(Any, bench.session))
    assert bench.place.measuring.tool.measurements == ()
    bench.place.measuring.see(shown, cast(Any, bench.session))
    assert len(bench.place.measuring.tool.measurements) == 1


def test_figures_lie_beside_the_run_s_files_and_the_picture_carries_the_research_line(
    bench: JudgingBench, tmp_path: Path
) -> None:
    bench.session.out = tmp_path
    bench.press(_LENGTH)
    bench.click(20.0, 20.0)
    bench.click(80.0, 20.0)
    content = json.loads((tmp_path / "measurements.json").read_text())
    assert content["schema"] == SCHEMA
    assert content["research_use_only"] == "not a medical device"
    (figure,) = content["measurements"][0]["figures"]
    assert (figure["unit"], figure["calibration"]) == ("mm", "header, at the isocentre")
    assert str(tmp_path) in bench.press(Qt.Key.Key_S, _CTRL)
    assert not QImage(str(tmp_path / "measurements.png")).isNull()
    assert any(text.role == "research" for text in bench.place.view.painted_texts)
    bench.press(Qt.Key.Key_Z, _CTRL)
    assert json.loads((tmp_path / "measurements.json").read_text())["measurements"] == []


def test_a_full_disk_is_said_and_nothing_is_lost(bench: JudgingBench, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    bench.session.out = blocked
    bench.press(_LENGTH)
    bench.click(20.0, 20.0)
    bench.click(80.0, 20.0)
    assert len(bench.place.measuring.measured.measurements) == 1
    assert "Not saved" in bench.press(Qt.Key.Key_S, _CTRL)


def test_a_run_without_files_saves_below_the_user_s_data(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert own_folder().parent == tmp_path / "guidance-app" / "measurements"


def test_judging_and_measuring_take_turns_beside_the_picture(bench: JudgingBench) -> None:
    bench.press(_LENGTH)
    bench.press(Qt.Key.Key_J)
    assert bench.panel.isVisible()
    assert not bench.place.measuring_panel.isVisible()
    assert bench.place.measuring.ruler is None
    bench.press(Qt.Key.Key_K)
    assert not bench.panel.isVisible()


def test_rulers_need_the_panel_and_every_one_has_a_key(qtbot: QtBot) -> None:
    bench = JudgingBench(qtbot)
    assert "Open measuring first" in bench.press(_LENGTH)
    bench.press(Qt.Key.Key_K)
    for key, ruler in zip(_NUMBERS, RULERS, strict=True):
        bench.press(key)
        assert bench.place.measuring.ruler == ruler
        bench.press(Qt.Key.Key_Escape)
        assert bench.place.measuring.ruler is None
    assert not bench.place.view.raw


def _case_with(tmp_path: Path, **markups: dict[str, Any]) -> Any:
    files = {}
    for role, markup in markups.items():
        path = tmp_path / f"{role}.mrk.json"
        path.write_text(json.dumps({"markups": [markup]}))
        files[role] = SimpleNamespace(path=path)
    return SimpleNamespace(**vars(CASE) | {"id": "case-9", "files": files})


def _points(*positions: list[float], kind: str, name: str) -> dict[str, Any]:
    placed = [{"label": "", "position": position, "positionStatus": "defined"} for position in positions]
    return {"type": kind, "name": name, "coordinateSystem": "LPS", "controlPoints": placed}


def test_landmarks_and_planes_of_the_case_are_there_from_the_start(bench: JudgingBench, tmp_path: Path) -> None:
    case = _case_with(
        tmp_path,
        landmarks=_points([0.0, 0.0, 0.0], kind="Fiducial", name="clot"),
        planes=_points([6.0, 0.0, 0.0], [0.0, 0.0, 6.0], [-6.0, 0.0, 0.0], kind="Plane", name="annulus"),
    )
    bench.window.live.show_session(bench.session, case, runs=("run1",))
    marks = bench.place.measuring.measured.marks
    assert [(mark.name, round(mark.radius_mm, 3), mark.given) for mark in marks] == [
        ("clot 1", 0.0, True), ("annulus", 6.0, True),
    ]  # fmt: skip
    bench.place.measuring.see(judged_screen(), cast(Any, bench.session))
    point, ring = bench.place.measuring.tool.marks
    assert point.points_px == pytest.approx(np.array([[49.5, 49.5]]), abs=0.1)
    assert len(ring.points_px) == 49
    assert bench.place.measuring.no_undo() == "Nothing to undo", "what the case brought is not taken back"


def test_marks_that_cannot_be_read_are_told_and_the_run_goes_on(bench: JudgingBench, tmp_path: Path) -> None:
    case = _case_with(tmp_path, planes=_points([0.0, 0.0, 0.0], kind="Plane", name="annulus"))
    bench.window.live.show_session(bench.session, case, runs=("run1",))
    assert any("has 1 points" in toast.text and toast.kind == "problem" for toast in bench.window.toasts.shown)
    assert bench.place.measuring.measured.marks == ()
