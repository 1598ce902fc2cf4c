"""The IVUS room with a result: scrub, rescue, verdict, cancel and export, by mouse and keyboard."""

import json

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt

from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.ivus.room import IvusRoom
from guidance_app.views import palette
from tests.guidance_app.rooms.ivus.small_result import make_result


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("room") / "case")


@pytest.fixture
def window(window_with):
    return window_with(IvusRoom)


@pytest.fixture
def room(window, result, qtbot):
    room = window.rooms[0]
    assert room.open_result(result) == ""
    qtbot.waitUntil(lambda: room.place.desk.matter is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not room.place.busy, timeout=20_000)
    return room


def press(qtbot, window, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(window, key, modifier)


def settled(qtbot, place):
    qtbot.waitUntil(lambda: not place.busy, timeout=20_000)


def test_the_verdict_is_read_first(room):
    place = room.place
    assert place.banner.word.text().endswith(place.desk.verdict)
    assert "Next:" in place.banner.next.text()
    assert place.desk.verdict == ("TRUSTED" if not place.desk.fusion.flags else "CHECK")


def test_arrows_scrub_everything_at_once(room, window, qtbot):
    place = room.place
    before = place.desk.frame
    picture = pixels_of(place.ivus.grab().toImage())
    press(qtbot, window, Qt.Key.Key_Right)
    press(qtbot, window, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert abs(place.desk.frame - before) in (10, 11)
    here = place.desk.fusion.place_mm[place.desk.frame]
    assert here > place.desk.fusion.place_mm[before]  # right is away from the ostium
    assert place.lanes.cursor_mm == pytest.approx(here)
    assert place.plot.cursor_mm == pytest.approx(here)
    assert (pixels_of(place.ivus.grab().toImage()) != picture).any()
    assert f"frame {place.desk.frame} " in place.ivus.corner


def test_the_mouse_scrubs_in_the_lanes(room, qtbot):
    place = room.place
    middle = float(np.median(place.desk.fusion.place_mm))
    at = QPoint(round(place.lanes.x_px(middle)), 30)
    qtbot.mousePress(place.lanes, Qt.MouseButton.LeftButton, pos=at)
    assert place.desk.fusion.place_mm[place.desk.frame] == pytest.approx(middle, abs=0.6)


def test_both_pictures_show_the_lumen_at_one_scale_and_one_cursor(room):
    place = room.place
    place.cross.pointed.emit(1.0, -0.5)
    assert place.ivus.cursor_mm == place.cross.cursor_mm == (1.0, -0.5)
    for view in (place.ivus, place.cross):
        pixels = pixels_of(view.grab().toImage()).astype(int)
        assert (np.abs(pixels - [255, 138, 61]).max(axis=2) < 40).sum() > 100  # the ultrasound's lumen, in both


def test_overlays_are_hidden_only_while_o_is_held(room, window, qtbot):
    place = room.place
    qtbot.keyPress(window, Qt.Key.Key_O)
    assert place.ivus.outlines_hidden
    qtbot.keyRelease(window, Qt.Key.Key_O)
    assert not place.ivus.outlines_hidden


def test_the_cut_turns_the_long_views(room, window, qtbot):
    before = pixels_of(room.place.lanes.grab().toImage())
    for _ in range(6):
        press(qtbot, window, Qt.Key.Key_BracketRight)
    assert (pixels_of(room.place.lanes.grab().toImage()) != before).mean() > 0.02
    assert np.rad2deg(room.place.desk.cut_rad) == pytest.approx(45.0)


def test_a_slide_ranks_again_is_told_and_undone(room, window, qtbot):
    place = room.place
    before = place.desk.fusion.place_mm[place.desk.frame]
    for _ in range(2):
        room.place.slide(2.0)
        settled(qtbot, place)
    moved = place.desk.fusion.place_mm[place.desk.frame] - before
    assert moved > 0.8
    assert "WITH_MANUAL_HELP" in place.desk.fusion.flags
    assert place.desk.verdict == "CHECK"
    assert "with manual help" in place.banner.figures.text()
    press(qtbot, window, Qt.Key.Key_U)
    press(qtbot, window, Qt.Key.Key_U)
    assert place.desk.fusion.place_mm[place.desk.frame] == pytest.approx(before)
    assert "WITH_MANUAL_HELP" not in place.desk.fusion.flags


def test_a_landmark_pair_keeps_a_right_answer_right(room, window, qtbot):
    place, fusion = room.place, room.place.desk.fusion
    press(qtbot, window, Qt.Key.Key_L)
    place.ivus.clicked.emit(1.5, 0.0)
    place.cross.clicked.emit(1.5, 0.0)
    settled(qtbot, place)
    after = place.desk.fusion
    assert len(place.desk.acts) == 1
    assert np.median(np.abs(after.place_mm - fusion.place_mm)) < 0.6
    assert after.handedness == fusion.handedness


def test_each_candidate_shows_what_the_ct_would_show_there(room):
    place = room.place
    icons = [place.candidates.item(k).icon() for k in range(place.candidates.count())]
    assert icons
    for icon in icons:
        pixels = pixels_of(icon.pixmap(44, 44).toImage())
        assert pixels.std() > 5.0


def test_a_verdict_is_given_and_taken_back_by_keys(room, window, qtbot):
    place = room.place
    press(qtbot, window, Qt.Key.Key_X)
    assert place.banner.word.text().endswith("REJECTED")
    press(qtbot, window, Qt.Key.Key_U)
    press(qtbot, window, Qt.Key.Key_A)
    assert place.desk.review == "accepted"
    assert "accepted by you" in place.banner.next.text()


def test_an_export_is_whole_and_names_nobody(room, result, tmp_path):
    place = room.place
    place.bookmark("ostium of D1")
    for _ in range(2):
        place.measure()
    for corner in ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0), (0.1, 0.1)):
        place.ivus.clicked.emit(*corner)
    place.accept()
    out = tmp_path / "export"
    place.export(out, film=False)
    assert sorted(path.name for path in out.iterdir()) == [
        "figure.png", "frames.csv", "panel.png", "pullback.vtp", "result.json",
    ]  # fmt: skip
    stored = json.loads((out / "result.json").read_text())
    assert stored["review"]["by_person"] == "accepted"
    assert stored["review"]["measurements"][0]["area_mm2"] == 4.0
    rows = (out / "frames.csv").read_text().splitlines()
    assert rows[0] == f"# {palette.RESEARCH_LINE}"
    assert len(rows) == 2 + place.desk.frames
    assert "ostium of D1" in "".join(rows)
    for name in ("result.json", "frames.csv", "pullback.vtp"):
        assert str(result.parent).encode() not in (out / name).read_bytes()


