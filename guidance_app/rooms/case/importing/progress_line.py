"""A job's stage, its progress and time left, with a button that ends it."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from guidance_app.panels.jobs.job import Job, words_of
from guidance_app.views import palette
from guidance_app.views.language import tr

_BAR = (
    f"QProgressBar {{ background: {palette.LINE}; border: 0; border-radius: 5px; }}"
    f"QProgressBar::chunk {{ background: {palette.VALID}; border-radius: 5px; }}"
)


class ProgressLine(QWidget):
    """Follows one job at a time; `cancelled` is told of the button."""

    cancelled = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(10)
        self.bar.setStyleSheet(_BAR)
        self.bar.setAccessibleName(tr("Progress"))
        self.cancel_button = QPushButton(tr("Cancel"))
        self.cancel_button.setMinimumSize(120, 44)
        self.cancel_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.cancel_button.clicked.connect(self.cancelled)
        self._job: Job | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(14)
        layout.addWidget(self.words, 2)
        layout.addWidget(self.bar, 3)
        layout.addWidget(self.cancel_button)

    def follow(self, job: Job) -> None:
        """Show this job from now on."""
        self._job = job
        job.changed.connect(self._show_job)
        self._show_job()

    def _show_job(self) -> None:
        job = self._job
        if job is not None and not job.is_over:
            self.bar.setValue(round(1000 * job.share))
            self.words.setText(words_of(job))
