"""What is seen in the case room: cases as cards with a picture and a search, and how to open one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QIcon, QPixmap
from PyQt6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from guidance_app.panels.background import Background
from guidance_app.panels.pictures.grey import colour_image
from guidance_app.rooms.case.case_portrait import PORTRAIT_PX, portrait
from guidance_app.rooms.case.dropped import dropped
from guidance_app.views import palette
from guidance_app.views.language import tr

CASE_WORDS = {
    "evt": "Endovascular treatment of stroke: head and neck arteries",
    "tavi": "Aortic valve implantation: aortic root and arch",
    "coronary": "Arteries of the heart",
}
_STAYED_MS = 700  # somebody who only passes through pays nothing, and the window is up before
_COLUMN_PX = 760  # longer lines are hard to read


class Welcome(QWidget):
    """Calls `choose` with a bundled name or a folder, and says why where that fails.

    Args:
        choose: returns "" once the case is open, else one line that says why it could not be.
        choose_run: the same with a file that holds a run, for a case that has none of its own (`offer_run`).
        run_is_welcome: a case is open, so that a file that is dropped is a run of it.
        recent: folders of cases that were open, the last one first.

    A case's folder or a run may be dropped on it too.

    Signals: `new_wanted` carries other files and folders, [] to ask for them; `check_wanted` is of the open case.
    """

    new_wanted = pyqtSignal(list)
    check_wanted = pyqtSignal()

    def __init__(
        self, choose: Callable[[str], str], choose_run: Callable[[str], str], *, recent: Sequence[str] = (),
        run_is_welcome: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.setAcceptDrops(True)
        self._background = Background(self)
        self._stayed = QTimer(self)
        self._stayed.setSingleShot(True)
        self._stayed.setInterval(_STAYED_MS)
        self._stayed.timeout.connect(self._read_portraits)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._choose = choose
        self._choose_run = choose_run
        self._run_is_welcome = run_is_welcome
        column = QWidget()
        column.setMaximumWidth(_COLUMN_PX)
        self._layout = QVBoxLayout(column)
        self._layout.setContentsMargins(48, 40, 48, 32)
        self._layout.setSpacing(12)
        title = QLabel(tr("Choose a case"))
        title.setStyleSheet(f"font-size: 26px; color: {palette.BRIGHT_TEXT};")
        self._layout.addWidget(title)
        note = QLabel(tr("The bundled cases are simulated, with exact truth."))
        note.setObjectName("quiet")
        self._layout.addWidget(note)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search cases"))
        self.search.setAccessibleName(tr("Search cases"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._show_found)
        self.search.returnPressed.connect(self._choose_only_one)
        self._layout.addWidget(self.search)
        self.nothing_found = QLabel(tr("No case has these words. A folder can be opened below, or dropped here."))
        self.nothing_found.hide()
        self._layout.addWidget(self.nothing_found)
        cards = QWidget()
        self._cards = QVBoxLayout(cards)
        self._cards.setContentsMargins(0, 0, 0, 0)
        self._cards.setSpacing(10)
        self._cards.setAlignment(Qt.AlignmentFlag.AlignTop)
        scroll = QScrollArea()
        scroll.setWidget(cards)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._layout.addWidget(scroll, 100)
        self.buttons: dict[str, QPushButton] = {}
        self._cases: dict[str, str] = {}
        self._pictured: set[str] = set()  # cards whose picture has been asked for
        for name, words in CASE_WORDS.items():
            self._add(name, f"{name.upper() if len(name) < 5 else name.capitalize()}\n{tr(words)}", name)
        self.show_recent(recent)
        self.new_button = QPushButton(tr("New case from a CT scan\u2026"))
        self.new_button.setToolTip(
            tr("Folders and files with scans, masks, surfaces and runs; they can be dropped here")
        )
        self.new_button.clicked.connect(lambda: self.new_wanted.emit([]))
        self.open_button = QPushButton(tr("Open case folder\u2026  (or drop it here)"))
        self.open_button.clicked.connect(self.ask_for_folder)
        row = QHBoxLayout()
        row.setSpacing(10)
        for button in (self.new_button, self.open_button):
            button.setMinimumHeight(48)
            row.addWidget(button, 1)
        self._layout.addLayout(row)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(f"color: {palette.ALARM};")
        self._layout.addWidget(self.problem)
        self.check_button = QPushButton(tr("Check the open case"))
        self.check_button.setToolTip(tr("What was found in the scan and what it was taken for, to be corrected"))
        self.check_button.clicked.connect(self.check_wanted)
        self.run_button = QPushButton(tr("Open a run\u2026  (XA file, recording, picture or video)"))
        self.run_button.clicked.connect(self.ask_for_run)
        open_case = QHBoxLayout()
        open_case.setSpacing(10)
        for button in (self.check_button, self.run_button):
            button.setMinimumHeight(48)
            button.hide()
            open_case.addWidget(button, 1)
        self._layout.addLayout(open_case)
        self._layout.addStretch(1)
        research = QLabel(palette.RESEARCH_LINE)
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._layout.addWidget(research)
        middle = QHBoxLayout(self)
        middle.addStretch(1)
        middle.addWidget(column, 3)
        middle.addStretch(1)

    def show_recent(self, folders: Sequence[str]) -> None:
        """The cases of one's own, the last one first, below those that come with the program."""
        for key in [key for key in self.buttons if key not in CASE_WORDS]:
            del self._cases[key]
            self._pictured.discard(key)
            button = self.buttons.pop(key)
            self._cards.removeWidget(button)
            button.deleteLater()
        for number, folder in enumerate(folders):
            word = tr("Last case") if number == 0 else tr("Earlier case")
            self._add("last" if number == 0 else f"recent-{number}", f"{word}: {Path(folder).name}\n{folder}", folder)

    def show_portraits(self) -> None:
        """Read the pictures of all cards, one after the other, once a person has stayed for a moment."""
        self._stayed.start()

    def _read_portraits(self) -> None:
        for key, case in self._cases.items():
            if key not in self._pictured:
                self._pictured.add(key)
                self._background.run(
                    partial(portrait, case), partial(self._show_portrait, key), failed=_raise, replaces=False
                )

    def close_place(self) -> None:
        """End what is running; twice is harmless."""
        self._stayed.stop()
        self._background.close()

    def choose(self, case: str) -> None:
        self.run_button.hide()
        self.problem.setText(self._choose(case))

    def offer_run(self, offer: bool) -> None:
        """Offer to open a run, or not: the chosen case has none of its own."""
        self.run_button.setVisible(offer)

    def offer_check(self, offer: bool) -> None:
        """Offer to check the open case, or not."""
        self.check_button.setVisible(offer)

    def choose_run(self, file: str) -> None:
        self.problem.setText(self._choose_run(file))

    def ask_for_run(self) -> None:
        self._ask(tr("Open a run"), QFileDialog.FileMode.ExistingFile, self.choose_run)

    def ask_for_folder(self) -> None:
        self._ask(tr("Open case folder"), QFileDialog.FileMode.Directory, self.choose)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        if a0 is not None and dropped(a0):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """A case's folder, or its case.json, is opened; a file is a run of the open case; the rest begins a new one."""
        paths = [] if a0 is None else dropped(a0)
        only = paths[0] if len(paths) == 1 else None
        if only is not None and (only.name == "case.json" or (only / "case.json").is_file()):
            self.choose(str(only))
        elif only is not None and only.is_file() and self._run_is_welcome():
            self.choose_run(str(only))
        elif paths:
            self.new_wanted.emit(paths)

    def _show_found(self, text: str) -> None:
        words = text.lower().split()
        found = 0
        for button in self.buttons.values():
            fits = all(word in button.text().lower() for word in words)
            button.setVisible(fits)
            found += fits
        self.nothing_found.setVisible(not found)

    def _choose_only_one(self) -> None:
        """Enter opens the case that the search leaves."""
        left = [key for key, button in self.buttons.items() if not button.isHidden()]
        if len(left) == 1:
            self.choose(self._cases[left[0]])

    def _show_portrait(self, key: str, picture: np.ndarray | None) -> None:
        if picture is not None and key in self.buttons:
            self.buttons[key].setIcon(QIcon(QPixmap.fromImage(colour_image(picture))))

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
        button.setMinimumHeight(PORTRAIT_PX + 12)
        button.setIconSize(QSize(PORTRAIT_PX, PORTRAIT_PX))
        room = QPixmap(PORTRAIT_PX, PORTRAIT_PX)
        room.fill(Qt.GlobalColor.transparent)
        button.setIcon(QIcon(room))  # for the picture that is read later: the words do not jump when it comes
        button.setStyleSheet("text-align: left; padding-left: 12px;")
        button.clicked.connect(lambda: self.choose(case))
        self.buttons[key] = button
        self._cases[key] = case
        self._cards.addWidget(button)


def _raise(error: Exception) -> None:
    raise error
