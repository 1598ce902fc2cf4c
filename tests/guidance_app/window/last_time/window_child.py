"""A window on a case that is told by the parent how to end; run as a program by the tests."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from PyQt6.QtCore import QTimer

from engines.evaluation.registration.subject import true_pose
from guidance_app.settings import data_folder
from guidance_app.window import run
from guidance_app.window.last_time.left_behind import NOTES
from guidance_app.window.window import GuidanceWindow

_LOOK_MS = 50
_FILLED_FRAME = 20  # of the bundled coronary run


def _secret_failure() -> None:
    name = "DOE^JANE"
    raise KeyError(f"{name} in /home/someone/patients/doe_jane.dcm")


def _segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def _of_a_thread() -> None:
    threading.Thread(target=_secret_failure, name="reader").start()
    QTimer.singleShot(300, lambda: os.kill(os.getpid(), signal.SIGKILL))


ENDINGS = {
    "registered": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "python": _secret_failure,
    "native": _segfault,
    "thread": _of_a_thread,
    "ordered": None,
}


def _accept_the_true_pose(window: GuidanceWindow, placed: list[int]) -> None:
    """As a person would who places it by hand, on a frame with contrast, once."""
    session = window.live.widget.desk.session
    screen = window.live.widget.view.screen_state
    if session is None or window.case is None or screen is None or screen.frame is None:
        return
    if screen.frame.source_frame != _FILLED_FRAME:
        session.commands.pause()
        session.commands.seek(_FILLED_FRAME)
    elif not placed and screen.frame.geometry is not None:
        placed.append(_FILLED_FRAME)
        truth = window.case.folder / "truth" / "run1.json"
        session.commands.place_by_hand(true_pose(truth, _FILLED_FRAME, screen.frame.geometry), "the true pose")
        session.commands.accept()


def main(case: str, how: str) -> None:
    placed: list[int] = []

    def opened(window: GuidanceWindow) -> None:
        def look() -> None:
            notes = list((data_folder() / NOTES).glob("*.json"))
            screen = window.live.widget.view.screen_state if window.case is not None else None
            if not notes or screen is None or screen.frame is None:
                return
            kept = notes[0].read_text()
            if how == "registered" and '"fitted": {' not in kept:
                _accept_the_true_pose(window, placed)
                return
            if '"center": ' not in kept or '"center": null' in kept or '"case": ""' in kept:
                return
            watch.stop()
            end = ENDINGS[how]
            if end is None:
                window.close()
            else:
                end()

        watch = QTimer(window)
        watch.timeout.connect(look)
        watch.start(_LOOK_MS)

    run.run_house(case=case, opened=opened)


if __name__ == "__main__":
    main(str(Path(sys.argv[1])), sys.argv[2])
