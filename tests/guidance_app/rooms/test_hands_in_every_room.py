"""Every room is driven without keyboard and mouse: two pedals that arrive as keys, and a gamepad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engines.anatomy.cases.case import load_case
from guidance_app.panels.hands.bindings import Hands, with_profile
from guidance_app.panels.hands.gamepads import PadEvent
from guidance_app.panels.hands.hold_ring import HOLD_S
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.cmr.room import CmrRoom
from guidance_app.rooms.ivus.room import IvusRoom
from guidance_app.rooms.replay import take_desk
from guidance_app.rooms.replay.room import ReplayRoom
from guidance_app.rooms.settings.room import SettingsRoom
from guidance_app.rooms.training.room import TrainingRoom
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.panels.hands.made_up_pads import MadeUpPads
from tests.guidance_app.rooms.cmr.small_result import make_result
from tests.guidance_app.rooms.ivus.small_result import make_result as make_pullback
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.rooms.replay.takes import compute_for_ever
from tests.guidance_app.views.staging import StagedSession, screen

ROOMS = ("case", "live", "replay", "ivus", "cmr", "training", "benchmark", "settings")


class Hand:
    """Two pedals (F13 hides, F14 plays) and a gamepad on one window; a button of its own opens the list."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.pads = MadeUpPads("Made-up pad")
        self.window = GuidanceWindow()
        qtbot.addWidget(self.window, before_close_func=lambda window: window.close_rooms())
        self.window.resize(1280, 800)
        self.window.inputs.take(with_profile(with_profile(Hands(), "Pedal pair"), "Gamepad"))
        self.window.watch_pads(self.pads)
        self.window.show()
        self.window.go_to("case")

    def press(self, button: str) -> None:
        self._tell(PadEvent(f"pad:{button}", down=True))

    def let_go(self, button: str) -> None:
        self._tell(PadEvent(f"pad:{button}", down=False))

    def tap(self, button: str) -> None:
        self.press(button)
        self.let_go(button)

    def tread(self, pedal: Qt.Key) -> None:
        self.qtbot.keyClick(self.window, pedal)

    def hold(self, button: str, done: Callable[[], bool]) -> None:
        """Until the ring is full and `done`; not before."""
        self.press(button)
        assert self.window.inputs.ring.isVisible()
        assert not done()
        self.qtbot.waitUntil(done, timeout=round(10_000 * HOLD_S))
        self.let_go(button)

    def to(self, room: str) -> None:
        """With nothing but the button for the next room."""
        for _ in ROOMS:
            if self.room == room:
                return
            self.tap("left-trigger")
        raise AssertionError(f"{room} was not reached, but {self.room}")

    def choose(self, action_id: str, take: str = "a") -> None:
        """From the list of actions, by its place in it."""
        self.tap("right-trigger")
        shown = self.window.palette_box
        assert shown.is_open
        for _ in range(shown.list.count()):
            chosen = shown.chosen
            if chosen is not None and chosen.id == action_id:
                self.tap(take)
                return
            self.tap("down")
        raise AssertionError(f"{action_id} cannot be reached in {self.room}")

    @property
    def room(self) -> str:
        return "" if self.window.current is None else self.window.current.id

    @property
    def said(self) -> str:
        return self.window.strip.message.text()

    def _tell(self, event: PadEvent) -> None:
        self.pads.waiting.append(event)
        self.qtbot.waitUntil(lambda: not self.pads.waiting)


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def hand(qtbot: QtBot) -> Hand:
    return Hand(qtbot)


R = TypeVar("R")


def room_of(hand: Hand, kind: type[R]) -> R:
    return next(room for room in hand.window.rooms if isinstance(room, kind))


def test_one_button_goes_round_all_rooms_and_the_list_offers_what_each_can_do(hand: Hand) -> None:
    seen = []
    for _ in ROOMS:
        seen.append(hand.room)
        hand.tap("right-trigger")
        assert hand.window.palette_box.is_open
        listed = {action.id for action in hand.window.palette_box._actions}
        assert {action.id for action in hand.window.all_actions()} == listed
        hand.tap("right-trigger")
        assert not hand.window.palette_box.is_open
        hand.tap("left-trigger")
    assert tuple(seen) == ROOMS
    assert hand.room == "case"


def test_the_list_passes_over_what_cannot_be_done_and_goes_round(hand: Hand) -> None:
    hand.to("ivus")
    hand.tap("right-trigger")
    shown = hand.window.palette_box
    first = shown.chosen
    assert first is not None
    assert first.refusal() == ""
    hand.tap("up")
    hand.tap("down")
    assert shown.chosen is first
    hand.tread(Qt.Key.Key_F13)
    assert shown.chosen is not first, "a pedal goes on in the list too"
    hand.tap("y")
    assert shown.is_open, "what has no meaning in the list does nothing behind it"


