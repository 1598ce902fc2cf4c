"""Whatever ends the window, the next one offers to go on, keeps a report without names, and accepts no pose."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from calibration.pose import RigidPose
from engines.registration.registration import Registration, RegistrationBackend
from guidance_app.live.guidance_state import Situation
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.live.room import LiveRoom
from guidance_app.rooms.live.shown_run import ShownRun
from guidance_app.settings import data_folder
from guidance_app.sources.recording.recording_messages import GeometryRecord
from guidance_app.views.viewport import Viewport
from guidance_app.views.windowing import WindowLevel
from guidance_app.window.last_time.crash_report import without_private
from guidance_app.window.last_time.left_behind import NOTES, LeftBehind, Shown, take_left_behind
from guidance_app.window.last_time.offer import offer_last_time
from guidance_app.window.last_time.open_window import OpenWindow
from guidance_app.window.last_time.report_sheet import ReportSheet
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.rooms.live.staged_case import CASE
from tests.guidance_app.views.staging import StagedSession, geometry, screen

CHILD = Path(__file__).with_name("window_child.py")
ROOT = CHILD.parents[4]
VIEW = geometry()


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def a_window_that_ends(how: str, *, within_s: float = 120.0) -> int:
    """Its exit code."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}
    child = subprocess.run(
        [sys.executable, str(CHILD), "coronary", how], env=environment, capture_output=True, timeout=within_s,
        check=False,
    )  # fmt: skip
    return child.returncode


@pytest.mark.parametrize("how", ["killed", "python", "native", "thread"])
def test_a_window_that_breaks_is_offered_again_once(how: str) -> None:
    assert a_window_that_ends(how) != 0
    left = take_left_behind(data_folder())
    assert left.shown is not None
    assert left.shown.room == "live"
    assert Path(left.shown.case).name == "coronary"
    assert left.shown.run is not None
    assert left.shown.run.recording == 0
    assert left.shown.run.width is not None
    if how == "killed":
        assert left.report is None  # nobody was there to tell it
    else:
        assert left.report is not None
        told = left.report.read_text()
        assert {"python": "KeyError in the window", "thread": "thread reader", "native": "Segmentation"}[how] in told
        assert "window_child" in told or how == "native"
        assert "DOE" not in told
        assert "/home" not in told
        assert str(ROOT) not in told
    assert take_left_behind(data_folder()) == LeftBehind()


def test_a_window_that_ends_in_order_leaves_nothing() -> None:
    assert a_window_that_ends("ordered") == 0
    assert not list((data_folder() / NOTES).glob("*.json"))
    assert not list((data_folder() / NOTES).glob("*.crash"))
    assert take_left_behind(data_folder()) == LeftBehind()


def test_an_open_window_keeps_its_note(qtbot: QtBot) -> None:
    other = OpenWindow(data_folder(), lambda: Shown(room="case"))
    other.begin()
    notes = data_folder() / NOTES
    qtbot.waitUntil(lambda: len(list(notes.glob("*.json"))) == 1)
    # The lock is this process's own: another process would be refused, this one must not take it either.
    assert take_left_behind(data_folder()) == LeftBehind()
    assert len(list(notes.glob("*.json"))) == 1
    other.end(in_order=True)
    assert not list(notes.glob("*.json"))


def test_a_note_that_cannot_be_read_is_no_reason_to_stop(caplog: pytest.LogCaptureFixture) -> None:
    notes = data_folder() / NOTES
    notes.mkdir(parents=True)
    (notes / "20260101-000000-1.json").write_text('{"schema_version": 9}')
    assert take_left_behind(data_folder()) == LeftBehind()
    assert "cannot be read" in caplog.text
    assert not list(notes.glob("*.json"))


