"""The job tray: every long job of the window in one place, over the room, hiding when nobody asks for it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from guidance_app.panels.jobs.job import Job, words_of
from guidance_app.panels.jobs.work import Work
from guidance_app.views import palette

WIDTH_PX = 460
_ABOVE_PX = 84  # the line below the room, and the research-use line at the foot of the picture
_KEPT = 6  # jobs that are over


class JobTray(QFrame):
    """Runs one job at a time, in the order in which they were asked for.

    Args:
        ended: told of every job that is done, has failed, or was cancelled.

    Attributes:
        changed: something about the jobs has changed.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QWidget, ended: Callable[[Job], None]) -> None:
        super().__init__(parent)
        self.setObjectName("tray")
        self.setAccessibleName("Jobs")
        self.setFixedWidth(WIDTH_PX)
        self.jobs: list[Job] = []
        self._ended = ended
        self._told: set[Job] = set()
        self._rows: dict[Job, _JobRow] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(16, 14, 16, 14)
        self._layout.setSpacing(10)
        heading = QLabel("JOBS")
        heading.setObjectName("heading")
        self._layout.addWidget(heading)
        self._none = QLabel("No job is running.")
        self._layout.addWidget(self._none)
        self.hide()

    def start(self, work: Work) -> Job:
        """Run this work as soon as the jobs before it are over."""
        job = Job(work, self)
        self.jobs.append(job)
        self._rows[job] = row = _JobRow(job)
        self._layout.addWidget(row)
        job.changed.connect(lambda: self._job_changed(job))
        self._forget_old()
        self._go_on()
        self._show_change()
        return job

    @property
    def running(self) -> Job | None:
        return next((job for job in self.jobs if job.state == "running"), None)

    @property
    def open_jobs(self) -> int:
        """How many run or wait."""
        return sum(not job.is_over for job in self.jobs)

    def cancel_all(self) -> None:
        """End every job, the waiting ones first; twice is harmless."""
        for job in reversed(self.jobs):
            job.cancel()

    def place(self) -> None:
        """At the lower left of the window, beside the rail."""
        parent = self.parentWidget()
        if parent is not None:
            self.adjustSize()
            self.move(80, max(8, parent.height() - self.height() - _ABOVE_PX))
            self.raise_()

    def toggle(self) -> None:
        self.setVisible(self.isHidden())
        self.place()

    def _job_changed(self, job: Job) -> None:
        self._rows[job].show_job()
        if job.is_over and job not in self._told:
            self._told.add(job)
            self._ended(job)
            self._go_on()
        self._show_change()

    def _go_on(self) -> None:
        waiting = next((job for job in self.jobs if job.state == "waiting"), None)
        if waiting is not None and self.running is None:
            waiting.start()

    def _forget_old(self) -> None:
        over = [job for job in self.jobs if job.is_over]
        for job in over[:-_KEPT] if len(over) > _KEPT else []:
            self.jobs.remove(job)
            self._told.discard(job)
            row = self._rows.pop(job)
            self._layout.removeWidget(row)
            row.deleteLater()
            job.deleteLater()

    def _show_change(self) -> None:
        self._none.setVisible(not self.jobs)
        if not self.isHidden():
            self.place()
        self.changed.emit()


class _JobRow(QWidget):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        top = QHBoxLayout()
        name = QLabel(job.work.words)
        name.setStyleSheet(f"color: {palette.BRIGHT_TEXT}; font-weight: bold;")
        top.addWidget(name, 1)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.cancel_button.setAccessibleName(f"Cancel {job.work.words}")
        self.cancel_button.clicked.connect(job.cancel)
        top.addWidget(self.cancel_button)
        layout.addLayout(top)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self._bar.setAccessibleName(f"Progress of {job.work.words}")
        layout.addWidget(self._bar)
        self._line = QLabel()
        self._line.setWordWrap(True)
        layout.addWidget(self._line)
        self.show_job()

    def show_job(self) -> None:
        job = self._job
        self.cancel_button.setVisible(not job.is_over)
        self._bar.setVisible(not job.is_over)
        self._bar.setValue(round(1000 * job.share))
        self._line.setText(words_of(job))
        self._line.setStyleSheet(f"color: {palette.ALARM if job.state == 'failed' else palette.TEXT};")
