"""One word of trust, why, and what to do next: the first thing that is read."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from guidance_app.views import palette

COLOURS = {"TRUSTED": palette.VALID, "CHECK": palette.UNVERIFIED, "REJECTED": palette.ALARM}
_MARKS = {"TRUSTED": "\u2713", "CHECK": "!", "REJECTED": "\u2715"}  # the word's colour alone is not enough


class VerdictBanner(QFrame):
    """Word at the left, reasons in the middle, figures at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("verdict")
        self.word, self.why, self.next, self.figures = QLabel(), QLabel(), QLabel(), QLabel()
        self.word.setTextFormat(Qt.TextFormat.PlainText)
        self.word.setMinimumWidth(190)
        for words in (self.why, self.next):  # a line that does not wrap would widen the whole window
            words.setWordWrap(True)
        self.next.setStyleSheet(f"color: {palette.BRIGHT_TEXT}; font-weight: bold;")
        self.figures.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.figures.setStyleSheet(f"color: {palette.TEXT}; font-size: 12px;")
        middle = QVBoxLayout()
        middle.setSpacing(1)
        middle.addWidget(self.why)
        middle.addWidget(self.next)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 4)
        layout.addWidget(self.word)
        layout.addLayout(middle, 1)
        layout.addWidget(self.figures)

    def show_verdict(self, word: str, reasons: tuple[str, ...], next_step: str, figures: str) -> None:
        """Args:
        word: TRUSTED, CHECK or REJECTED.
        figures: short lines for the right edge.
        """
        colour = COLOURS[word]
        self.word.setText(f"{_MARKS[word]} {word}")
        self.word.setStyleSheet(f"color: {colour}; font-size: 27px; font-weight: bold;")
        shown = "; ".join(reasons[:3]) + (f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else "")
        self.why.setText(shown[:1].upper() + shown[1:] if shown else "Nothing speaks against the answer")
        self.why.setToolTip("\n".join(reasons))
        self.next.setText("Next: " + next_step)
        self.figures.setText(figures)
        self.setStyleSheet(
            f"QFrame#verdict {{ background: {palette.PANEL}; border-left: 7px solid {colour}; }}"
            "QFrame#verdict QLabel { background: transparent; }"
        )
