"""In no state, at no size and in no language do words of the window overlap or end too early, or controls move."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from PyQt6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from guidance_app.live.guidance import Figures, ScreenState
from guidance_app.views import legibility
from guidance_app.window.gallery.faults import control_places, covered_share, word_faults
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.pseudo_language import PseudoLanguage, spoken
from tests.guidance_app.views.staging import StagedSession, frame, screen
from tests.guidance_app.views.test_annotation_layout import STATES

# Qt's pixels and how large they are: a laptop, 24 inches, and 27 inches of 3840x2160 at scale 2.
SIZES = {"1280x800": ((1280, 800), 0.235), "1920x1080": ((1920, 1080), 0.277), "3840x2160@2": ((1920, 1080), 0.311)}
LANGUAGES = {"English": gettext.NullTranslations(), "40 % longer": PseudoLanguage()}
REASONS = (
    "the model explains 73 % of the seen vessels, and 59 % of the model is seen filled",
    "another pose fits nearly as well",
)


def states() -> dict[str, ScreenState]:
    known = dict(STATES)
    shown = Figures(confidence=0.97, expected_error_mm=12.8, depth_sigma_mm=16.1, reasons=REASONS)
    known["vessel"] = replace(known["vessel"], figures=shown)
    known["rejected"] = replace(known["rejected"], can_undo_reject=True)
    known["loading"] = screen(
        state="hidden", guidance="unregistered", engine_up=False, engine_loading=True, why=None,
        besides=("the run plays once the engine is ready; guidance engine is loading: 2 of 3, network and model",),
    )  # fmt: skip
    known["last run"] = screen(
        state="hidden", guidance="proposed", source_state="last_run", last_run_at="14:02", frames_total=None,
        frame=frame(44, source_id="dicom://127.0.0.1:11112?aet=GUIDANCE"),
    )  # fmt: skip
    known["slow"] = screen(overlays_per_s=1.0)
    return known


# What a person does to a picture: (name, action, the state it is done to).
ACTS = (("hidden", "live.hide"), ("frozen", "live.freeze"), ("raw", "live.raw"), ("subtracted", "live.mask"))


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    with spoken(LANGUAGES[request.param]):
        yield request.param


@pytest.fixture(params=SIZES)
def window(
    request: pytest.FixtureRequest, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, language: str
) -> GuidanceWindow:
    assert language in LANGUAGES  # it is spoken while the window is made
    size_px, pixel_mm = SIZES[request.param]
    monkeypatch.setattr(legibility, "mm_per_px", lambda _px, _mm: pixel_mm)
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(*size_px)
    window.show()
    return window


def show(qtbot: QtBot, window: GuidanceWindow, state: ScreenState) -> None:
    session = StagedSession([state])
    window.live.show_session(session, CASE, runs=("run1", "run2"))
    window.go_to("live")
    qtbot.waitUntil(lambda: session.finished)
    window.live.widget.view.repaint()


def test_no_words_overlap_or_are_cut_off_and_no_control_moves_in_any_state(
    qtbot: QtBot, window: GuidanceWindow
) -> None:
    places: list[tuple[str, Any]] = []
    faults: list[str] = []
    for name, state in states().items():
        show(qtbot, window, state)
        faults += [f"{name}: {fault}" for fault in word_faults(window)]
        places.append((name, control_places(window)))
    show(qtbot, window, states()["vessel"])
    for name, action_id in ACTS:
        action = next(action for action in window.all_actions() if action.id == action_id)
        window.perform(action)
        window.live.widget.view.repaint()
        faults += [f"{name}: {fault}" for fault in word_faults(window)]
        places.append((name, control_places(window)))
        action.release() if action.release is not None else action.perform()
    assert faults == []
    first = places[0][1]
    assert len(first) > 10, "no controls were found"
    assert [name for name, found in places if found != first] == []


def test_words_leave_most_of_the_picture_free(qtbot: QtBot, window: GuidanceWindow, language: str) -> None:
    most = 0.45 if window.width() < 1600 else 0.2
    show(qtbot, window, states()["vessel"])
    assert 0.0 < covered_share(window.live.widget.view) < (most if language == "English" else 1.5 * most)


@pytest.mark.parametrize("language", ["English"], indirect=True)
def test_upper_corners_stay_where_they_are_whatever_the_badge_says(qtbot: QtBot, window: GuidanceWindow) -> None:
    tops: dict[bool, set[int]] = {}  # apart for recordings, which have a timeline below the picture
    for name, state in states().items():
        if name in ("idle", "foreign", "nameless"):  # nothing to say yet; and a bar above all
            continue
        show(qtbot, window, state)
        place = window.live.widget
        found = {
            round(text.at.top())
            for text in place.view.painted_texts
            if text.role == "corner" and "LAO" in text.lines[0]
        }
        tops[place.timeline.isVisible()] = tops.get(place.timeline.isVisible(), set()) | found
    assert {len(found) for found in tops.values()} == {1}


def test_all_keys_are_shown_within_the_window(qtbot: QtBot, window: GuidanceWindow) -> None:
    show(qtbot, window, states()["vessel"])
    window.show_keys()
    assert window.rect().contains(window.keys.geometry())
    assert word_faults(window) == []


def test_all_keys_are_shown_in_a_small_window_too(qtbot: QtBot) -> None:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(640, 480)
    window.show()
    show(qtbot, window, states()["vessel"])
    window.show_keys()
    assert window.rect().contains(window.keys.geometry())
    shown = [label for label in window.keys.findChildren(QLabel) if label.isVisible() and label.height() > 8]
    wanted = {action.in_help for action in window.all_actions() if action.keys}
    assert len(shown) >= 2 * len(wanted)


def test_letters_of_the_keys_can_be_read_where_a_third_column_has_room(qtbot: QtBot) -> None:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    show(qtbot, window, states()["vessel"])
    window.show_keys()
    assert window.rect().contains(window.keys.geometry())
    assert min(label.fontMetrics().height() for label in window.keys.findChildren(QLabel) if label.isVisible()) >= 14


def test_the_measure_finds_what_is_planted(qtbot: QtBot) -> None:
    box = QWidget()
    qtbot.addWidget(box)
    box.resize(300, 100)
    label, button = QLabel("A line that is far too long", box), QPushButton("Press", box)
    label.setGeometry(0, 0, 40, 20)
    button.setGeometry(30, 0, 120, 30)
    box.show()
    assert word_faults(box) == [
        "'A line that is far too long' is cut off", "'A line that is far too long' lies on 'Press'"
    ]  # fmt: skip
    label.setGeometry(0, 40, 290, 20)
    assert word_faults(box) == []
