"""A search from scratch runs in the spare process, and is not lost with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.live.window_stand_in import drive

pytestmark = pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="only Linux tells the processes' names")


def _spare_pid(session: LiveSession) -> int:
    """Of the child that is an engine process and does not answer for the frames."""
    engines = [child.pid for child in psutil.Process().children() if _is_engine(child.pid)]
    [spare] = [pid for pid in engines if pid != session.engine_pid]
    return spare


def _is_engine(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "guidance-engine"
    except OSError:
        return False


def _found_by(session: LiveSession) -> str:
    return "" if session.registration is None else session.registration.case


def test_search_runs_in_the_spare_process_and_without_one_in_the_engine():
    with LiveSession(source=PacedFileSource(FakeRun(frame_count=400), fps=20), recipe=fake_recipe()) as session:
        drive(session, until=lambda screen: screen.overlay_state == "valid")
        assert _found_by(session) == f"found by {_spare_pid(session)}"
    source = PacedFileSource(FakeRun(frame_count=400), fps=20)
    with LiveSession(source=source, recipe=fake_recipe(), spare_engine=False) as session:
        drive(session, until=lambda screen: screen.overlay_state == "valid")
        assert _found_by(session) == f"found by {session.engine_pid}"


def test_search_is_begun_anew_when_the_spare_dies_in_it():
    with LiveSession(
        source=PacedFileSource(FakeRun(frame_count=600), fps=20), recipe=fake_recipe(cold_s=1.5)
    ) as session:
        drive(session, until=lambda screen: screen.engine_up and screen.result is not None)
        lost = _spare_pid(session)
        os.kill(lost, signal.SIGKILL)
        drive(session, until=lambda screen: screen.overlay_state == "valid", limit_s=40.0)
        assert _found_by(session) not in ("", f"found by {lost}")


def test_engine_looks_at_few_frames_while_the_search_runs_and_at_every_one_afterwards():
    stepped: list[int] = []

    def saw(screen) -> bool:
        if screen.result is not None and (not stepped or stepped[-1] != screen.result.frame_index):
            stepped.append(screen.result.frame_index)
        return screen.overlay_state == "valid"

    with LiveSession(
        source=PacedFileSource(FakeRun(frame_count=600), fps=25), recipe=fake_recipe(cold_s=2.0)
    ) as session:
        drive(session, until=saw, limit_s=40.0)
    during = np.diff(stepped[1:-1])
    assert len(during) >= 4
    assert np.median(during) >= 4, "frames left out, for the search to have the core"


_KILLED_PROGRAM = """
import os, pathlib, signal, sys, time

from guidance_app.live.engine.exchange import parcel
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe

if __name__ == "__main__":
    parcel._IN_MEMORY = pathlib.Path(sys.argv[1])
    session = LiveSession(source=PacedFileSource(FakeRun(frame_count=400), fps=20), recipe=fake_recipe())
    session.start()
    while not session.at_rest:
        time.sleep(0.02)
    assert list(parcel._IN_MEMORY.iterdir())
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_room_for_what_is_handed_over_is_cleared_away_even_if_the_program_is_killed(tmp_path):
    program, rooms = tmp_path / "killed.py", tmp_path / "rooms"
    program.write_text(_KILLED_PROGRAM)
    rooms.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, program, rooms], env=environment, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    end = time.monotonic() + 20.0
    tick = threading.Event()
    while list(rooms.iterdir()) and time.monotonic() < end:
        tick.wait(0.05)
    assert list(rooms.iterdir()) == []
