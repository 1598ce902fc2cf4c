"""Correcting a fusion in the room, by mouse and keyboard: handles, brush, branches, stenoses, undo, export."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QPushButton

from engines.cmr.correcting.from_files import take_up
from engines.cmr.correcting.session import CorrectedFusion
from engines.cmr.fuse_files import fuse_files
from engines.simulation.cmr.case import simulate_cmr_case
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.cmr.correcting import hand_work
from guidance_app.rooms.cmr.room import CmrRoom
from tests.guidance_app.mouse import move_mouse


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_hand")
    case = simulate_cmr_case(1, folder / "case", spacing_mm=1.7)
    study = case / "perfusion" / "perfusion.json"
    study.write_text(json.dumps(json.loads(study.read_text()) | {"rest": []}))  # stress alone: half the time
    fuse_files(
        case / "cta.nii.gz", case / "perfusion", folder / "out", ct_masks=case / "ct_masks",
        coronaries=case / "coronaries.vtp",
    )  # fmt: skip
    return folder / "out"


@pytest.fixture
def window(window_with):
    return window_with(CmrRoom)


@pytest.fixture(scope="module")
def taken(fused):
    return take_up(fused)


@pytest.fixture
def place(window, fused, taken, qtbot, monkeypatch):
    """Measured once for all tests; each has corrections of its own."""
    own = replace(taken, session=CorrectedFusion(taken.session.measured))
    monkeypatch.setattr(hand_work, "take_up", lambda *_: own)
    room = window.rooms[0]
    assert room.open_result(fused) == ""
    qtbot.waitUntil(lambda: room.place.ct is not None and not room.place.busy, timeout=120_000)
    qtbot.keyClick(window, Qt.Key.Key_C)
    qtbot.waitUntil(lambda: room.place.hand.active and not room.place.busy, timeout=120_000)
    return room.place


def drag(view, start, end, button=Qt.MouseButton.LeftButton):
    QTest.mousePress(view, button, Qt.KeyboardModifier.NoModifier, start)
    for share in (0.3, 0.7, 1.0):
        move_mouse(view, start + (end - start) * share)
    QTest.mouseRelease(view, button, Qt.KeyboardModifier.NoModifier, end)


def settled(place, qtbot):
    qtbot.waitUntil(lambda: not place.busy, timeout=120_000)


def handle_at(view, name):
    one = next(one for one in view.handles if one.name == name)
    return view.view_px(one.x_mm, one.y_mm).toPoint()


def test_before_correcting_no_handle_shows_and_undo_says_what_to_press(window, fused, qtbot):
    room = window.rooms[0]
    assert room.open_result(fused) == ""
    qtbot.waitUntil(lambda: not room.place.busy, timeout=120_000)
    assert room.place.slice.handles == ()
    assert room.place.correcting.panel.isHidden()
    qtbot.keyClick(window, Qt.Key.Key_U)
    assert "Correct" in window.strip.message.text()


def test_the_apex_is_dragged_and_undone(place, window, qtbot):
    view = place.sections.long[True]
    before = place.opened.frame
    picture = pixels_of(view.grab().toImage())
    start = handle_at(view, "apex")
    drag(view, start, start + QPoint(14, 0))
    settled(place, qtbot)
    after = place.opened.frame
    moved = after.apex_mm - before.apex_mm
    wanted = 14 / (view.view_px(1, 0) - view.view_px(0, 0)).x()
    assert -float(moved @ before.right) == pytest.approx(wanted, abs=1.0)
    assert "apex moved by" in place.correcting.panel.said.text()
    assert "CORRECTED BY HAND" in place.banner.figures.text()
    assert not np.array_equal(pixels_of(view.grab().toImage()), picture)
    qtbot.keyClick(window, Qt.Key.Key_U)
    settled(place, qtbot)
    np.testing.assert_allclose(place.opened.frame.apex_mm, before.apex_mm)
    assert place.opened.found.by_hand == ()


def test_an_insertion_is_turned_in_the_short_axis(place, qtbot):
    before = place.opened.frame.anterior_rad
    start = handle_at(place.slice, "anterior")
    drag(place.slice, start, start + QPoint(25, 0))  # away from the septum, which lies left
    settled(place, qtbot)
    assert place.opened.frame.anterior_rad > before
    assert any("anterior RV insertion" in line for line in place.opened.found.by_hand)


def test_a_slice_is_moved_in_the_cine(place, qtbot):
    number = place.cine.number
    before = place.hand.fusion.links[number].cmr_from_ct.copy()
    start = handle_at(place.cine_view, "slice")
    drag(place.cine_view, start, start + QPoint(0, 12))
    settled(place, qtbot)
    shift = np.linalg.inv(place.hand.fusion.links[number].cmr_from_ct)[:3, 3] - np.linalg.inv(before)[:3, 3]
    per_mm = (place.cine_view.view_px(1, 0) - place.cine_view.view_px(0, 0)).x()
    assert -float(shift @ place.opened.frame.anterior) == pytest.approx(12 / per_mm, abs=0.6)


def test_the_brush_paints_the_wall_and_the_right_button_wipes(place, window, qtbot):
    number, view = place.cine.number, place.cine_view
    before = place.hand.fusion.slices[number].wall.wall.sum()
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert view.brush_mm > 0
    assert place.cine.frame == place.cine.slice.part.reference
    start = view.view_px(0, -34).toPoint()
    drag(view, start, start + QPoint(20, 0))
    settled(place, qtbot)
    painted = place.hand.fusion.slices[number].wall.wall.sum()
    assert painted > before
    drag(view, start, start + QPoint(20, 0), Qt.MouseButton.RightButton)
    settled(place, qtbot)
    assert place.hand.fusion.slices[number].wall.wall.sum() < painted
    assert any("drawn" in line for line in place.opened.found.by_hand)
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert view.brush_mm == 0


def test_a_branch_is_named_and_hidden_by_the_panel(place, qtbot):
    panel = place.correcting.panel
    names = [part.name for part in place.hand.fusion.tree]
    panel.branches.setCurrentIndex(names.index("LCx"))
    qtbot.mouseClick(panel.vessels["RCA"], Qt.MouseButton.LeftButton)
    settled(place, qtbot)
    assert "LCx named RCA" in place.opened.found.by_hand
    assert not (place.opened.territory == 2).any()
    qtbot.mouseClick(panel.hide_button, Qt.MouseButton.LeftButton)
    settled(place, qtbot)
    assert "LCx (hidden)" in panel.branches.currentText()


def test_a_stenosis_is_set_then_rejected_and_the_export_says_so(place, window, qtbot, tmp_path):
    panel = place.correcting.panel
    count = len(place.opened.found.stenoses)
    panel.branches.setCurrentIndex([part.name for part in place.hand.fusion.tree].index("RCA"))
    panel.slider.setValue(60)
    panel.percent.setValue(85)
    qtbot.mouseClick(panel.set_button, Qt.MouseButton.LeftButton)
    settled(place, qtbot)
    assert len(place.opened.found.stenoses) == count + 1
    assert "RCA 85 %" in place.lesions.item(0).text()
    place.lesions.setCurrentRow(len(place.opened.found.stenoses) - 1)
    qtbot.keyClick(window, Qt.Key.Key_Delete)
    settled(place, qtbot)
    assert len(place.opened.found.stenoses) == count
    place.export(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "result.json").read_text())
    assert any("RCA set to 85 %" in line for line in told["by_hand"])
    assert "# corrected by hand:" in (tmp_path / "out" / "lesions.csv").read_text()
    assert not (tmp_path / "out" / "inputs.json").exists()


def test_what_cannot_be_taken_up_is_one_line(window, fused, qtbot, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in fused.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "inputs.json").write_text("{}")
    room = window.rooms[0]
    assert room.open_result(copy) == ""
    qtbot.waitUntil(lambda: not room.place.busy, timeout=120_000)
    button = next(b for b in room.place.findChildren(QPushButton) if b.toolTip().startswith("Correct by hand"))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not room.place.busy, timeout=120_000)
    assert "fuse the case again" in window.strip.message.text()
    assert not room.place.hand.active
