"""Buttons of devices: at once where harmless, after a hold where not, and nothing by accident."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from guidance_app.panels.action import Action
from guidance_app.panels.hands import gamepads
from guidance_app.panels.hands.bindings import PROFILES, Hands, key_signal, signal_words, with_profile
from guidance_app.panels.hands.gamepads import GamepadWatch, PadEvent
from guidance_app.panels.hands.hold_ring import HOLD_S, HoldRing
from guidance_app.panels.hands.input_desk import InputDesk
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.panels.hands.made_up_pads import MadeUpPads


class Clock:
    def __init__(self) -> None:
        self.s = 10.0

    def __call__(self) -> int:
        return int(self.s * 1e9)


class Stage:
    """A desk with three actions, and what became of them."""

    def __init__(self, qtbot: QtBot) -> None:
        self.done: list[str] = []
        self.said: list[str] = []
        self.refusal = ""
        self.clock = Clock()
        self.window = QWidget()
        self.window.resize(500, 300)
        self.window.show()
        qtbot.addWidget(self.window)
        ring = HoldRing(self.window, clock_ns=self.clock)
        self.desk = InputDesk(lambda: self.actions, lambda action: self.done.append(action.id), self.said.append, ring)
        self.desk.take(
            Hands().bound("key:F13", "hide").bound("pad:a", "accept").bound("pad:right", "on").bound("pad:y", "gone")
        )
        self.actions = (
            Action(id="hide", words="Hide", press=lambda: "", release=self.release),
            Action(id="on", words="On", press=lambda: "", repeats=True),
            Action(id="accept", words="Accept", press=lambda: "", consequential=True, refusal=lambda: self.refusal),
        )

    def release(self) -> str:
        self.done.append("released")
        return ""


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    return Stage(qtbot)


def test_harmless_actions_act_at_once(stage: Stage) -> None:
    assert stage.desk.press("key:F13")
    assert stage.done == ["hide"]
    assert stage.desk.let_go("key:F13")
    assert stage.done == ["hide", "released"]
    stage.desk.press("pad:right")
    stage.desk.press("pad:right", repeated=True)
    assert stage.done[2:] == ["on", "on"]


def test_what_has_consequences_waits_for_a_full_ring(stage: Stage, qtbot: QtBot) -> None:
    ring = stage.desk.ring
    stage.desk.press("pad:a")
    assert ring.isVisible()
    assert stage.done == []
    stage.clock.s += 0.9 * HOLD_S
    qtbot.wait(60)
    assert stage.done == []
    assert ring.share == pytest.approx(0.9)
    stage.clock.s += 0.2 * HOLD_S
    qtbot.waitUntil(lambda: stage.done == ["accept"])
    assert ring.isHidden()
    stage.desk.let_go("pad:a")
    assert stage.said == [""] or not any("too soon" in line for line in stage.said)


def test_let_go_too_soon_does_nothing_and_says_so(stage: Stage, qtbot: QtBot) -> None:
    stage.desk.press("pad:a")
    stage.clock.s += 0.5 * HOLD_S
    stage.desk.let_go("pad:a")
    stage.clock.s += 10.0
    qtbot.wait(60)
    assert stage.done == []
    assert "too soon" in stage.said[-1]


def test_what_cannot_be_done_is_said_and_no_ring_is_shown(stage: Stage) -> None:
    stage.refusal = "Nothing to accept"
    stage.desk.press("pad:a")
    assert stage.said == ["Nothing to accept"]
    assert stage.desk.ring.isHidden()
    stage.desk.press("pad:y")
    assert "nothing in this room" in stage.said[-1]
    assert not stage.desk.press("key:Q")


def test_a_learned_button_does_nothing_while_it_is_learned(stage: Stage) -> None:
    learned: list[str] = []
    stage.desk.learn(learned.append)
    assert stage.desk.press("key:F13")
    assert learned == ["key:F13"]
    assert stage.done == []
    stage.desk.press("key:F13")
    assert stage.done == ["hide"]


def test_the_ring_fills_as_it_says(stage: Stage, qtbot: QtBot) -> None:
    stage.desk.press("pad:a")
    bright = []
    for share in (0.1, 0.5, 0.95):
        stage.clock.s = 10.0 + share * HOLD_S
        image = stage.desk.ring.grab().toImage()
        ring = np.array([[image.pixelColor(x, y).getRgb()[:3] for x in range(image.width())] for y in range(14, 78)])
        wanted = [int(palette.BRIGHT_TEXT[i : i + 2], 16) for i in (1, 3, 5)]
        bright.append(int((np.abs(ring - wanted).max(axis=2) < 12).sum()))
    assert bright[0] < 0.3 * bright[1]
    assert bright[1] < 0.7 * bright[2]
    assert qtbot is not None


def test_a_pad_that_is_unplugged_lets_go_of_what_it_held(stage: Stage, qtbot: QtBot) -> None:
    pads = MadeUpPads("Made-up pad")
    watch = GamepadWatch(pads, stage.desk)
    seen: list[Any] = []
    watch.plugged.connect(seen.append)
    pads.waiting = [PadEvent("pad:a", down=True)]
    watch.look()
    assert stage.desk.ring.isVisible()
    pads.names = ()
    watch.look()
    assert stage.desk.ring.isHidden()
    assert seen == [()]
    stage.clock.s += 10.0
    qtbot.wait(40)
    assert stage.done == []
    watch.close()
    assert pads.closed == 1


def key(code: Qt.Key, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> QKeyEvent:
    return QKeyEvent(QEvent.Type.KeyPress, code, held)


def test_signals_of_keys() -> None:
    assert key_signal(key(Qt.Key.Key_F13)) == "key:F13"
    assert key_signal(key(Qt.Key.Key_PageDown)) == "key:PgDown"
    assert key_signal(key(Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)) == "key:Ctrl+B"
    assert key_signal(key(Qt.Key.Key_5, Qt.KeyboardModifier.KeypadModifier)) == "key:5"
    assert key_signal(key(Qt.Key.Key_Escape)) == ""
    assert key_signal(key(Qt.Key.Key_Shift)) == ""


def test_hands_are_kept_and_what_makes_no_sense_is_left_out() -> None:
    hands = with_profile(Hands(touch=True), "Gamepad").bound("pad:a", "live.mode")
    assert Hands.of_state(hands.model_dump(mode="json")) == hands
    assert hands.action_of("pad:a") == "live.mode"
    assert hands.without("pad:a").action_of("pad:a") == ""
    assert Hands.of_state({"bindings": "?"}) == Hands()


def test_every_profile_names_actions_that_exist_and_signals_that_have_words(qtbot: QtBot) -> None:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    known = {action.id for action in window.known_actions()}
    for bindings in PROFILES.values():
        for signal, action in bindings:
            assert action in known
            assert signal_words(signal)


def test_sdl_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(gamepads.importlib, "import_module", none)
    with pytest.raises(ImportError):
        gamepads.SdlPads()
    assert "guidance-app[gamepad]" in tr(gamepads.NEEDS)
