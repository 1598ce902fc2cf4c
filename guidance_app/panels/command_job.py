"""A command of this program in a process of its own: progress with time left, cancel, one line where it fails."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

_PROGRESS = re.compile(r"^\s*(\d+)\s*% (.*)$")
_KILL_AFTER_MS = 700  # a cancelled job that does not tidy up by then is killed
_PROGRAM = "from guidance_app.cli.main import main; main()"


class CommandJob(QObject):
    """One run at a time.

    `advanced` tells share, stage and seconds left (negative where not known); `ended` tells "" after success, else why.
    """

    advanced = pyqtSignal(float, str, float)
    ended = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._began, self._words, self._cancelled = 0.0, "", False

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, arguments: Sequence[str]) -> None:
        """Run `guidance-app ARGUMENTS`. It must not be running."""
        assert self._process is None
        process = QProcess(self)
        surroundings = QProcessEnvironment.systemEnvironment()
        surroundings.insert("PYTHONPATH", ":".join(path for path in sys.path if path))
        surroundings.insert("PYTHONUNBUFFERED", "1")
        process.setProcessEnvironment(surroundings)
        process.readyReadStandardError.connect(self._read)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._not_started)
        self._process, self._began, self._words, self._cancelled = process, time.monotonic(), "", False
        process.start(sys.executable, ["-c", _PROGRAM, *arguments])

    def cancel(self) -> None:
        """Ask it to end, and end it where it does not within a second."""
        process = self._process
        if process is None:
            return
        self._cancelled = True
        process.terminate()
        QTimer.singleShot(_KILL_AFTER_MS, process.kill)

    def close(self) -> None:
        """End it and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(5000)
            process.deleteLater()

    def _read(self) -> None:
        assert self._process is not None
        text = bytes(self._process.readAllStandardError().data()).decode(errors="replace")
        for line in filter(None, (part.strip() for part in text.splitlines())):
            if (found := _PROGRESS.match(line)) is None:
                self._words = line
                continue
            share = int(found.group(1)) / 100.0
            passed = time.monotonic() - self._began
            self.advanced.emit(share, found.group(2), passed * (1.0 - share) / share if share > 0.05 else -1.0)

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.deleteLater()
        if self._cancelled:
            self.ended.emit("cancelled")
        elif status == QProcess.ExitStatus.CrashExit:
            self.ended.emit("the job crashed; the window goes on")
        elif code:
            self.ended.emit(self._words or f"the job ended with exit status {code}")
        else:
            self.ended.emit("")

    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._process.deleteLater()
            self._process = None
            self.ended.emit("the job could not be started")
