"""The line at the bottom of the window."""

from __future__ import annotations

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

_SAID_MS = 6000


class StatusStrip(QFrame):
    """One line at the bottom: what just happened, and where the keys are explained."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(30)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 0)
        self.message = QLabel()
        layout.addWidget(self.message, 1)
        # A line soon stops being true: "Playing" must not stay after the end of the run.
        self._forget = QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.setInterval(_SAID_MS)
        self._forget.timeout.connect(self.message.clear)
        self._hint = QLabel()
        self._hint.setObjectName("quiet")
        layout.addWidget(self._hint)

    def show_hint(self, hint: str) -> None:
        """The keys that matter most in this room."""
        self._hint.setText("    ".join(part for part in (hint, "Ctrl+K search", "H all keys") if part))

    def say(self, text: str) -> None:
        """Show for a while what a key or a button did; "" where the picture says it all."""
        self.message.setText(text)
        self._forget.start()