def test_case(hand: Hand) -> None:
    hand.choose("case.new")
    case_room = room_of(hand, CaseRoom)
    assert any(action.id == "case.back" for action in case_room.actions())
    hand.choose("case.back")
    assert any(action.id == "case.new" for action in case_room.actions())


def test_live(hand: Hand, qtbot: QtBot) -> None:
    session = StagedSession([screen(0, guidance="proposed")])
    hand.window.show_session(session, CASE)
    qtbot.waitUntil(lambda: hand.window.live.widget.view.painted_screen is not None)
    hand.tread(Qt.Key.Key_F14)
    assert session.asked[-1] in ("pause", "resume")
    hand.choose("live.judge")
    assert hand.window.live.widget.judging.is_open
    hand.hold("start", lambda: "accept" in session.asked)
    hand.tap("back")
    assert "reject" not in session.asked
    assert "too soon" in hand.said


def test_what_has_consequences_wants_a_hold_from_the_list_too(hand: Hand, qtbot: QtBot) -> None:
    session = StagedSession([screen(0, guidance="proposed")])
    hand.window.show_session(session, CASE)
    qtbot.waitUntil(lambda: hand.window.live.widget.view.painted_screen is not None)
    hand.choose("live.reject")
    assert "too soon" in hand.said
    assert "reject" not in session.asked
    assert hand.window.palette_box.is_open
    hand.hold("a", lambda: "reject" in session.asked)
    assert not hand.window.palette_box.is_open


def test_replay(hand: Hand, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_desk, "compute_take", compute_for_ever)
    hand.window._set_case(load_case("coronary"))
    hand.to("replay")
    place = room_of(hand, ReplayRoom).widget
    at = place.playback.at
    hand.tap("right")
    assert place.playback.at == at + 1
    hand.tap("left")
    assert place.playback.at == at
    hand.tread(Qt.Key.Key_F14)
    assert place.playback.playing
    hand.tap("a")
    assert not place.playback.playing
    hand.press("b")
    assert all(side.view.overlay_held for side in place.sides.values())
    hand.let_go("b")
    assert not any(side.view.overlay_held for side in place.sides.values())
    mode = place.sides["A"].view.mode
    hand.tap("y")
    assert place.sides["A"].view.mode != mode
    hand.choose("replay.compute-a")
    side = place.sides["A"]
    assert side.job is not None
    hand.choose("replay.cancel")
    qtbot.waitUntil(lambda: side.job is None, timeout=60_000)


def test_ivus(hand: Hand, qtbot: QtBot, tmp_path: Path) -> None:
    hand.to("ivus")
    room = room_of(hand, IvusRoom)
    assert room.open_result(make_pullback(tmp_path / "case")) == ""
    place = room.place
    assert place is not None
    desk = place.desk
    qtbot.waitUntil(lambda: desk.matter is not None and not place.busy, timeout=20_000)
    frame = desk.frame
    hand.tap("right")
    assert abs(desk.frame - frame) == 1
    hand.tap("start")
    assert not desk.review
    assert "too soon" in hand.said
    hand.hold("start", lambda: desk.review == "accepted")


def test_cmr(hand: Hand, qtbot: QtBot, tmp_path: Path) -> None:
    hand.to("cmr")
    room = room_of(hand, CmrRoom)
    assert room.open_result(make_result(tmp_path)) == ""
    place = room.place
    assert place is not None
    qtbot.waitUntil(lambda: place.ct is not None and not place.busy, timeout=20_000)
    hand.choose("cmr.territories")
    assert hand.said == "" or "first" not in hand.said
    hand.choose("cmr.overview")
    assert any(action.id == "cmr.overview" for action in room.actions())


def test_training(hand: Hand, qtbot: QtBot) -> None:
    hand.window._set_case(load_case("coronary"))
    hand.to("training")
    room = room_of(hand, TrainingRoom)
    hand.choose("training.guest")
    assert room.widget.pseudonym == "guest"
    qtbot.waitUntil(lambda: room.widget.prepared is not None, timeout=120_000)
    hand.choose("training.by-hand")
    doing = {action.id for action in room.actions()}
    assert "training.done" in doing
    hand.choose("training.overview")
    assert "training.by-hand" in {action.id for action in room.actions()}


def test_benchmark(hand: Hand) -> None:
    hand.to("benchmark")
    hand.choose("benchmark.clear")
    assert hand.room == "benchmark"
    hand.choose("benchmark.swap")
    assert not hand.window.palette_box.is_open


def test_settings_list_what_the_entered_rooms_can_do(hand: Hand) -> None:
    hand.to("replay")
    hand.to("settings")
    known = {action.id for action in hand.window.known_actions()}
    assert {"replay.compute-a", "window.search", "live.play"} <= known
    assert "replay.play" not in known, "it is the button of live.play"
    hand.choose("settings.find")
    place = room_of(hand, SettingsRoom).widget
    assert place.search.hasFocus()
