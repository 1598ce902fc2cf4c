"""Marks are set at the crosshair, dragged, taken back and kept; the plot shows what angles do; the dot is the C-arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from engines.anatomy.cases.by_hand import read_by_hand
from engines.anatomy.cases.case import load_case
from engines.planning.angles import ViewAngles
from engines.planning.plan import read_plan
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.case.planning.angle_plot import CURVE
from guidance_app.rooms.case.planning.plan_page import PlanPage
from guidance_app.rooms.live.measuring.given_marks import given_marks
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.mouse import move_mouse
from tests.guidance_app.rooms.case.test_import import checked

_PATIENCE_MS = 60_000
HINGES = {"1": (-14.0, -11.0, 2.0), "2": (-4.0, 6.0, 0.0), "3": (-24.0, 6.0, -2.0)}


@pytest.fixture
def page(qtbot: QtBot, window: GuidanceWindow, disk: Path, at_once: None) -> PlanPage:  # noqa: ARG001
    wizard = checked(qtbot, window, disk)
    qtbot.mouseClick(wizard.check.plan_button, Qt.MouseButton.LeftButton)
    page = wizard.plan
    assert page is not None
    assert wizard.step == "plan"
    qtbot.waitUntil(lambda: not page.desk.busy and page.side.segments.count() > 1, timeout=_PATIENCE_MS)
    qtbot.waitUntil(lambda: page.slices.views["front"].width() > 150)
    return page


def names(page: PlanPage) -> list[str]:
    return [mark.name for mark in page.desk.plan.marks]


def coloured(widget: QWidget, name: str) -> int:
    pixels, colour = pixels_of(widget.grab().toImage()).astype(int), QColor(name)
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return int((np.abs(pixels - wanted).max(axis=2) < 14).sum())


def set_hinges(qtbot: QtBot, window: GuidanceWindow, page: PlanPage) -> None:
    for key, point in HINGES.items():
        page.slices.go_to(np.array(point))
        qtbot.keyClick(window, key)


def test_marks_are_set_with_mouse_and_keys_moved_by_a_drag_undone_and_kept(
    qtbot: QtBot, window: GuidanceWindow, page: PlanPage, tmp_path: Path
) -> None:
    view = page.slices.views["front"]
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(view.width() // 2 - 20, view.height() // 2 + 10))
    first = page.slices.point_mm
    qtbot.keyClicks(page.side.name, "left renal")
    qtbot.mouseClick(page.side.buttons["ostium"], Qt.MouseButton.LeftButton)
    assert names(page) == ["left renal"]
    assert page.desk.plan.marks[0].point_mm == pytest.approx(first)
    view.setFocus()
    page.slices.go_to(first + np.array([0.0, 0.0, 12.0]))
    qtbot.keyClick(window, "T")
    assert names(page) == ["left renal", "target"]
    handle = next(one for one in view.handles if one.name == "target")
    at = view.view_px(handle.x_mm, handle.y_mm).toPoint()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=at)
    move_mouse(view, at + QPoint(25, 0), held=Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=at + QPoint(25, 0))
    moved = page.desk.points()["target"]
    assert moved[0] - first[0] > 2.0
    assert moved[1] == pytest.approx(first[1])
    qtbot.keyClick(window, "Z", Qt.KeyboardModifier.ControlModifier)
    assert page.desk.points()["target"][0] == pytest.approx(first[0])
    qtbot.keyClick(window, "Y", Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(window, "S", Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not page.desk.unkept, timeout=_PATIENCE_MS)
    case = load_case(tmp_path / "cases" / "heart")
    assert {mark.name: mark.kind for mark in read_plan(case).marks} == {"left renal": "ostium", "target": "target"}
    marks, problem = given_marks(case)  # as the live room projects them
    assert problem == ""
    assert next(mark for mark in marks if mark.name == "target").point_lps_mm == pytest.approx(moved, abs=1e-3)


def test_three_hinge_points_bring_the_s_curve_its_views_and_the_ring(
    qtbot: QtBot, window: GuidanceWindow, page: PlanPage, tmp_path: Path
) -> None:
    page.slices.views["front"].setFocus()
    assert coloured(page.plot, CURVE) == 0
    assert "3 to go" in page.side.annulus.text()
    set_hinges(qtbot, window, page)
    assert coloured(page.plot, CURVE) > 200
    assert "Cusp overlap: RAO" in page.side.views.text()
    assert "Three cusps: " in page.side.views.text()
    annulus = page.desk.annulus
    assert annulus is not None
    assert f"{annulus.circle_mm:.1f} mm" in page.side.annulus.text()
    page.keep_button.click()
    qtbot.waitUntil(lambda: not page.desk.unkept, timeout=_PATIENCE_MS)
    marks, _ = given_marks(load_case(tmp_path / "cases" / "heart"))
    assert [(mark.name, mark.radius_mm) for mark in marks] == [
        ("Annulus", pytest.approx(0.5 * annulus.circle_mm, abs=1e-3))
    ]
    page.slices.go_to(np.array([-14.0, -10.0, 2.0]))
    page.desk.move("left", np.array([-14.0, -9.5, 2.0]))
    assert page.desk.annulus is None
    assert "apart" in page.side.annulus.text()


def test_a_pressed_angle_is_judged_and_what_the_gantry_does_not_reach_is_said(
    qtbot: QtBot, window: GuidanceWindow, page: PlanPage
) -> None:
    page.slices.views["front"].setFocus()
    set_hinges(qtbot, window, page)
    off = page.desk.off_edge(ViewAngles(primary_deg=45.0, secondary_deg=30.0))
    qtbot.mouseClick(page.plot, Qt.MouseButton.LeftButton, pos=page.plot.place_of(45, 30).toPoint())
    assert "Tried: LAO 45 CRA 30" in page.side.here.text()
    assert f"{off:.0f}\u00b0 off edge-on" in page.side.here.text()
    assert "out of reach" not in page.side.here.text()
    before = pixels_of(page.plot.grab().toImage()).astype(int)
    page.side.limits["LAO"].setValue(30)
    assert "out of reach" in page.side.here.text()
    after = pixels_of(page.plot.grab().toImage()).astype(int)
    at, beside = page.plot.place_of(50, -15), page.plot.place_of(20, -15)
    changed = np.abs(after - before).max(axis=2)
    region = changed[int(at.y()) - 12 : int(at.y()) + 12, int(at.x()) - 12 : int(at.x()) + 12]
    assert region.max() > 20  # hatched now
    assert changed[int(beside.y()) - 4 : int(beside.y()) + 4, int(beside.x()) - 4 : int(beside.x()) + 4].max() < 20


def test_the_best_view_of_a_segment_is_told_in_words_and_lies_within_reach(qtbot: QtBot, page: PlanPage) -> None:
    page.side.segments.setCurrentIndex(1)
    qtbot.waitUntil(lambda: page.desk.found is not None, timeout=_PATIENCE_MS)
    found = page.desk.found
    assert found is not None
    assert found.best.foreshortening < 0.05  # a straight vessel along the head's axis
    view = ViewAngles(primary_deg=found.best.primary_deg, secondary_deg=found.best.secondary_deg)
    assert f"Best within reach: {view.words()}" in page.side.best.text()
    assert page.desk.limits.reach(view)
    assert [mark.words for mark in page.plot.marks] == ["best"]


def test_the_dot_is_where_the_c_arm_is_and_a_tried_angle_waits_for_its_next_move(qtbot: QtBot) -> None:
    where = [(30.0, -10.0)]
    page = PlanPage(lambda: where[0])
    qtbot.addWidget(page, before_close_func=lambda page: page.close_page())
    page.resize(1000, 700)
    page.show()
    page.look_at_carm()
    assert page.side.here.text().startswith("C-arm, live: LAO 30 CAU 10")
    place = page.plot.place_of(30, -10).toPoint()
    assert pixels_of(page.plot.grab().toImage())[place.y(), place.x()].min() > 200
    page.try_angles(0.0, 0.0)
    page.look_at_carm()
    assert page.side.here.text().startswith("Tried: ")
    where[0] = (-20.0, 25.0)
    page.look_at_carm()
    assert page.side.here.text().startswith("Tried: ") is False
    assert page.plot.carm == ViewAngles(primary_deg=-20.0, secondary_deg=25.0)


def test_an_unkept_plan_is_not_dropped_at_the_first_step_back(
    qtbot: QtBot, window: GuidanceWindow, page: PlanPage
) -> None:
    page.slices.views["front"].setFocus()
    qtbot.keyClick(window, "L")
    room = window.rooms[0]
    wizard = room.wizard  # type: ignore[attr-defined]
    wizard.go_back()
    assert wizard.step == "plan"
    assert "not kept" in page.line.text()
    wizard.go_back()
    assert wizard.step == "check"


@pytest.mark.usefixtures("at_once")
def test_what_was_corrected_is_written_before_planning_and_the_open_case_knows_the_plan(
    qtbot: QtBot, window: GuidanceWindow, disk: Path, tmp_path: Path
) -> None:
    wizard = checked(qtbot, window, disk)
    wizard.check.structures.choose("vein")
    wizard.check.structures.say("artery")
    wizard.plan_case()
    qtbot.waitUntil(lambda: wizard.step == "plan", timeout=_PATIENCE_MS)
    assert wizard.plan is not None
    plan = wizard.plan
    qtbot.waitUntil(lambda: not plan.desk.busy and plan.side.segments.count() > 1, timeout=_PATIENCE_MS)
    assert wizard.check.edits == ()
    assert [entry.edit.kind for entry in read_by_hand(tmp_path / "cases" / "heart")] == ["say structure"]
    plan.place("target")
    plan.keep()
    qtbot.waitUntil(lambda: not plan.desk.unkept, timeout=_PATIENCE_MS)
    wizard.go_back()
    wizard.go_back()
    qtbot.waitUntil(lambda: window.case is not None, timeout=_PATIENCE_MS)
    assert window.case is not None
    assert window.case.files["landmarks"].path.is_file()
