"""A pedal is learned by pressing it, acts in the live room, and is there again next time."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from guidance_app.panels.hands.gamepads import PadEvent
from guidance_app.panels.hands.hold_ring import HOLD_S
from guidance_app.rooms.settings.place import SettingsPlace
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.panels.hands.made_up_pads import MadeUpPads
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, screen


@pytest.fixture
def window(qtbot: QtBot) -> GuidanceWindow:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    window.go_to("settings")
    return window


def place_of(window: GuidanceWindow) -> SettingsPlace:
    assert window.current is not None
    place = window.current.widget
    assert isinstance(place, SettingsPlace)
    return place


def choose(place: SettingsPlace, action: str) -> None:
    index = place.buttons.choice.findData(action)
    assert index >= 0
    place.buttons.choice.setCurrentIndex(index)
    place.buttons.choice.activated.emit(index)


def test_a_pedal_is_learned_acts_and_is_kept(window: GuidanceWindow, qtbot: QtBot) -> None:
    place = place_of(window)
    qtbot.mouseClick(place.buttons.learn_button, Qt.MouseButton.LeftButton)
    assert "now" in place.buttons.told.text()
    qtbot.keyClick(place.buttons, Qt.Key.Key_F13)
    assert "F13" in place.buttons.told.text()
    choose(place, "live.hide")
    assert list(place.buttons.rows) == ["key:F13"]

    session = StagedSession([screen(0)])
    window.show_session(session, CASE)
    view = window.live.widget.view
    qtbot.waitUntil(lambda: view.painted_screen is not None)
    qtbot.keyPress(window, Qt.Key.Key_F13)
    assert view.overlay_held
    qtbot.keyRelease(window, Qt.Key.Key_F13)
    assert not view.overlay_held

    again = GuidanceWindow(states=window.states())
    qtbot.addWidget(again, before_close_func=lambda window: window.close_rooms())
    assert again.inputs.hands.action_of("key:F13") == "live.hide"


def test_accepting_by_gamepad_wants_a_hold_and_can_be_undone(window: GuidanceWindow, qtbot: QtBot) -> None:
    pads = MadeUpPads("Made-up pad")
    window.watch_pads(pads)
    place = place_of(window)
    qtbot.mouseClick(place.buttons.profile_buttons["Gamepad"], Qt.MouseButton.LeftButton)
    assert "Made-up pad" in place.buttons.pads.text()
    session = StagedSession([screen(0, guidance="proposed")])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: window.live.widget.view.painted_screen is not None)
    pads.waiting = [PadEvent("pad:start", down=True), PadEvent("pad:start", down=False)]
    qtbot.waitUntil(lambda: not pads.waiting)
    assert "accept" not in session.asked
    assert "too soon" in window.strip.message.text()
    pads.waiting = [PadEvent("pad:start", down=True)]
    qtbot.waitUntil(lambda: "accept" in session.asked, timeout=round(5000 * HOLD_S))


def test_escape_ends_learning_and_space_is_learned_like_any_other(window: GuidanceWindow, qtbot: QtBot) -> None:
    place = place_of(window)
    place.learn()
    qtbot.keyClick(place.buttons, Qt.Key.Key_Escape)
    assert place.buttons.told.text() == ""
    place.learn()
    qtbot.keyClick(place.buttons, Qt.Key.Key_Space)
    assert "it means: Play or pause" in place.buttons.told.text()
    choose(place, "live.mask")
    assert window.inputs.hands.action_of("key:Space") == "live.mask"


def test_what_is_removed_comes_back_with_undo(window: GuidanceWindow, qtbot: QtBot) -> None:
    place = place_of(window)
    qtbot.mouseClick(place.buttons.profile_buttons["Presenter"], Qt.MouseButton.LeftButton)
    assert len(place.buttons.rows) == 4
    qtbot.mouseClick(place.buttons.rows["key:PgUp"], Qt.MouseButton.LeftButton)
    assert "key:PgUp" not in place.buttons.rows
    window.toasts.shown[-1].offer_button.click()
    assert "key:PgUp" in place.buttons.rows


def test_a_search_leaves_what_fits(window: GuidanceWindow) -> None:
    place = place_of(window)
    place.search.setText("glove")
    assert place.touch.isVisible()
    assert not place.buttons.isVisible()
    place.search.setText("zebra")
    assert place.nothing_found.isVisible()


def test_large_targets_and_mouse_count_at_once(window: GuidanceWindow) -> None:
    place = place_of(window)
    before = place.buttons.learn_button.height()
    place.touch.click()
    place.buttons.learn_button.ensurePolished()
    assert place.buttons.learn_button.sizeHint().height() > before
    assert window.inputs.hands.touch
    place.right_drag.click()
    assert window.live.right_drag_windows
    assert window.states()["live"]["right_drag_windows"] is True
