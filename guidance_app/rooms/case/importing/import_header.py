"""The top line of the import: where one is, the way back, and the ways to add something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from guidance_app.views import palette
from guidance_app.views.language import tr

Step = Literal["files", "archive", "check", "plan"]


class ImportHeader(QWidget):
    """Args: what each button does, in their order."""

    def __init__(
        self,
        *,
        back: Callable[[], None],
        folder: Callable[[], None],
        files: Callable[[], None],
        archive: Callable[[], None],
    ) -> None:
        super().__init__()
        self.title = QLabel()
        self.title.setStyleSheet(f"font-size: 22px; color: {palette.BRIGHT_TEXT};")
        self.back = _button(tr("\u2190 Cases"), back)
        self.back.setToolTip(tr("Back to the cases; nothing that was made is lost"))
        self.folder = _button(tr("Add a folder\u2026"), folder)
        self.files = _button(tr("Add files\u2026"), files)
        self.archive = _button(tr("From the archive (PACS)\u2026"), archive)
        self._adding = (self.folder, self.files, self.archive)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(10)
        line.addWidget(self.back)
        line.addWidget(self.title)
        line.addStretch(1)
        for button in self._adding:
            line.addWidget(button)

    def show_step(self, step: Step, name: str) -> None:
        """`name` of the case that was made; "" before."""
        titles = {
            "files": tr("New case"), "archive": tr("New case: from the archive"),
            "check": tr("Check case {name}").format(name=name), "plan": tr("Plan on {name}").format(name=name),
        }  # fmt: skip
        self.title.setText(titles[step])
        self.back.setText({"archive": tr("\u2190 Files"), "plan": tr("\u2190 Check")}.get(step, tr("\u2190 Cases")))
        for button in self._adding:
            button.setVisible(step == "files")

    def show_working(self, working: bool) -> None:
        """Nothing is added while a job runs."""
        for button in self._adding:
            button.setEnabled(not working)


def _button(words: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(words)
    button.setMinimumHeight(40)
    button.clicked.connect(lambda: pressed())
    return button
