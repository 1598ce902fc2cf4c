"""A recording, a photo and a film, made while the run is seen."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from guidance_app.live.recording import recorder as recorder_module
from guidance_app.live.session.session import LiveSession
from guidance_app.live.witness import RunWitness
from guidance_app.panels.jobs.work import Work
from guidance_app.rooms.live.keeping import keeping_desk
from guidance_app.sources.file_source import PacedFileSource
from guidance_app.sources.recording.recording_messages import GUIDANCE, REGISTRATIONS, SCREEN
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, screen

CTRL = Qt.KeyboardModifier.ControlModifier
KEYS = {"record": Qt.Key.Key_R, "photo": Qt.Key.Key_P, "film": Qt.Key.Key_E}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "guidance-app"


@pytest.fixture
def window(qtbot: QtBot, kept: Path) -> GuidanceWindow:
    assert kept
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    return window


def press(qtbot: QtBot, window: GuidanceWindow, what: str) -> str:
    qtbot.keyClick(window, KEYS[what], CTRL)
    return window.strip.message.text()


def staged(qtbot: QtBot, window: GuidanceWindow) -> StagedSession:
    session = StagedSession([screen(0), screen(1)])
    window.show_session(session, CASE)
    qtbot.waitUntil(lambda: session.finished)
    return session


def recorders(session: StagedSession) -> list[RunWitness]:
    return [witness for witness in session.witnesses if isinstance(witness, recorder_module.Recorder)]


def notes(window: GuidanceWindow) -> str:
    view = window.live.widget.view
    view.repaint()
    return " ".join(line for text in view.painted_texts for line in text.lines)


def test_a_key_records_and_the_picture_says_so_until_it_stops(qtbot: QtBot, window: GuidanceWindow, kept: Path) -> None:
    session = staged(qtbot, window)
    assert "RECORDING" not in notes(window)
    assert press(qtbot, window, "record").startswith("Recording")
    assert "RECORDING 0:0" in notes(window)
    assert len(recorders(session)) == 1
    assert "1 frames recorded" in press(qtbot, window, "record")
    assert recorders(session) == []
    assert "RECORDING" not in notes(window)
    (path,) = (kept / "recordings").iterdir()
    assert path.name.startswith(f"{CASE.id}-")


def test_a_real_session_is_recorded_from_the_picture_on_the_screen_on(
    qtbot: QtBot, window: GuidanceWindow, kept: Path
) -> None:
    session = LiveSession(
        source=PacedFileSource(FakeRun(frame_count=40), fps=20.0, hold_at_end=True), recipe=fake_recipe(),
        spare_engine=False,
    )  # fmt: skip
    window.show_session(session, CASE)
    session.start()
    view = window.live.widget.view
    qtbot.waitUntil(lambda: view.screen_state is not None and view.screen_state.overlay is not None, timeout=30_000)
    first = view.screen_state.frame.index
    press(qtbot, window, "record")
    qtbot.waitUntil(lambda: view.screen_state.frame.index > first + 5, timeout=30_000)
    press(qtbot, window, "record")
    (path,) = (kept / "recordings").iterdir()
    run = RecordedRun(path)
    try:
        assert run.header(0).index >= first
        numbers = [run.header(place).index for place in range(run.frame_count)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert run.reader.complete
        assert run.reader.about["case"] == CASE.id
        assert min(run.reader.count(topic) for topic in (GUIDANCE, REGISTRATIONS, SCREEN)) > 3
    finally:
        run.close()


def test_another_run_ends_the_recording_in_order(qtbot: QtBot, window: GuidanceWindow) -> None:
    staged(qtbot, window)
    press(qtbot, window, "record")
    recorder = window.live.widget.keeping.recording
    staged(qtbot, window)
    assert window.live.widget.keeping.recording is None
    assert "RECORDING" not in notes(window)
    assert recorder is not None
    recorder.end()  # as the session does that it belongs to
    assert window.live.widget.keeping.no_recording() == ""


def test_a_photo_is_the_picture_with_its_words(qtbot: QtBot, window: GuidanceWindow, kept: Path) -> None:
    staged(qtbot, window)
    assert press(qtbot, window, "photo").startswith("Photo: ")
    (path,) = (kept / "pictures").iterdir()
    picture = cv2.imread(str(path))
    assert picture is not None
    view = window.live.widget.view
    assert picture.shape[:2] == (view.height(), view.width())


def test_a_film_is_made_of_the_newest_recording_alone(
    qtbot: QtBot, window: GuidanceWindow, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(qtbot, window)
    assert press(qtbot, window, "film") == "Nothing has been recorded yet"
    press(qtbot, window, "record")
    assert press(qtbot, window, "film") == "Stop the recording first"
    press(qtbot, window, "record")
    asked: list[Work] = []
    monkeypatch.setattr(window.live.widget.keeping, "_start_job", lambda work, _ended: asked.append(work))
    press(qtbot, window, "film")
    (work,) = asked
    assert work.run is keeping_desk.film_into
    assert Path(work.arguments["recording"]).parent == kept / "recordings"
    assert work.out.parent == kept / "films"


def test_without_a_picture_nothing_is_kept_and_it_is_said(qtbot: QtBot, window: GuidanceWindow, kept: Path) -> None:
    window.go_to("live")
    for what in ("record", "photo"):
        assert press(qtbot, window, what) == "No run is open; choose a case first"
    assert not kept.exists()


def test_a_disk_that_is_full_is_told_and_what_came_before_stays(
    qtbot: QtBot, window: GuidanceWindow, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: object) -> None:
        raise OSError(28, "No space left on device")

    staged(qtbot, window)
    monkeypatch.setattr(recorder_module.RecordingFile, "settle", full)
    press(qtbot, window, "record")
    recorder = window.live.widget.keeping.recording
    assert recorder is not None
    qtbot.waitUntil(lambda: bool(recorder.fault), timeout=10_000)
    assert "No space left" in press(qtbot, window, "record")
    assert len(list((kept / "recordings").iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_one_line(qtbot: QtBot, window: GuidanceWindow, kept: Path) -> None:
    kept.mkdir(parents=True)
    (kept / "recordings").write_text("a file")
    staged(qtbot, window)
    line = press(qtbot, window, "record")
    assert "recordings" in line
    assert "\n" not in line
    assert window.live.widget.keeping.recording is None
