"""The first screen: the bundled cases, and how to open one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QCloseEvent
from PyQt6.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from guidance_app.views import palette

CASE_WORDS = {
    "evt": "Endovascular treatment of stroke: head and neck arteries",
    "tavi": "Aortic valve implantation: aortic root and arch",
    "coronary": "Arteries of the heart",
}


class WelcomeRoom(QWidget):
    """Calls `choose` with a bundled name or a folder; stays open, with the reason, where that fails."""

    def __init__(
        self, choose: Callable[[str], str], *, choose_run: Callable[[str], str] = lambda _: "", last_case: str = ""
    ) -> None:
        """`choose` returns "" once the case is open, else one line that says why it could not be.

        `choose_run` does the same with a file that holds a run, for a case that has none of its own (`ask_for_run`).
        """
        super().__init__()
        self._choose = choose
        self._choose_run = choose_run
        self.on_closed: Callable[[], None] | None = None
        self.setWindowTitle(f"Guidance - {palette.RESEARCH_LINE}")
        self.setStyleSheet(palette.STYLE_SHEET)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(48, 40, 48, 32)
        layout.setSpacing(12)
        title = QLabel("Choose a case")
        title.setStyleSheet(f"font-size: 26px; color: {palette.BRIGHT_TEXT};")
        layout.addWidget(title)
        note = QLabel("The bundled cases are simulated, with exact truth.")
        note.setObjectName("quiet")
        layout.addWidget(note)
        self.buttons: dict[str, QPushButton] = {}
        for name, words in CASE_WORDS.items():
            self._add(name, f"{name.upper() if len(name) < 5 else name.capitalize()}\n{words}", name)
        if last_case and last_case not in CASE_WORDS:
            self._add("last", f"Last case\n{last_case}", last_case)
        self.open_button = QPushButton("Open case folder\u2026")
        self.open_button.setMinimumHeight(48)
        self.open_button.clicked.connect(self._open_folder)
        layout.addSpacing(8)
        layout.addWidget(self.open_button)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(f"color: {palette.ALARM};")
        layout.addWidget(self.problem)
        self.run_button = QPushButton("Open a run\u2026  (XA file, recording, picture or video)")
        self.run_button.setMinimumHeight(48)
        self.run_button.clicked.connect(self._open_run)
        self.run_button.hide()
        layout.addWidget(self.run_button)
        layout.addStretch(1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(research)
        self.resize(640, 560)

    def choose(self, case: str) -> None:
        self.run_button.hide()
        self.problem.setText(self._choose(case))

    def ask_for_run(self) -> None:
        """Offer to open a run: the chosen case has none of its own."""
        self.run_button.show()

    def choose_run(self, file: str) -> None:
        self.problem.setText(self._choose_run(file))

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        super().closeEvent(a0)
        if self.on_closed is not None:
            self.on_closed()

    def _add(self, key: str, text: str, case: str) -> None:
        button = QPushButton(text)
        button.setMinimumHeight(62)
        button.setStyleSheet("text-align: left; padding-left: 16px;")
        button.clicked.connect(lambda: self.choose(case))
        self.buttons[key] = button
        layout = self.layout()
        assert layout is not None
        layout.addWidget(button)

    def _open_run(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Open a run", str(Path.home()))
        if file:
            self.choose_run(file)

    def _open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open case folder", str(Path.home()))
        if folder:
            self.choose(folder)