def test_a_folder_without_a_result_is_one_line(window, tmp_path):
    why = window.rooms[0].start.open_folder(tmp_path)
    assert str(tmp_path) in why
    assert "\n" not in why


def test_a_cancelled_job_is_gone_within_a_second_and_leaves_nothing(window, result, qtbot, tmp_path):
    start = window.rooms[0].start
    start.open_folder(result.parent)  # a case folder fills the form
    start.fields["out"].setText(str(tmp_path / "work" / "out"))
    qtbot.mouseClick(start.run_button, Qt.MouseButton.LeftButton)
    assert start.job is not None
    qtbot.mouseClick(start.cancel_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: start.job is None, timeout=1000)
    assert list((tmp_path / "work").iterdir()) == []
    assert start.run_button.isEnabled()


def test_a_job_that_fails_is_one_line(window, qtbot, tmp_path):
    start = window.rooms[0].start
    given = (("cta", "nowhere.nii.gz"), ("centerline", "x.csv"), ("pullback", "y"), ("out", str(tmp_path / "out")))
    for name, text in given:
        start.fields[name].setText(text)
    start.start()
    qtbot.waitUntil(lambda: start.job is None, timeout=60_000)
    assert start.line.text().startswith("Failed: y")
    assert "\n" not in start.line.text()


def test_a_folder_with_other_files_is_never_replaced(window, result):
    start = window.rooms[0].start
    start.open_folder(result.parent)
    start.fields["out"].setText(str(result.parent))
    start.start()
    assert start.job is None
    assert "holds other files" in start.line.text()
