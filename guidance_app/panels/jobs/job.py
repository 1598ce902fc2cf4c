"""One job as the window sees it: its state, its progress, and how long it may still take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from calibration.errors import InputError
from guidance_app.panels.jobs.work import Ended, Progress, Work, WorkProcess

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]

_LOOK_MS = 100
_TOLD_FROM_SHARE = 0.05  # an estimate from less is a guess
_TOLD_FROM_S = 2.0


class Job(QObject):
    """Waits until it is started, then follows its process from a timer; `changed` tells of every change.

    Attributes:
        problem: one line, why it failed.
        stage: what it does now, in a few words.
        share: how much is done, from 0 to 1.
    """

    changed = pyqtSignal()

    def __init__(self, work: Work, parent: QObject | None = None, *, clock_s: Callable[[], float] = time.monotonic):
        super().__init__(parent)
        self.work = work
        self.state: JobState = "waiting"
        self.stage = ""
        self.share = 0.0
        self.problem = ""
        self._clock_s = clock_s
        self._began_s = 0.0
        self._process: WorkProcess | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)

    def start(self) -> None:
        if self.state != "waiting":
            return
        self._began_s = self._clock_s()
        try:
            self._process = WorkProcess(self.work)
        except InputError as error:
            self._finish("failed", str(error))
            return
        self.state, self.stage = "running", "starting"
        self._timer.start()
        self.changed.emit()

    def cancel(self) -> None:
        """End it and remove what it has written so far; nothing happens to a job that is over."""
        if self.is_over:
            return
        if self._process is not None:
            self._process.cancel()
        self._finish("cancelled", "")

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def left_s(self) -> float | None:
        """How long it may still take, from its pace so far; None where that is not known yet."""
        took_s = self._clock_s() - self._began_s
        if self.state != "running" or self.share < _TOLD_FROM_SHARE or took_s < _TOLD_FROM_S:
            return None
        return took_s * (1.0 - self.share) / self.share

    def _look(self) -> None:
        if self._process is None:
            return
        for report in self._process.news():
            match report:
                case Progress():
                    self.stage, self.share = report.stage, max(report.share, self.share)
                case Ended():
                    self._finish("failed" if report.problem else "done", report.problem)
                    return
        self.changed.emit()  # the time that is left has changed

    def _finish(self, state: JobState, problem: str) -> None:
        self._timer.stop()
        self.state, self.problem = state, problem
        self.share = 1.0 if state == "done" else self.share
        self.changed.emit()


def words_of(job: Job) -> str:
    """State, stage and time left in one line."""
    match job.state:
        case "waiting":
            return "Waits for the job before it"
        case "running":
            left = job.left_s
            return f"{job.stage.capitalize()}, {100 * job.share:.0f} %" + ("" if left is None else f", {_left(left)}")
        case "done":
            return f"Done: {job.work.out}"
        case "failed":
            return f"Failed: {job.problem}"
        case "cancelled":
            return "Cancelled; nothing was written"


def _left(seconds: float) -> str:
    if seconds < 10.0:
        return "a few seconds left"
    if seconds < 90.0:
        return f"about {10 * round(seconds / 10)} s left"
    return f"about {round(seconds / 60)} min left"
