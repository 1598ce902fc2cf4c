"""Rooms know the window through `House` alone, and the window rooms through `Room` alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import JsonValue
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from guidance_app.panels.action import Action
from guidance_app.panels.command_palette import matching
from guidance_app.panels.icons import IconName
from guidance_app.panels.jobs.work import Work
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.registry import ROOMS
from guidance_app.rooms.room import House, Room
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.panels import jobs_to_do
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, screen


class EmptyRoom(Room):
    """What a new room has to be, and no more, apart from what the tests look at."""

    id = "empty"
    name = "Empty"
    icon: IconName = "room"

    def __init__(self, house: House) -> None:
        self.house = house
        self.waved = 0
        self.entered: list[Any] = []
        self.refuses = ""
        self.closed = 0
        self.state: Mapping[str, JsonValue] = {}

    @property
    def widget(self) -> QWidget:
        return self._place

    @cached_property
    def _place(self) -> QWidget:
        place = QWidget()
        place.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        layout = QVBoxLayout(place)
        self.button = QPushButton("Wave")
        self.button.clicked.connect(self._wave)
        layout.addWidget(self.button)
        return place

    def actions(self) -> tuple[Action, ...]:
        return (Action(id="empty.wave", words="Wave to the other room", keys=("W",), press=self._wave),)

    def enter(self, case: Any) -> None:
        self.entered.append(case)

    def leave(self) -> str:
        return self.refuses

    def close(self) -> None:
        self.closed += 1

    def saved_state(self) -> Mapping[str, JsonValue]:
        return {"waved": self.waved}

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        self.state = state

    def _wave(self) -> str:
        self.waved += 1
        return "Waved"


@pytest.fixture
def window(qtbot: QtBot) -> GuidanceWindow:
    window = GuidanceWindow(make_rooms=(*ROOMS, EmptyRoom), states={"empty": {"waved": 7}})
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.go_to("case")
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    return window


def empty_room(window: GuidanceWindow) -> EmptyRoom:
    room = window.rooms[-1]
    assert isinstance(room, EmptyRoom)
    return room


def test_an_empty_room_stands_in_the_rail_and_its_action_in_keys_help_and_palette(
    qtbot: QtBot, window: GuidanceWindow
) -> None:
    room = empty_room(window)
    assert window.rail.button(len(window.rooms) - 1).text() == "Empty"
    number = Qt.Key(Qt.Key.Key_0 + len(window.rooms))
    qtbot.keyPress(window, number, Qt.KeyboardModifier.ControlModifier)
    assert window.current is room
    assert room.entered == [None]
    qtbot.keyPress(window, Qt.Key.Key_W)
    assert (room.waved, window.strip.message.text()) == (1, "Waved")
    qtbot.keyPress(window, Qt.Key.Key_F1)
    assert "Wave to the other room" in {label.text() for label in window.keys.findChildren(QLabel)}
    qtbot.keyPress(window, Qt.Key.Key_Escape)
    qtbot.keyPress(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(window.palette_box.field, "other wave")
    assert window.palette_box.list.count() == 1
    qtbot.keyPress(window.palette_box.field, Qt.Key.Key_Return)
    assert room.waved == 2
    assert window.palette_box.isHidden()
    assert QApplication.activeModalWidget() is None


def test_a_room_keeps_its_state_from_one_start_to_the_next(window: GuidanceWindow) -> None:
    assert empty_room(window).state == {"waved": 7}
    assert window.states()["empty"] == {"waved": 0}


def test_a_room_that_must_not_be_left_says_why_and_stays(qtbot: QtBot, window: GuidanceWindow) -> None:
    room = empty_room(window)
    window.go_to("empty")
    room.refuses = "The contour is not saved; save or discard it"
    qtbot.mouseClick(window.rail.button(0), Qt.MouseButton.LeftButton)
    assert window.strip.message.text() == room.refuses
    assert window.current is room
    assert window.rail.button(len(window.rooms) - 1).isChecked()
    room.refuses = ""
    qtbot.mouseClick(window.rail.button(0), Qt.MouseButton.LeftButton)
    assert window.current is window.rooms[0]


def test_a_room_hears_of_the_case_when_it_is_entered_and_when_the_case_changes(window: GuidanceWindow) -> None:
    room = empty_room(window)
    case: Any = SimpleNamespace(id="case-8", kind="coronary", folder=Path("case-8"), recordings=(), files={})
    window.go_to("empty")
    window.show_case(case)
    assert room.entered == [None, case]
    assert "case-8" in window.windowTitle()


def test_every_room_ends_with_the_window(window: GuidanceWindow) -> None:
    window.close_rooms()
    assert empty_room(window).closed == 1


@pytest.mark.parametrize(("room_id", "word"), [("ivus", "ultrasound"), ("cmr", "perfusion")])
def test_the_places_of_ivus_and_cmr_say_what_can_be_opened(window: GuidanceWindow, room_id: str, word: str) -> None:
    assert window.go_to(room_id) == ""
    assert window.current is not None
    lines = [label.text() for label in window.current.widget.findChildren(QLabel)]
    assert any(word in line for line in lines)
    assert any("Open a result" in line for line in lines)


def test_the_live_room_goes_on_while_a_person_is_in_another(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = StagedSession([screen(0), screen(1)])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    window.go_to("ivus")
    assert session.stopped == 0
    window.go_to("live")
    assert window.live.widget.desk.session is session


def test_enter_on_a_button_reached_with_tab_presses_that_button_and_accepts_nothing(
    qtbot: QtBot, window: GuidanceWindow
) -> None:
    session = StagedSession([screen(state="stale", guidance="proposed")])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    window.rail.search_button.setFocus()
    qtbot.keyPress(window.rail.search_button, Qt.Key.Key_Return)
    assert not window.palette_box.isHidden()
    assert session.asked == []
    qtbot.keyPress(window.palette_box.field, Qt.Key.Key_Escape)
    qtbot.keyPress(window, Qt.Key.Key_Return)
    assert session.asked == ["accept"]


def test_escape_hands_the_keys_back_to_the_room_before_it_means_the_raw_picture(
    qtbot: QtBot, window: GuidanceWindow
) -> None:
    window.show_session(StagedSession([screen()]), CASE)
    window.rail.jobs_button.setFocus()
    qtbot.keyPress(window.rail.jobs_button, Qt.Key.Key_Escape)
    assert window.focusWidget() is window.live.widget
    assert not window.live.widget.view.raw
    qtbot.keyPress(window.live.widget, Qt.Key.Key_Escape)
    assert window.live.widget.view.raw


def test_focus_shows(qtbot: QtBot, window: GuidanceWindow) -> None:
    button = window.rail.search_button
    quiet = button.grab().toImage()
    button.setFocus()
    qtbot.waitUntil(button.hasFocus)
    ring = button.grab().toImage()
    middle = ring.height() // 2
    assert ring.pixelColor(0, middle).lightness() - quiet.pixelColor(0, middle).lightness() > 120


def test_every_button_of_the_frame_can_be_reached_with_tab_and_has_a_name(window: GuidanceWindow) -> None:
    buttons = [window.rail.button(number) for number in range(len(window.rooms))]
    for button in (*buttons, window.rail.search_button, window.rail.jobs_button):
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert button.accessibleName()
        assert button.toolTip()


def test_a_job_of_a_room_ends_as_a_toast_and_in_its_room(qtbot: QtBot, window: GuidanceWindow, tmp_path: Path) -> None:
    ended: list[str] = []
    window.start_job(
        Work(words="Waving", run=jobs_to_do.go_wrong, out=tmp_path / "out"), lambda job: ended.append(job.state)
    )
    qtbot.waitUntil(lambda: bool(ended), timeout=20_000)
    assert ended == ["failed"]
    toast = window.toasts.shown[-1]
    assert toast.kind == "problem"
    assert "Waving: defect in the program" in toast.text
    assert QApplication.activeModalWidget() is None
    qtbot.mouseClick(toast.close_button, Qt.MouseButton.LeftButton)
    assert window.toasts.shown == []


def test_a_toast_may_offer_the_way_back(qtbot: QtBot, window: GuidanceWindow) -> None:
    taken: list[bool] = []
    window.toast("Rejected", offer="Undo", taken=lambda: taken.append(True))
    qtbot.mouseClick(window.toasts.shown[-1].offer_button, Qt.MouseButton.LeftButton)
    assert taken == [True]
    assert window.toasts.shown == []


def test_full_screen_and_back(qtbot: QtBot, window: GuidanceWindow) -> None:
    qtbot.keyPress(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    qtbot.keyPress(window, Qt.Key.Key_F11)
    assert not window.isFullScreen()


def test_the_palette_marks_what_cannot_be_done_and_chooses_it_never(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = StagedSession([screen(state="hidden", guidance="unregistered")])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    window.search()
    qtbot.keyClicks(window.palette_box.field, "accept")
    item = window.palette_box.list.item(0)
    assert item is not None
    assert "No proposed registration to accept" in item.text()
    qtbot.keyPress(window.palette_box.field, Qt.Key.Key_Return)
    assert session.asked == []
    assert not window.palette_box.isHidden()


def test_what_begins_with_the_typed_words_comes_first() -> None:
    actions = [
        Action(id="1", words="Show or hide", press=str), Action(id="2", words="Hide", press=str, tip="at once"),
        Action(id="3", words="Hide while held", press=str, release=str),
    ]  # fmt: skip
    assert [action.id for action in matching(actions, "hide")] == ["2", "1"]
    assert [action.id for action in matching(actions, "once hid")] == ["2"]


def test_the_second_picture_follows_the_first_and_goes_with_its_screen(qtbot: QtBot, window: GuidanceWindow) -> None:
    session = StagedSession([screen(0), screen(1)])
    window.show_session(session, CASE)
    qtbot.keyPress(window, Qt.Key.Key_F11, Qt.KeyboardModifier.ControlModifier)
    second = window.live.second_screen
    assert second is not None
    qtbot.waitUntil(lambda: session.finished and second.view.painted_screen is window.live.widget.view.screen_state)
    assert len(session.painted_screens) == 2, "only the main picture is reported as painted"
    qtbot.keyPress(second, Qt.Key.Key_V)
    qtbot.waitUntil(lambda: second.view.mode == window.live.widget.view.mode == "centerline")
    gone: Any = QApplication.primaryScreen()
    second._screen_used = gone
    second._screen_gone(gone)
    assert window.live.second_screen is None
    assert "second screen has gone" in window.toasts.shown[-1].text


def test_what_can_be_taken_back_offers_that_in_a_toast(qtbot: QtBot, window: GuidanceWindow) -> None:
    done: list[str] = []
    window.go_to("empty")
    empty_room(window).actions = lambda: (  # type: ignore[method-assign]
        Action(
            id="empty.drop",
            words="Drop",
            keys=("D",),
            press=lambda: done.append("drop") or "Dropped",
            undo="empty.lift",
        ),
        Action(id="empty.lift", words="Lift", press=lambda: done.append("lift") or ""),
    )
    qtbot.keyPress(window, Qt.Key.Key_D)
    toast = window.toasts.shown[-1]
    assert toast.text == "Dropped"
    qtbot.mouseClick(toast.offer_button, Qt.MouseButton.LeftButton)
    assert done == ["drop", "lift"]


def test_buttons_of_the_live_panel_name_their_action_and_keys(window: GuidanceWindow) -> None:
    panel = window.live.widget.panel
    assert panel.accept_button.toolTip() == "Accept the proposed registration  (Enter)"
    assert panel.reject_button.accessibleName().startswith("Reject the registration")
    assert panel.register_button.focusPolicy() & Qt.FocusPolicy.TabFocus


@pytest.mark.parametrize("case", ["no/such/folder", "coronar"])
def test_a_case_that_cannot_be_read_is_one_line_in_the_case_room_beside_the_ways_out(
    window: GuidanceWindow, case: str
) -> None:
    window.go_to("live")
    window.begin(case=case, source="", room="")
    assert isinstance(window.rooms[0], CaseRoom)
    room = window.rooms[0].welcome
    assert window.current is window.rooms[0]
    assert case in room.problem.text()
    assert "\n" not in room.problem.text()
    assert room.open_button.isVisible()


def test_dialogs_for_files_stop_nothing(qtbot: QtBot, window: GuidanceWindow) -> None:
    qtbot.keyPress(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    dialog = window.rooms[0].widget.findChild(QFileDialog)
    assert dialog is not None
    assert dialog.isVisible()
    assert QApplication.activeModalWidget() is None
    dialog.close()
