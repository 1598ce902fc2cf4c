"""The replay room: two answers to one run, one frame, one zoom, and the distance between them."""

from __future__ import annotations

import csv
import json

import pytest
from PyQt6.QtCore import QPointF, Qt

from engines.anatomy.cases.case import load_case
from guidance_app.rooms.replay import take_desk
from guidance_app.rooms.replay.room import ReplayRoom
from guidance_app.rooms.replay.side import FROM_POSE, RECORDED, SEARCHED
from guidance_app.views import palette
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.replay.takes import FRAMES, compute_for_ever, compute_stand_in, fail, write_take

Key = Qt.Key
TOTAL = 45


@pytest.fixture
def opened(window_with, monkeypatch):
    monkeypatch.setattr(take_desk, "compute_take", compute_stand_in)
    window = window_with(ReplayRoom)
    window._set_case(load_case("coronary"))
    window.rooms[0].enter(window.case)
    return window, window.rooms[0].widget


@pytest.fixture
def computed(opened, qtbot):
    window, place = opened
    qtbot.keyClick(window, Key.Key_1)
    qtbot.keyClick(window, Key.Key_2)
    qtbot.waitUntil(lambda: all(side.screens is not None for side in place.sides.values()), timeout=60_000)
    return window, place


def frames(place):
    return {side.view.screen_state.frame.index for side in place.sides.values()}


def notes(side):
    side.view.repaint()
    return " ".join(line for text in side.view.painted_texts for line in text.lines)


def test_before_anything_is_computed_both_show_the_run_and_no_overlay(opened):
    _, place = opened
    assert place.playback.total == TOTAL
    for side in place.sides.values():
        assert side.view.screen_state.overlay is None
        assert "NOT REGISTERED" in notes(side)
        assert side.title.text() == "Nothing computed yet"
    assert "no pose in A and B" in place.told.text()


def test_which_is_which_stands_above_and_on_each_picture(computed):
    _, place = computed
    for letter, backend in (("A", "auto"), ("B", "torch")):
        side = place.sides[letter]
        assert side.mark.text() == letter
        assert f"stand-in on {backend}" in side.title.text()
        assert f"{letter}: {backend}" in notes(side)


def test_one_key_moves_both_and_states_are_each_ones_own(computed, qtbot):
    window, place = computed
    qtbot.keyClick(window, Key.Key_Home)
    for _ in range(3):
        qtbot.keyClick(window, Key.Key_Right)
    assert frames(place) == {3}
    first, second = (side.view.screen_state for side in place.sides.values())
    assert (first.guidance_state, first.overlay_state) == ("accepted", "valid")
    assert (second.guidance_state, second.overlay_state) == ("unregistered", "hidden")
    assert "OVERLAY VALID" in notes(place.sides["A"])
    assert "OVERLAY VALID" not in notes(place.sides["B"])
    assert "no pose in B" in place.told.text()
    qtbot.keyClick(window, Key.Key_End)
    assert frames(place) == {TOTAL - 1}


def test_the_distance_is_that_of_the_poses(computed, qtbot):
    window, place = computed
    place.playback.go_to(10)
    assert set(place.away) == set(range(4, TOTAL))
    assert place.away[10].space_mm == pytest.approx(3.0, abs=1e-6)
    # To the patient's left, seen from the front: across the picture, and nearly at the isocentre's depth.
    assert place.away[10].picture_mm == pytest.approx(3.0, abs=0.6)
    assert f"{place.away[10].picture_mm:.2f} mm apart in the picture; 3.00 mm in space" in place.told.text()
    assert f"over {TOTAL - 4} frames" in place.strip.words
    place.strip.repaint()
    picture = place.strip.grab().toImage()
    x = place.strip.width() * 0.02
    assert picture.pixelColor(round(x), place.strip.height() - 8).name() != palette.TEXT  # no pose in both: no bar
    qtbot.keyClick(window, Key.Key_S)
    assert place.away[10].space_mm == pytest.approx(3.0, abs=1e-6)
    assert "stand-in on torch" in place.sides["A"].title.text()
    assert place.sides["A"].backend.currentText() == "torch"


def test_either_timeline_and_the_strip_scrub_both(computed, qtbot):
    _, place = computed
    line = place.sides["B"].timeline
    qtbot.mousePress(line, Qt.MouseButton.LeftButton, pos=QPointF(line.width() / 2, 20).toPoint())
    assert frames(place) == {line.frame_at(line.width() / 2)}
    qtbot.mousePress(place.strip, Qt.MouseButton.LeftButton, pos=QPointF(place.strip.width() - 14, 40).toPoint())
    assert frames(place) == {TOTAL - 1}


def test_timelines_know_every_frame_before_it_was_played(computed):
    _, place = computed
    assert "no overlay" in place.sides["A"].timeline.words_at(1)
    assert "vessels confirm the overlay" in place.sides["A"].timeline.words_at(40)
    assert "no overlay" in place.sides["B"].timeline.words_at(3)


def test_zoom_window_and_look_are_shared(computed, qtbot):
    window, place = computed
    first, second = (side.view for side in place.sides.values())
    second.zoom(2.0)
    place.linked.follow()
    assert first.viewport == second.viewport
    first.invert()
    place.linked.follow()
    assert second.window_level is not None
    assert second.window_level.inverted
    qtbot.keyClick(window, Key.Key_V)
    assert first.mode == second.mode != "outline"
    qtbot.keyPress(window, Key.Key_O)
    assert first.overlay_held
    assert second.overlay_held
    qtbot.keyRelease(window, Key.Key_O)
    assert not second.overlay_held


