"""A note on the disk for as long as a window is open, for the case that it never ends in order."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QMessageLogContext, QObject, QTimer, QtMsgType, qInstallMessageHandler

from calibration.errors import GuidanceError
from calibration.store import write_json
from guidance_app.panels.background import Background
from guidance_app.window.last_time.crash_report import CrashWatch
from guidance_app.window.last_time.left_behind import NOTES, Shown, window_lock

_LOG = logging.getLogger(__name__)
_EVERY_MS = 2000  # what was set up in the last two seconds may be lost


class OpenWindow(QObject):
    """Keeps the note of one window current, away from the thread that paints, and watches for crashes.

    Where the folder cannot be written, nothing is kept, and the window goes on.

    Args:
        folder: the data folder of the program.
        present: what the window shows now.

    Attributes:
        watch: to be told of what breaks.
    """

    def __init__(self, folder: Path, present: Callable[[], Shown], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._note = folder / NOTES / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json"
        self._lock = window_lock(self._note)
        self._present = present
        self._background = Background(self)
        self._kept: Shown | None = None
        self._told_before: Callable[..., None] | None = None
        self._listens = False
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.keep)
        self.watch = CrashWatch(self._note.with_suffix(".crash"))

    def begin(self) -> None:
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _LOG.warning("%s: the window's place is not kept (%s)", self._note.parent, error.strerror)
            return
        self._lock.tryLock(0)
        self.watch.begin()
        self._told_before = qInstallMessageHandler(self._qt_says)
        self._listens = True
        self._timer.start()
        self.keep()

    def keep(self) -> None:
        """Write what the window shows, where that has changed."""
        now = self._present()
        if now == self._kept or self._background.busy:
            return
        self._kept = now
        self._background.run(
            lambda: write_json(self._note, now.model_dump(mode="json")), lambda _: None, failed=_not_kept
        )  # fmt: skip

    def end(self, *, in_order: bool) -> None:
        """Keep nothing more. A window that ends in order leaves nothing behind. Twice is harmless."""
        self._timer.stop()
        self._background.close()
        if self._listens:
            qInstallMessageHandler(self._told_before)
            self._listens = False
        self.watch.end()
        if in_order:
            for path in (self._note, self._note.with_suffix(".crash")):
                with contextlib.suppress(OSError):
                    path.unlink()
        self._lock.unlock()

    def _qt_says(self, kind: QtMsgType, context: QMessageLogContext, text: str | None) -> None:
        if kind is not QtMsgType.QtDebugMsg and kind is not QtMsgType.QtInfoMsg:
            self.watch.qt_says(text or "")
        if self._told_before is not None:
            self._told_before(kind, context, text)
        elif text:
            print(text, file=sys.stderr)


def _not_kept(error: Exception) -> None:
    if not isinstance(error, GuidanceError):
        raise error
    _LOG.warning("the window's place is not kept: %s", error)
