"""Cine and curves of a result: played, stepped, hovered and clicked; and what is said where a result has none."""

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QPushButton

from engines.cmr.results.session_file import SESSION
from guidance_app.panels.pictures.grey import pixels_of
from guidance_app.rooms.cmr.pictures.curve_view import GONE, SLOPE
from guidance_app.rooms.cmr.room import CmrRoom
from tests.guidance_app.mouse import move_mouse
from tests.guidance_app.rooms.cmr.small_result import make_result
from tests.guidance_app.rooms.cmr.small_session import BEATS, EXCLUDED, JUMPS, write_small_session


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return write_small_session(make_result(tmp_path_factory.mktemp("cine")))


@pytest.fixture
def window(window_with):
    return window_with(CmrRoom)


@pytest.fixture
def place(window, result, qtbot):
    room = window.rooms[0]
    assert room.open_result(result) == ""
    qtbot.waitUntil(lambda: room.place.ct is not None and not room.place.busy, timeout=20_000)
    return room.place


def picture(view):
    return pixels_of(view.grab().toImage()).astype(int)


def rgb(colour):
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])


def painted_in(view, colour):
    return int((np.abs(picture(view) - rgb(colour)).max(axis=2) < 24).sum())


def test_arrows_go_from_beat_to_beat_and_round(place, window, qtbot):
    place.cine.to_frame(BEATS - 2)
    qtbot.keyClick(window, Qt.Key.Key_Right)
    assert f"beat {BEATS} of {BEATS}" in place.cine_view.corner
    qtbot.keyClick(window, Qt.Key.Key_Right)
    assert place.cine.frame == 0
    qtbot.keyClick(window, Qt.Key.Key_Left)
    assert place.cine.frame == BEATS - 1


def test_space_plays_and_stops_the_cine(place, window, qtbot):
    before = place.cine.frame
    qtbot.keyClick(window, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: place.cine.frame != before, timeout=2000)
    qtbot.keyClick(window, Qt.Key.Key_Space)
    assert not place.cine.playing


def test_m_shows_the_pictures_as_they_were_scanned(place, window, qtbot):
    place.cine.to_frame(JUMPS)
    corrected = picture(place.cine_view)
    qtbot.keyClick(window, Qt.Key.Key_M)
    assert "as scanned" in place.cine_view.corner
    moved = np.abs(picture(place.cine_view) - corrected).max(axis=2) > 60
    assert moved.mean() > 0.01, "the ring lies elsewhere in this beat"
    qtbot.keyClick(window, Qt.Key.Key_M)
    assert (picture(place.cine_view) == corrected).all()


def _middle(view):
    """Pixels of the view's middle, away from words."""
    whole = picture(view)
    high, wide = whole.shape[0], whole.shape[1]
    return whole[high // 2 : high * 3 // 4, wide // 4 : wide * 3 // 4].mean(axis=2)


def test_slice_and_ct_are_blended_shown_in_turns_and_in_squares_by_key_and_by_mouse(place, window, qtbot):
    place.hold_overlay(True)
    place.to_level(0.5)
    alone = _middle(place.cine_view)
    qtbot.keyClick(window, Qt.Key.Key_X)
    blend = _middle(place.cine_view)
    assert "blend with the CT" in place.cine_view.corner
    qtbot.keyClick(window, Qt.Key.Key_X)
    assert "now CMR" in place.cine_view.corner
    assert (_middle(place.cine_view) == alone).all()
    qtbot.waitUntil(lambda: "now CT" in place.cine_view.corner, timeout=2000)
    ct = _middle(place.cine_view)
    assert np.abs(blend - 0.5 * (alone + ct)).max() < 12
    button = next(one for one in place.findChildren(QPushButton) if one.text() == "Blend")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    squares = _middle(place.cine_view)
    from_ct = np.abs(squares - ct) < np.abs(squares - alone)
    differ = np.abs(alone - ct) > 40
    assert 0.25 < from_ct[differ].mean() < 0.75
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert (_middle(place.cine_view) == alone).all()
    place.hold_overlay(False)


def test_without_a_ct_nothing_is_compared_and_the_line_says_why(place, window, qtbot):
    kept, place.sections.ct = place.sections.ct, None
    qtbot.keyClick(window, Qt.Key.Key_X)
    assert place.cine.mix == 0
    assert "no CT is shown" in window.strip.message.text()
    place.sections.ct = kept


def test_the_slice_beside_the_section_is_the_nearest_one(place):
    for level, number in ((0.15, 0), (0.55, 1), (0.95, 2)):
        place.to_level(level)
        assert place.cine.number == number


def test_hovering_a_segment_draws_its_curve_with_the_fitted_slope(place, qtbot):
    place.light(0)
    assert painted_in(place.plot, SLOPE) == 0
    move_mouse(place.eye, place.eye.place_of(8).toPoint())
    qtbot.waitUntil(lambda: place.plot.curves.name == "8 mid anteroseptal")
    assert painted_in(place.plot, SLOPE) > 30
    assert place.plot.curves.slope[3] > 0.1


def test_hovering_a_pixel_of_the_cmr_draws_its_curve_and_lights_its_segment(place):
    place.to_level(0.5)
    place.cine_view.pointed.emit(0.0, -26.0)  # anterior is on top
    assert place.eye.lit == 7
    assert place.plot.curves.name == "a pixel of the wall"
    place.cine_view.pointed.emit(0.0, 0.0)
    assert place.eye.lit == 0
    assert place.plot.curves.name == "whole wall of the slice"


def test_beats_left_out_are_marked_in_the_plot_and_in_words(place):
    assert painted_in(place.plot, GONE) > 100
    place.cine.to_frame(EXCLUDED)
    assert "left out" in place.cine_view.corner


def test_a_click_in_the_curves_moves_the_cine_to_that_beat(place, qtbot):
    qtbot.mouseClick(place.plot, Qt.MouseButton.LeftButton, pos=QPoint(round(place.plot.x_of(9)), 60))
    assert place.cine.frame == 9
    assert "beat 10 of" in place.cine_view.corner


def test_a_click_in_a_long_section_brings_the_short_one_there(place):
    place.sections.long[True].clicked.emit(0.0, -0.3 * place.opened.frame.length_mm)
    assert place.level == pytest.approx(0.8)


def test_a_result_without_a_session_opens_and_says_what_is_missing(window, tmp_path, qtbot):
    room = window.rooms[0]
    assert room.open_result(make_result(tmp_path)) == ""
    assert "no session.npz" in room.place.cine_view.corner
    assert "fuse the case again" in room.place.plot.words
    for key in (Qt.Key.Key_Space, Qt.Key.Key_M, Qt.Key.Key_Right):
        qtbot.keyClick(window, key)
        assert "no session.npz" in window.strip.message.text()
    qtbot.waitUntil(lambda: not room.place.busy, timeout=20_000)


@pytest.mark.parametrize("damage", ["cut", "of something else", "short"])
def test_a_damaged_session_is_one_line(window, tmp_path, damage):
    result = write_small_session(make_result(tmp_path))
    path = result / SESSION
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with np.load(path) as kept:
            arrays = dict(kept)
        arrays |= {"schema": np.array("other")} if damage == "of something else" else {"times_ms_1": np.arange(3.0)}
        np.savez(path, **arrays)
    why = window.rooms[0].start.open_folder(result)
    assert "session.npz" in why
    assert "\n" not in why
    assert window.rooms[0].place is None
