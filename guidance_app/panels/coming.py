"""A room that has its place and not yet its work: its name and one honest line."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QVBoxLayout, QWidget

from guidance_app.views import palette


class ComingPlace(QWidget):
    """`title` is what the room is for, `line` what does not work yet and how the work is done today."""

    def __init__(self, title: str, line: str) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(48, 40, 48, 32)
        layout.setSpacing(12)
        heading = QLabel(title)
        heading.setStyleSheet(f"font-size: 26px; color: {palette.BRIGHT_TEXT};")
        layout.addWidget(heading)
        self.line = QLabel(line)
        self.line.setWordWrap(True)
        self.line.setStyleSheet("font-size: 16px;")
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.line)
        layout.addStretch(1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(research)
