"""Qt's one application, on the platform that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from calibration.errors import InputError
from guidance_app.qt_probe import display_problem

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication


def application(*, headless: bool, meanwhile: Callable[[], object] = lambda: None) -> QApplication:
    """The one QApplication, made on the platform asked for; it lives as long as the caller holds it.

    Args:
        meanwhile: called while another process tries the display, which takes half a second.

    Raises:
        InputError: a display is needed and there is none.
    """
    if headless:
        # Qt reads it when the application is made; an X server that happens to be there must not be used.
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    else:
        require_display(meanwhile)
    from PyQt6.QtWidgets import QApplication

    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication([sys.argv[0]])
    # Each room has a loop of its own; Qt's own quitting would end the loop of the next one too.
    app.setQuitOnLastWindowClosed(False)
    if headless:
        _silence_offscreen_notice()
    return app


def _silence_offscreen_notice() -> None:
    """Qt's offscreen platform says on every window that it knows no size hints; nobody can act on that."""
    from PyQt6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    def pass_on(_kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
        if text and "propagateSizeHints" not in text:
            print(text, file=sys.stderr)

    qInstallMessageHandler(pass_on)


def require_display(meanwhile: Callable[[], object] = lambda: None) -> None:
    """Refuse before Qt does: it would abort the whole process. `meanwhile` is called while the display is tried.

    Raises:
        InputError: no display that Qt can open a window on, and no Qt platform was chosen.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="guidance-display") as trying:
        answer = trying.submit(display_problem)
        meanwhile()
    if problem := answer.result():
        raise InputError(
            f"no display: {problem}; `doctor` says what is missing. Start it on a desktop or under xvfb-run; demo, "
            "live and replay also take --headless"
        )
