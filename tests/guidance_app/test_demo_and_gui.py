"""The commands `demo` and `gui`: what they measure, and their one-line refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calibration.pose import RigidPose
from guidance_app.cli import demo
from tests.guidance_app.views.staging import frame, geometry, screen


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
        "engines.angiography.open_run.open_run", lambda _path: SimpleNamespace(geometry=lambda _frame: view)
    )
    points = np.random.default_rng(0).uniform(-10.0, 10.0, (50, 3))
    centerlines = SimpleNamespace(points_mm=lambda: points)
    case: Any = SimpleNamespace(
        folder=tmp_path, vessel_model=lambda: SimpleNamespace(centerlines=centerlines)
    )  # fmt: skip
    poses: Any = {4: SimpleNamespace(views=(SimpleNamespace(projection=view.projection(aside)),)), 99: None}
    assert demo._errors_mm(case, tmp_path / "run1.dcm", truth, poses) == [pytest.approx(2.0, rel=0.01)]