def test_a_folder_that_cannot_be_written_costs_nothing_else(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    note = OpenWindow(tmp_path / "file", Shown)
    note.begin()
    note.end(in_order=True)
    assert qtbot is not None


def test_nothing_is_shown_before_the_offer_is_taken(qtbot: QtBot, tmp_path: Path) -> None:
    report = tmp_path / "crash-1.txt"
    report.write_text("IndexError in the window")
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.go_to("case")
    window.show()
    offer_last_time(window, LeftBehind(shown=Shown(room="live", case="/gone/case-7"), report=report))
    of_report, of_place = window.toasts.shown
    assert "Nothing was sent" in of_report.text
    assert "case-7" in of_place.text
    assert "never as accepted" in of_place.text
    assert window.case is None
    of_place.offer_button.click()
    assert window.case is None
    assert "case" in window.strip.message.text()
    of_report.offer_button.click()
    sheet = window.findChild(ReportSheet)
    assert sheet is not None
    assert sheet.isVisible()
    assert "IndexError" in sheet.text.toPlainText()
    assert QApplication.activeModalWidget() is None
    sheet.delete_button.click()
    assert not report.exists()
    assert sheet.isHidden()


def accepted(pose: RigidPose) -> Situation:
    registration = Registration(
        case="case-7", views=(), isocentre_from_lps=pose, status="accepted", confidence=0.97, expected_error_mm=0.5,
        depth_sigma_mm=3.0, reasons=(), stages=(), elapsed_ms=1.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
    )  # fmt: skip
    return Situation(state="accepted", registration=registration, by_person=True, checked_geometry=VIEW)


def test_an_accepted_pose_comes_back_to_be_checked(qtbot: QtBot) -> None:
    pose = RigidPose.from_rotation_vector(
        np.array([0.1, -0.2, 0.3]), np.array([4.0, 5.0, 6.0]), target="isocentre", source="lps"
    )
    opened: list[Situation | None] = []

    class Runs:
        def __init__(self, _case: Any) -> None: ...
        def open(self, source: Any, *, resumed: Situation | None = None) -> StagedSession:  # noqa: ARG002
            opened.append(resumed)
            session = StagedSession([screen(3)])
            session.situation = accepted(pose)
            return session

        def stop(self) -> None: ...

    window = GuidanceWindow(make_rooms=(CaseRoom, partial(LiveRoom, runs_of=Runs)))
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.show()
    window.show_case(CASE)
    view = window.live.widget.view
    qtbot.waitUntil(lambda: view.screen_state is not None and view.screen_state.frame is not None)
    view.set_window_level(WindowLevel(center=90.0, width=40.0, inverted=True))
    view.viewport = Viewport(zoom=2.0, pan_x=7.0, pan_y=-3.0)
    kept = Shown.model_validate_json(window.present().model_dump_json())
    assert kept.run is not None
    assert kept.run.frame == 3
    view.reset()

    window.live.show_again(CASE, kept.run)
    qtbot.waitUntil(lambda: view.viewport.zoom == 2.0)
    assert view.window_level == WindowLevel(center=90.0, width=40.0, inverted=True)
    session = window.live.widget.desk.session
    assert isinstance(session, StagedSession)
    assert session.asked[-2:] == ["pause", "seek 3"]
    went_on = opened[-1]
    assert went_on is not None
    assert went_on.state == "proposed"
    assert went_on.why == "came_back"
    assert went_on.checked_geometry == VIEW
    assert went_on.unconfirmed  # no check makes it more than a proposal: a person accepts it, or registers anew
    assert not went_on.wanted
    assert went_on.registration is not None
    assert went_on.registration.confidence == 0.0
    np.testing.assert_allclose(went_on.registration.isocentre_from_lps.matrix, pose.matrix, atol=1e-12)


def test_a_pose_that_waited_for_a_check_or_came_from_a_live_source_is_not_drawn_unasked() -> None:
    matrix = np.eye(4).tolist()
    waited = ShownRun(pose=matrix).situation("case")
    assert waited is not None
    assert (waited.state, waited.unconfirmed, waited.checked_geometry) == ("stale", True, None)
    patient_may_have_moved = ShownRun(pose=matrix, live=True, fitted=GeometryRecord.of(VIEW)).situation("case")
    assert patient_may_have_moved is not None
    assert (patient_may_have_moved.state, patient_may_have_moved.why) == ("proposed", "proposed")
    assert patient_may_have_moved.unconfirmed
    assert ShownRun().situation("case") is None


def test_after_a_kill_the_pose_is_drawn_as_proposed_and_one_action_accepts_it(qtbot: QtBot) -> None:
    assert a_window_that_ends("registered", within_s=200.0) != 0
    left = take_left_behind(data_folder())
    assert left.shown is not None
    assert left.shown.run is not None
    assert left.shown.run.pose is not None
    window = GuidanceWindow()
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.resize(1280, 800)
    window.show()
    offer_last_time(window, left)
    (offer,) = window.toasts.shown
    offer.offer_button.click()
    view = window.live.widget.view

    def painted(state: str) -> bool:
        shown = view.painted_screen
        return shown is not None and shown.guidance_state == state and shown.overlay is not None

    qtbot.waitUntil(lambda: painted("proposed"), timeout=90_000)
    shown = view.painted_screen
    assert shown is not None
    assert shown.overlay_state == "stale", "drawn, and marked as nothing that may be relied on"
    assert shown.frame is not None
    assert shown.frame.source_frame == left.shown.run.frame
    words = " ".join(line for text in view.painted_texts for line in text.lines)
    assert "UNVERIFIED" in words
    assert "press Enter to accept or Del to reject" in words
    qtbot.keyClick(window, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: painted("accepted"), timeout=30_000)


def test_numbers_that_are_no_pose_are_refused() -> None:
    broken = ShownRun(pose=[[2.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(ValueError, match="not rigid"):
        broken.situation("case")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('  File "/home/me/My Work/engines/a.py", line 3 in loop', '  File "engines/a.py", line 3 in loop'),
        ('  File "/data/Doe Jane/x.dcm", line 1', '  File "(a path)", line 1'),
        ("Qt: cannot open /mnt/patients/doe.png now", "Qt: cannot open (a path) now"),
        ("  /a/b/lib/python3.11/threading.py:1045 in run", "  lib/python3.11/threading.py:1045 in run"),
        (r'  File "C:\\Users\\doe\\scan.py", line 1', '  File "(a path)", line 1'),
        ("half of 3/4 and a-b", "half of 3/4 and a-b"),
    ],
)  # fmt: skip
def test_paths_are_left_out_of_reports(line: str, kept: str) -> None:
    assert without_private(line) == kept
