"""The time of a recorded run: seen below the picture, moved by hand, slower, faster, again and again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QColor
from pytestqt.qtbot import QtBot

from guidance_app.live.run_log import Event
from guidance_app.panels.pictures.timeline import Timeline
from guidance_app.views import palette
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.mouse import move_mouse
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, overlay, screen


@pytest.fixture
def window(qtbot: QtBot) -> GuidanceWindow:
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    return window


def played(window: GuidanceWindow, qtbot: QtBot, session: StagedSession) -> Timeline:
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    return window.live.widget.timeline


def test_it_shows_what_each_frame_showed(window: GuidanceWindow, qtbot: QtBot) -> None:
    session = StagedSession([screen(0, state="hidden"), screen(1), screen(2, guidance="proposed"), screen(3)])
    timeline = played(window, qtbot, session)
    assert timeline.isVisible()
    timeline.repaint()
    image = timeline.grab().toImage()
    middle = 39  # within all bars

    def colour(frame: int) -> str:
        x = round(12 + (frame + 0.25) * (timeline.width() - 24) / 16)
        return image.pixelColor(x, middle).name()

    assert colour(1) == QColor(palette.VALID).name()
    assert colour(2) == QColor(palette.UNVERIFIED).name()
    assert colour(9) == QColor(palette.ROOM).name()
    assert timeline.words_at(1) == "Frame 2 of 16: vessels confirm the overlay"
    assert timeline.words_at(0) == "Frame 1 of 16: no overlay"
    assert timeline.words_at(9) == "Frame 10 of 16: not played yet"


def test_a_hand_moves_to_a_frame_and_stays_there(window: GuidanceWindow, qtbot: QtBot) -> None:
    session = StagedSession([screen(0)])
    timeline = played(window, qtbot, session)
    at = QPoint(round(12 + 8.5 * (timeline.width() - 24) / 16), 20)
    qtbot.mousePress(timeline, Qt.MouseButton.LeftButton, pos=at)
    assert session.asked[-2:] == ["pause", "seek 8"]
    move_mouse(timeline, QPoint(timeline.width() + 50, 20), held=Qt.MouseButton.LeftButton)
    assert session.asked[-1] == "seek 15"
    qtbot.mouseRelease(timeline, Qt.MouseButton.LeftButton, pos=at)


def test_slower_faster_and_a_stretch_again_and_again(window: GuidanceWindow, qtbot: QtBot) -> None:
    session = StagedSession([screen(4)])
    timeline = played(window, qtbot, session)
    qtbot.keyClick(window, Qt.Key.Key_Comma)
    qtbot.keyClick(window, Qt.Key.Key_Comma)
    qtbot.keyClick(window, Qt.Key.Key_Comma)
    assert session.asked[-3:] == ["speed 0.5", "speed 0.25", "speed 0.25"]
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert timeline.stretch == (4, None)
    window.live.widget.view.show_screen(screen(9))
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert session.asked[-1] == "repeat (4, 9)"
    assert timeline.stretch == (4, 9)
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert session.asked[-1] == "repeat None"


def test_events_are_marked_on_the_frame_they_came_with(window: GuidanceWindow, qtbot: QtBot) -> None:
    session = StagedSession([screen(3)])
    session.newest_event = Event(t_ns=0, kind="registration_accepted", frame=3, text="accepted, confidence 0.97")
    timeline = played(window, qtbot, session)
    assert timeline.words_at(3).endswith("\naccepted, confidence 0.97")


def test_a_live_source_has_no_timeline(window: GuidanceWindow, qtbot: QtBot) -> None:
    session = StagedSession([replace(screen(0), frames_total=None, source_state="live")])
    timeline = played(window, qtbot, session)
    assert not timeline.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert session.asked == []


def test_bones_are_told_from_vessels_by_height_too(window: GuidanceWindow, qtbot: QtBot) -> None:
    from guidance_app.live.evidence import Evidence

    held = replace(overlay(2), evidence=Evidence(kind="anatomy", age_s=1.0))
    session = StagedSession([screen(1), screen(2, overlay=held)])
    timeline = played(window, qtbot, session)
    timeline.repaint()
    image = timeline.grab().toImage()
    top = 27  # within a full bar alone

    def colour(frame: int) -> str:
        return image.pixelColor(round(12 + (frame + 0.25) * (timeline.width() - 24) / 16), top).name()

    assert colour(1) == QColor(palette.VALID).name()
    assert colour(2) == QColor(palette.ROOM).name()
