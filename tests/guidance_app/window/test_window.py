"""Keys and buttons act, what cannot act says so, and only what was painted is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import Figures, GuidanceState
from guidance_app.live.run_log import Event
from guidance_app.panels.action import Action
from guidance_app.rooms.live.remembered_view import RememberedView, set_up
from guidance_app.views.overlay_look import badge_of, look_of
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, frame, overlay, screen


class Bench:
    """A window on a staged session that stays on its last screen."""

    def __init__(self, qtbot: QtBot, *screens: object, runs: tuple[str, ...] = ("run1", "run2")) -> None:
        self.qtbot = qtbot
        self.session = StagedSession(list(screens) or [screen()])  # type: ignore[arg-type]
        self.next_session = StagedSession([screen(7)])
        self.opened: list[int] = []
        self.window = GuidanceWindow(title="Test")
        qtbot.addWidget(self.window, before_close_func=lambda window: window.close_rooms())
        self.window.live.show_session(self.session, CASE, runs=runs, open_run=self._open if len(runs) > 1 else None)
        self.window.go_to("live")
        self.place = self.window.live.widget
        with qtbot.waitExposed(self.window):
            self.window.show()
        qtbot.waitUntil(lambda: self.session.finished)

    def _open(self, index: int) -> StagedSession:
        self.opened.append(index)
        return self.next_session

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> str:
        self.window.strip.message.setText("")
        self.qtbot.keyPress(self.window, key, modifier)
        return self.window.strip.message.text()


def test_every_screen_is_reported_once_and_after_it_was_painted(qtbot: QtBot) -> None:
    screens = [screen(index) for index in range(5)]
    bench = Bench(qtbot, *screens)
    assert bench.session.painted_screens == screens


def test_a_hidden_window_reports_nothing_as_painted(qtbot: QtBot) -> None:
    session = StagedSession([screen(0), screen(1)])
    window = GuidanceWindow(title="Test")
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.live.show_session(session, CASE)
    qtbot.wait(80)
    assert session.painted_screens == []


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        (Qt.Key.Key_Space, "pause"),
        (Qt.Key.Key_Left, "step -1"),
        (Qt.Key.Key_Right, "step 1"),
        (Qt.Key.Key_Home, "seek 0"),
        (Qt.Key.Key_End, "seek 15"),
        (Qt.Key.Key_G, "register"),
    ],
)
def test_playback_and_registration_keys_reach_the_session(qtbot: QtBot, key: Qt.Key, asked: str) -> None:
    bench = Bench(qtbot)
    bench.press(key)
    assert bench.session.asked == [asked]


def test_the_pace_of_a_replay_is_chosen_by_a_key_and_said_on_the_picture(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(every_frame=True))
    words = [line for text in bench.place.view.painted_texts for line in text.lines]
    assert "Every frame with its overlay (T)" in words
    assert bench.press(Qt.Key.Key_T) == "Plays as it was live"
    bench.press(Qt.Key.Key_Down)
    assert bench.session.asked == ["every frame False"]
    assert bench.next_session.asked == ["every frame False"], "the choice holds for the next run"
    live = Bench(qtbot, screen(source_state="live", frames_total=None))
    assert "pace it has" in live.press(Qt.Key.Key_T)


def test_space_goes_on_after_a_pause(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(paused=True))
    bench.press(Qt.Key.Key_Space)
    assert bench.session.asked == ["resume"]


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Left, Qt.Key.Key_Home])
def test_a_live_source_says_that_it_does_not_play_back(qtbot: QtBot, key: Qt.Key) -> None:
    bench = Bench(qtbot, screen(source_state="live", frames_total=None))
    assert "does not play back" in bench.press(key)
    assert bench.session.asked == []


def test_accept_needs_a_proposal_and_reject_a_registration(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(state="hidden", guidance="unregistered"))
    assert "No proposed registration" in bench.press(Qt.Key.Key_Return)
    assert "No registration" in bench.press(Qt.Key.Key_Delete)
    assert not bench.place.panel.accept_button.isEnabled()
    proposed = Bench(qtbot, screen(state="stale", guidance="proposed"))
    assert proposed.place.panel.accept_button.isEnabled()
    qtbot.mouseClick(proposed.place.panel.accept_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(proposed.place.panel.reject_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(proposed.place.panel.register_button, Qt.MouseButton.LeftButton)
    assert proposed.session.asked == ["accept", "reject", "register"]


def test_o_hides_the_overlay_only_while_it_is_held(qtbot: QtBot) -> None:
    bench = Bench(qtbot)
    qtbot.keyPress(bench.window, Qt.Key.Key_O)
    assert bench.place.view.overlay_held
    qtbot.keyRelease(bench.window, Qt.Key.Key_O)
    assert not bench.place.view.overlay_held


def test_view_keys_change_the_view(qtbot: QtBot) -> None:
    bench = Bench(qtbot)
    view = bench.place.view
    bench.press(Qt.Key.Key_Equal)
    assert view.viewport.zoom == pytest.approx(1.25)
    bench.press(Qt.Key.Key_Minus)
    assert view.viewport.zoom == pytest.approx(1.0)
    bench.press(Qt.Key.Key_I)
    assert view.window_level is not None
    assert view.window_level.inverted
    bench.press(Qt.Key.Key_R)
    assert not view.window_level.inverted
    assert "Mask: frame 1" in bench.press(Qt.Key.Key_M)
    assert bench.press(Qt.Key.Key_M) == "Mask off"
    bench.press(Qt.Key.Key_Escape)
    assert view.raw
    bench.press(Qt.Key.Key_V)
    assert view.mode == "centerline"
    assert bench.place.panel._modes["centerline"].isChecked()


def test_keys_with_nothing_to_act_on_say_so(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(state="hidden", guidance="unregistered", frame=None), runs=("run1",))
    assert "No picture" in bench.press(Qt.Key.Key_F)
    assert "No picture" in bench.press(Qt.Key.Key_M)
    assert "No overlay" in bench.press(Qt.Key.Key_O)
    assert "no other run" in bench.press(Qt.Key.Key_Down)
    subtracted = Bench(qtbot, screen(frame=frame(kind="dsa")))
    assert "subtracted already" in subtracted.press(Qt.Key.Key_M)


def test_a_frozen_picture_stays_while_the_source_goes_on(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(0))
    bench.press(Qt.Key.Key_F)
    bench.session._screens.append(screen(1))
    qtbot.wait(80)
    assert bench.place.view.painted_screen is bench.session._screens[0]
    held = badge_of(screen(0), held=False, raw=False, frozen=bench.place.view.frozen)
    assert "NOT LIVE" in held.text, "a held picture must not be called valid"
    bench.press(Qt.Key.Key_F)
    qtbot.waitUntil(lambda: bench.place.view.painted_screen is bench.session._screens[1])


def test_the_key_help_lists_every_action_and_stops_nothing(qtbot: QtBot) -> None:
    from PyQt6.QtWidgets import QApplication, QLabel

    bench = Bench(qtbot)
    bench.press(Qt.Key.Key_H)
    assert bench.window.keys.isVisible()
    words = {label.text() for label in bench.window.keys.findChildren(QLabel)}
    assert {action.in_help[1] for action in bench.window.all_actions() if action.keys} <= words
    assert QApplication.activeModalWidget() is None
    bench.press(Qt.Key.Key_Escape)
    assert not bench.window.keys.isVisible()
    assert not bench.place.view.raw, "Esc closed the help first"


def test_down_opens_the_next_run_and_ends_the_old_session(qtbot: QtBot) -> None:
    bench = Bench(qtbot)
    assert bench.press(Qt.Key.Key_Up) == "No run further on"
    assert bench.press(Qt.Key.Key_Down) == "Run run2"
    assert bench.opened == [1]
    qtbot.waitUntil(lambda: len(bench.next_session.painted_screens) == 1)
    bench.window.close_rooms()
    assert (bench.session.stopped, bench.next_session.started, bench.next_session.stopped) == (1, 1, 1)


def test_words_of_a_key_do_not_outlast_their_truth(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(0))
    assert bench.press(Qt.Key.Key_Space) == "Paused"
    assert bench.press(Qt.Key.Key_I) == ""
    bench.window.strip.say("Playing")
    bench.window.strip._forget.setInterval(1)
    bench.window.strip.say("Playing")
    qtbot.waitUntil(lambda: bench.window.strip.message.text() == "")


def test_news_of_a_peer_are_told_once(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(0))
    bench.session.newest_event = Event(t_ns=1, kind="geometry_changed", frame=0, text="LAO 1 to LAO 2")
    qtbot.wait(50)
    assert bench.window.strip.message.text() == "", "the picture shows it"
    bench.session.newest_event = Event(t_ns=2, kind="client_refused", frame=0, text="'EVIL' is not on the list")
    qtbot.waitUntil(lambda: bench.window.strip.message.text() == "Refused: 'EVIL' is not on the list")
    bench.window.strip.message.clear()
    qtbot.wait(50)
    assert bench.window.strip.message.text() == ""


@pytest.mark.parametrize("source", ["no_signal", "frozen"])
def test_raw_picture_that_is_not_of_now_says_so(source: str) -> None:
    badge = badge_of(screen(0, source_state=source), held=False, raw=True)
    assert badge.text.startswith("RAW IMAGE - ")
    assert badge.shape == "cross"


def test_engine_that_loads_is_no_alarm() -> None:
    loading = replace(screen(0, state="hidden", guidance="unregistered"), engine_up=False, engine_loading=True)
    assert badge_of(loading, held=False, raw=False).shape == "ring"
    assert badge_of(replace(loading, engine_loading=False), held=False, raw=False).shape == "cross"


def test_no_two_actions_of_a_room_and_the_window_share_a_key_or_an_id(qtbot: QtBot) -> None:
    window = Bench(qtbot).window
    for room in window.rooms:
        window.go_to(room.id)
        actions: tuple[Action, ...] = window.all_actions()
        keys = [key for action in actions for key in action.keys]
        assert len(keys) == len(set(keys))
        assert len(actions) == len({action.id for action in actions})


def test_an_action_that_cannot_act_now_says_why_and_does_nothing(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(state="hidden", guidance="unregistered"))
    accept = next(action for action in bench.window.all_actions() if action.id == "live.accept")
    assert accept.refusal() == accept.perform() == "No proposed registration to accept"
    assert bench.session.asked == []


def test_the_panel_shows_the_figures_of_the_registration(qtbot: QtBot) -> None:
    panel = Bench(qtbot).place.panel
    assert panel._confidence.text() == "97 %"
    assert panel._error.text() == "0.8 mm"
    assert panel._depth.text() == "\u00b16.1 mm"
    assert panel._stages["segment"].text() == "40.0 ms"
    assert "Accepted" in panel._state.text()


def test_no_confidence_is_shown_as_certainty(qtbot: QtBot) -> None:
    panel, shown = Bench(qtbot).place.panel, screen()
    assert shown.figures is not None
    sure = replace(shown, figures=replace(shown.figures, confidence=0.9999))
    panel.show_screen(sure, paint_ms=1.0)
    assert panel._confidence.text() == ">99 %"


@pytest.mark.parametrize(
    ("state", "word", "shape"),
    [
        (screen(), "OVERLAY VALID", "disc"),
        (screen(state="stale", guidance="proposed"), "UNVERIFIED", "diamond"),
        (screen(state="stale", age_ms=340.0), "NOT CURRENT - 340 ms old", "triangle"),
        (screen(state="stale", guidance="stale", age_ms=2400.0), "NOT CURRENT - 2.4 s old", "triangle"),
        (screen(state="hidden", guidance="unregistered"), "NO OVERLAY - NOT REGISTERED", "ring"),
        (screen(state="hidden", guidance="rejected"), "NO OVERLAY - REGISTRATION REJECTED", "ring"),
        (screen(state="hidden", engine_up=False), "NO OVERLAY - GUIDANCE NOT RUNNING", "cross"),
        (screen(state="hidden", source_state="no_signal"), "NO SIGNAL", "cross"),
    ],
)
def test_every_state_has_its_own_words_and_shape(state: object, word: str, shape: str) -> None:
    badge = badge_of(state, held=False, raw=False)  # type: ignore[arg-type]
    assert (badge.text, badge.shape) == (word, shape)


STATES = (
    screen(),
    screen(state="stale", guidance="proposed", figures=Figures(
        confidence=0.7, expected_error_mm=2.0, depth_sigma_mm=9.0,
        reasons=("little vessel is visible", "another pose fits nearly as well", "a third reason"))),
    screen(state="hidden", guidance="rejected", can_undo_reject=True),
    screen(state="hidden", guidance="stale"),
    screen(state="hidden", guidance="unregistered"),
    screen(state="hidden", engine_up=False, besides=("guidance restarts: " + 12 * "its process died ",)),
)  # fmt: skip


@pytest.mark.parametrize("size", [(640, 480), (1280, 800), (1920, 1080)])
def test_nothing_that_a_hand_aims_at_moves_between_states(qtbot: QtBot, size: tuple[int, int]) -> None:
    bench = Bench(qtbot)
    bench.window.resize(*size)
    panel = bench.place.panel
    buttons = [button for button in panel.findChildren(QPushButton) if button.isVisible()]
    assert panel.reject_button in buttons
    places = set()
    for state in STATES:
        bench.place.view.show_screen(state)
        panel.show_screen(state, paint_ms=1.0)
        panel.settle()
        places.add(tuple(button.geometry().getRect() for button in buttons))
    assert len(places) == 1


@pytest.mark.parametrize("guidance", ["rejected", "stale", "unregistered"])
def test_no_figure_stands_beside_a_state_that_has_none(qtbot: QtBot, guidance: GuidanceState) -> None:
    panel = Bench(qtbot).place.panel
    panel.show_screen(screen(state="hidden", guidance=guidance), paint_ms=1.0)
    assert {panel._confidence.text(), panel._error.text(), panel._depth.text()} == {"\u2013"}
    assert panel._reasons.text() == ""


def test_reject_can_be_undone_by_the_same_button_and_key(qtbot: QtBot) -> None:
    bench = Bench(qtbot, screen(state="hidden", guidance="rejected", can_undo_reject=True))
    assert bench.place.panel.reject_button.text().startswith("Undo")
    assert bench.place.panel.reject_button.isEnabled()
    assert "taken back" in bench.press(Qt.Key.Key_Delete)
    assert bench.session.asked == ["undo reject"]


def test_one_key_hides_the_branches_that_were_never_seen(qtbot: QtBot) -> None:
    bench = Bench(qtbot)
    assert bench.press(Qt.Key.Key_U).endswith("hidden")
    assert not bench.place.view.show_unseen
    assert bench.press(Qt.Key.Key_U).endswith("shown")


def test_the_run_that_really_plays_is_marked_though_the_case_does_not_list_it(qtbot: QtBot) -> None:
    panel = Bench(qtbot).place.panel
    panel.show_runs(("run1", "run2"), -1)
    panel.show_screen(screen(frame=frame(source_id="elsewhere.dcm")), paint_ms=1.0)
    rows = [panel._runs.item(row).text() for row in range(panel._runs.count())]  # type: ignore[union-attr]
    assert rows == ["run1", "run2", "\u25b6 elsewhere.dcm"]
    assert panel._runs.currentRow() == 2


def test_a_faint_overlay_says_so_and_is_not_remembered_so_faint(qtbot: QtBot) -> None:
    badge = badge_of(screen(), held=False, raw=False, opacity=0.1)
    assert badge.text == "OVERLAY VALID - FAINT, 10 %"
    view = Bench(qtbot).place.view
    set_up(view, RememberedView(overlay_opacity=0.1), kind="coronary")
    assert view.opacity == 0.4


def test_the_age_of_a_held_picture_counts_to_now() -> None:
    held = screen(state="stale", source_state="no_signal", frames_total=None, frame=frame(received_ns=10**9))
    badge = badge_of(held, held=False, raw=False, now_ns=9 * 10**9)
    assert badge.text == "NOT CURRENT - 8.0 s old"
    frozen = badge_of(screen(frame=frame(received_ns=10**9)), held=False, raw=False, frozen=True, now_ns=46 * 10**9)
    assert frozen.text == "PICTURE FROZEN (F) - NOT LIVE, 45 s old"


def test_what_a_picture_rests_on_has_its_own_line_shape_and_word() -> None:
    looks, badges = [], []
    for kind, state in (("vessel", "valid"), ("anatomy", "valid"), ("carried", "stale")):
        drawn = replace(overlay(), evidence=Evidence(kind=kind, age_s=2.1))  # type: ignore[arg-type]
        shown = replace(screen(state=state), overlay=drawn)  # type: ignore[arg-type]
        looks.append(look_of(shown))
        badges.append(badge_of(shown, held=False, raw=False))
    assert [badge.text for badge in badges] == [
        "OVERLAY VALID",
        "HELD BY BONES - vessels seen 2.1 s ago",
        "CARRIED - last confirmed 2.1 s ago",
    ]
    assert len({look.line for look in looks if look}) == len({badge.shape for badge in badges}) == 3


def test_tab_reaches_everything_beside_the_picture_and_letters_stay_keys_of_the_room(qtbot: QtBot) -> None:
    from PyQt6.QtWidgets import QListWidget, QSlider

    bench = Bench(qtbot)
    bench.window.activateWindow()
    panel, controls = bench.place.panel, (QPushButton, QSlider, QListWidget)
    wanted = {child for kind in controls for child in panel.findChildren(kind) if child.isEnabled()}
    assert len(wanted) >= 7
    assert all(child.accessibleName() for child in wanted)
    reached = set()
    for _ in range(40):
        bench.window.focusNextPrevChild(True)
        reached.add(bench.window.focusWidget())
    others = set(panel._modes.values()) - reached  # of three that exclude each other Tab reaches one, arrows the rest
    assert len(others) == 2
    assert wanted - others <= reached
    panel._modes["outline"].setFocus()
    qtbot.keyPress(panel._modes["outline"], Qt.Key.Key_Right)
    assert bench.place.view.mode == "centerline"
    panel._runs.setFocus()
    qtbot.keyPress(panel._runs, Qt.Key.Key_G)
    assert bench.session.asked == ["register"]
    qtbot.keyPress(panel._runs, Qt.Key.Key_Down)
    assert bench.opened == [1]
    panel._opacity.setFocus()
    qtbot.keyPress(panel._opacity, Qt.Key.Key_Left)
    assert bench.place.view.opacity == pytest.approx(0.99)


def test_opacity_has_keys_too(qtbot: QtBot) -> None:
    bench = Bench(qtbot)
    assert bench.press(Qt.Key.Key_BracketLeft) == "Overlay at 95 %"
    assert bench.press(Qt.Key.Key_BracketRight) == "Overlay at 100 %"


def test_no_figure_stands_beside_an_engine_that_is_down(qtbot: QtBot) -> None:
    panel = Bench(qtbot).place.panel
    panel.show_screen(screen(state="hidden", engine_up=False, figures=None), paint_ms=1.0)
    assert panel._state.text() == "\u2715 Guidance not running"
    assert panel._confidence.text() == "\u2013"
