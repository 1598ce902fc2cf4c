"""What is seen in the case room: the bundled cases, and how to open one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from guidance_app.views import palette

CASE_WORDS = {
    "evt": "Endovascular treatment of stroke: head and neck arteries",
    "tavi": "Aortic valve implantation: aortic root and arch",
    "coronary": "Arteries of the heart",
}
_COLUMN_PX = 720  # longer lines are hard to read


class Welcome(QWidget):
    """Calls `choose` with a bundled name or a folder, and says why where that fails.

    Args:
        choose: returns "" once the case is open, else one line that says why it could not be.
        choose_run: the same with a file that holds a run, for a case that has none of its own (`offer_run`).
        last_case: folder of the case that was open last, "" for none.
    """

    def __init__(self, choose: Callable[[str], str], choose_run: Callable[[str], str], *, last_case: str = "") -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._choose = choose
        self._choose_run = choose_run
        column = QWidget()
        column.setMaximumWidth(_COLUMN_PX)
        self._layout = QVBoxLayout(column)
        self._layout.setContentsMargins(48, 40, 48, 32)
        self._layout.setSpacing(12)
        title = QLabel("Choose a case")
        title.setStyleSheet(f"font-size: 26px; color: {palette.BRIGHT_TEXT};")
        self._layout.addWidget(title)
        note = QLabel("The bundled cases are simulated, with exact truth.")
        note.setObjectName("quiet")
        self._layout.addWidget(note)
        self.buttons: dict[str, QPushButton] = {}
        for name, words in CASE_WORDS.items():
            self._add(name, f"{name.upper() if len(name) < 5 else name.capitalize()}\n{words}", name)
        if last_case and Path(last_case).name not in CASE_WORDS:
            self._add("last", f"Last case\n{last_case}", last_case)
        self.open_button = QPushButton("Open case folder\u2026")
        self.open_button.setMinimumHeight(48)
        self.open_button.clicked.connect(self.ask_for_folder)
        self._layout.addSpacing(8)
        self._layout.addWidget(self.open_button)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(f"color: {palette.ALARM};")
        self._layout.addWidget(self.problem)
        self.run_button = QPushButton("Open a run\u2026  (XA file, recording, picture or video)")
        self.run_button.setMinimumHeight(48)
        self.run_button.clicked.connect(self.ask_for_run)
        self.run_button.hide()
        self._layout.addWidget(self.run_button)
        self._layout.addStretch(1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._layout.addWidget(research)
        middle = QHBoxLayout(self)
        middle.addStretch(1)
        middle.addWidget(column, 3)
        middle.addStretch(1)

    def choose(self, case: str) -> None:
        self.run_button.hide()
        self.problem.setText(self._choose(case))

    def offer_run(self, offer: bool) -> None:
        """Offer to open a run, or not: the chosen case has none of its own."""
        self.run_button.setVisible(offer)

    def choose_run(self, file: str) -> None:
        self.problem.setText(self._choose_run(file))

    def ask_for_run(self) -> None:
        self._ask("Open a run", QFileDialog.FileMode.ExistingFile, self.choose_run)

    def ask_for_folder(self) -> None:
        self._ask("Open case folder", QFileDialog.FileMode.Directory, self.choose)

    def _ask(self, title: str, mode: QFileDialog.FileMode, chosen: Callable[[str], None]) -> None:
        """A dialog beside the window, which goes on: a live picture may be running in its room."""
        dialog = QFileDialog(self, title, str(Path.home()))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        dialog.fileSelected.connect(chosen)
        dialog.setModal(False)
        dialog.show()

    def _add(self, key: str, text: str, case: str) -> None:
        button = QPushButton(text)
        button.setMinimumHeight(62)
        button.setStyleSheet("text-align: left; padding-left: 16px;")
        button.clicked.connect(lambda: self.choose(case))
        self.buttons[key] = button
        self._layout.addWidget(button)