def test_it_plays_repeats_a_stretch_and_changes_its_pace(computed, qtbot):
    window, place = computed
    qtbot.keyClick(window, Key.Key_Home)
    place.playback.go_to(6)
    qtbot.keyClick(window, Key.Key_A)
    place.playback.go_to(8)
    qtbot.keyClick(window, Key.Key_A)
    assert place.playback.stretch == (6, 8)
    qtbot.keyClick(window, Key.Key_Period)
    assert place.playback.speed == 2.0
    seen = []
    before = place.playback._show
    place.playback._show = lambda frame, playing: (seen.append(frame), before(frame, playing))
    qtbot.keyClick(window, Key.Key_Space)
    qtbot.waitUntil(lambda: seen.count(6) >= 2, timeout=10_000)
    assert set(seen) == {6, 7, 8}
    assert len(frames(place)) == 1
    assert "PAUSED" not in notes(place.sides["A"])
    qtbot.keyClick(window, Key.Key_Space)
    assert not place.playback.playing
    assert "PAUSED" in notes(place.sides["A"])
    assert place.sides["A"].timeline.stretch == (6, 8)


def test_a_published_method_is_chosen_for_one_side_and_named_above_its_picture(opened, qtbot):
    window, place = opened
    side = place.sides["B"]
    side.registers.setCurrentText("deepiterreg")
    assert "network on all vessels" in side.registers.itemData(
        side.registers.currentIndex(), Qt.ItemDataRole.ToolTipRole
    )
    qtbot.keyClick(window, Key.Key_2)
    qtbot.waitUntil(lambda: side.screens is not None, timeout=60_000)
    assert "from the pose of deepiterreg (accepted)" in side.title.text()
    assert "B: deepiterreg" in notes(side)
    place.swap()
    assert place.sides["A"].registers.currentText() == "deepiterreg"
    assert side.registers.currentText() == "Live search"
    side.choose(FROM_POSE)
    assert not side.registers.isEnabled()
    assert side.recipe.method == ""


def test_a_recording_is_shown_as_it_was_beside_one_computed_anew(opened, qtbot, tmp_path):
    window, place = opened
    write_take(tmp_path / "live.mcap", left_mm=1.0, first=3)
    assert place.open(tmp_path / "live.mcap") == ""
    first, second = place.sides.values()
    assert first.method == RECORDED
    assert not first.backend.isEnabled()
    assert second.method == SEARCHED
    assert first.title.text() == "As it was recorded"
    assert second.screens is None
    window.grab()
    assert first.view.size() == second.view.size()  # though only one of them has a timeline
    qtbot.keyClick(window, Key.Key_2)
    qtbot.waitUntil(lambda: second.screens is not None, timeout=60_000)
    assert place.away[5].space_mm == pytest.approx(2.0, abs=1e-6)
    first.choose(SEARCHED)  # its reader is closed with what it showed, and the run is still there
    qtbot.keyClick(window, Key.Key_1)
    qtbot.waitUntil(lambda: "stand-in" in first.title.text(), timeout=60_000)
    qtbot.keyClick(window, Key.Key_End)
    assert frames(place) == {FRAMES - 1}


def test_export_holds_what_is_seen(computed, tmp_path):
    _, place = computed
    place.export(tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert len(rows) == TOTAL
    assert (rows[3]["a_overlay"], rows[3]["b_overlay"], rows[3]["picture_mm"]) == ("valid", "hidden", "")
    assert float(rows[10]["space_mm"]) == pytest.approx(3.0, abs=1e-4)
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert written["compared"] == TOTAL - 4
    assert written["research_use_only"] == "not a medical device"
    assert (tmp_path / "out" / "replay.png").is_file()


def test_nothing_is_computed_while_guidance_runs(opened, qtbot, monkeypatch):
    window, place = opened
    monkeypatch.setattr(take_desk, "compute_take", compute_for_ever)
    qtbot.keyClick(window, Key.Key_1)
    assert place.sides["A"].job is not None
    monkeypatch.setattr(GuidanceWindow, "guiding", property(lambda _self: "a run plays"))
    qtbot.waitUntil(lambda: place.sides["A"].job is None, timeout=20_000)
    assert place.sides["A"].screens is None
    qtbot.keyClick(window, Key.Key_1)
    assert place.sides["A"].job is None
    assert "Nothing is computed while live guidance runs" in window.strip.message.text()


def test_what_fails_is_one_line_and_what_was_there_stays(computed, qtbot, monkeypatch):
    window, place = computed
    before = place.sides["A"].screens
    monkeypatch.setattr(take_desk, "compute_take", fail)
    qtbot.keyClick(window, Key.Key_1)
    qtbot.waitUntil(lambda: place.sides["A"].job is None, timeout=60_000)
    assert place.state.text() == "A: run.dcm: no frame can be decoded"
    assert place.sides["A"].screens is before


def test_what_cannot_be_opened_is_one_line_and_the_run_stays(opened, tmp_path):
    _, place = opened
    (tmp_path / "torn.mcap").write_bytes(b"\x89MCAP0\r\n")
    before = place.source
    line = place.open(tmp_path / "torn.mcap")
    assert "torn.mcap" in line
    assert "\n" not in line
    assert (place.source, place.playback.total) == (before, TOTAL)
    assert "gone.dcm" in place.open(tmp_path / "gone.dcm")


def test_without_a_case_it_says_where_to_go(window_with, qtbot):
    window = window_with(ReplayRoom)
    assert "No case is open" in window.rooms[0].widget.state.text()
    qtbot.keyClick(window, Key.Key_1)
    assert "No case is open" in window.strip.message.text()
    qtbot.keyClick(window, Key.Key_Space)
    assert window.strip.message.text() == "No run is open"
