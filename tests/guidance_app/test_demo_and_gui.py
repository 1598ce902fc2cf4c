"""The commands `demo` and `gui`: what they measure, and their one-line refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from calibration.pose import RigidPose
from engines.anatomy.cases.case import write_case
from engines.anatomy.files.centerline_file import save_centerlines
from engines.anatomy.vessel_model import Branch, CenterlineTree
from guidance_app.cli.guiding import demo
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.live.room import LiveRoom
from guidance_app.window.window import GuidanceWindow
from tests.guidance_app.views.staging import StagedSession, frame, geometry, screen


def test_gui_without_a_display_is_one_line_and_exit_1() -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    run = subprocess.run(
        [sys.executable, "-c", "from guidance_app.cli.main import main; main()", "gui"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.startswith("error: no display")
    assert len(run.stderr.splitlines()) == 1


_ENDED_IN_THE_WELCOME_ROOM = """
import os, signal, sys
from guidance_app.window.window import GuidanceWindow
from guidance_app.cli.main import main

show = GuidanceWindow.show
def shown(window):
    show(window)
    os.kill(os.getpid(), NUMBER)
GuidanceWindow.show = shown
sys.argv = ["guidance-app", "gui"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_choice_of_a_case(number: signal.Signals) -> None:
    code = _ENDED_IN_THE_WELCOME_ROOM.replace("NUMBER", str(int(number)))
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "error" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="X11")
def test_display_that_does_not_answer_is_one_line_and_exit_1() -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    } | {"DISPLAY": ":4711"}
    run = subprocess.run(
        [sys.executable, "-c", "from guidance_app.cli.main import main; main()", "gui"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.startswith("error: no display: ")
    assert len(run.stderr.splitlines()) == 1


def test_case_without_a_run_asks_for_one_instead_of_ending(qtbot: QtBot, tmp_path: Path) -> None:
    branch = Branch(points_mm=np.array([[-20.0, 0, 0], [20.0, 0, 0]]), radius_mm=np.full(2, 1.5))
    save_centerlines(tmp_path / "centerlines.vtp", CenterlineTree(branches=(branch,)))
    write_case(
        tmp_path, case_id="new", kind="coronary", frame_of_reference_uid="", files={"centerlines": "centerlines.vtp"}
    )
    cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((64, 64), np.uint8))
    opened: list[tuple[str, Any]] = []

    class Runs:
        def __init__(self, case: Any) -> None:
            self.case = case

        def open(self, source: Any, **_before: Any) -> StagedSession:
            opened.append((self.case.id, source))
            return StagedSession([screen()])

        def stop(self) -> None:
            opened.append(("stopped", None))

    window = GuidanceWindow(make_rooms=(CaseRoom, partial(LiveRoom, runs_of=Runs)))
    qtbot.addWidget(window, before_close_func=lambda window: window.close_rooms())
    window.go_to("case")
    window.show()
    assert isinstance(window.rooms[0], CaseRoom)
    room = window.rooms[0].welcome
    seen: list[str] = []
    room.choose(str(tmp_path / "none"))
    seen.append(room.problem.text())
    assert room.run_button.isHidden()
    room.choose(str(tmp_path))
    seen.append(room.problem.text())
    assert room.run_button.isVisible()
    room.choose_run(str(tmp_path / "case.json"))
    seen.append(room.problem.text())
    assert opened == []
    room.choose_run(str(tmp_path / "picture.png"))
    assert opened == [("new", tmp_path / "picture.png")]
    assert window.current is window.live
    assert [part in text for part, text in zip(("no such case", "no recorded run", "neither"), seen, strict=True)] == [
        True, True, True,
    ]  # fmt: skip


def watch(poses: Any = None) -> demo._Watch:
    registration = SimpleNamespace(status="accepted", views=(SimpleNamespace(frame=4),)) if poses is None else poses
    session: Any = SimpleNamespace(registration=registration)
    return demo._Watch(session=session, loop_frames=10, give_up_s=30.0)


def at(index: int, seconds: float, **changes: Any) -> Any:
    return screen(index, frame=replace(frame(index), received_ns=round((100.0 + seconds) * 1e9)), **changes)


def test_the_demo_ends_once_the_overlay_was_seen_long_enough_for_a_whole_loop() -> None:
    seen = watch()
    assert not seen.enough(at(0, 0.0, state="hidden", guidance="unregistered"))
    assert not seen.enough(at(20, 2.0))
    assert not seen.enough(at(25, 9.0)), "no whole loop yet"
    assert seen.enough(at(30, 9.5))
    assert (seen.ended, seen.valid_frames, list(seen.poses)) == (True, 3, [4])


def test_the_demo_gives_up_after_its_time_without_a_valid_overlay() -> None:
    seen = watch()
    assert not seen.enough(at(0, 0.0, state="hidden", guidance="unregistered"))
    assert not seen.enough(at(20, 29.0, state="stale", guidance="proposed"))
    assert seen.enough(at(30, 31.0, state="stale", guidance="proposed", banner="too old"))
    assert (seen.poses, seen.banner) == ({}, "too old")


def test_the_error_against_truth_is_in_millimetres_of_the_isocentre_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient 2 mm aside, across the beam, is 2 mm of error for points near the isocentre."""
    view = geometry(primary_rad=0.0, secondary_rad=0.0)
    here = RigidPose.identity(target="isocentre", source="lps")
    aside = RigidPose.from_rotation_vector(np.zeros(3), np.array([2.0, 0.0, 0.0]), target="isocentre", source="lps")
    truth = tmp_path / "run1.json"
    matrix = view.projection(here).matrix().tolist()
    truth.write_text(json.dumps({"views": [{"frame": 4, "projection_px_from_lps_mm": matrix}]}))
    monkeypatch.setattr(
        "engines.angiography.files.open_run.open_run", lambda _path: SimpleNamespace(geometry=lambda _frame: view)
    )
    points = np.random.default_rng(0).uniform(-10.0, 10.0, (50, 3))
    centerlines = SimpleNamespace(points_mm=lambda: points)
    case: Any = SimpleNamespace(
        folder=tmp_path, vessel_model=lambda: SimpleNamespace(centerlines=centerlines)
    )  # fmt: skip
    poses: Any = {4: SimpleNamespace(views=(SimpleNamespace(projection=view.projection(aside)),)), 99: None}
    assert demo._errors_mm(case, tmp_path / "run1.dcm", truth, poses) == [pytest.approx(2.0, rel=0.01)]
