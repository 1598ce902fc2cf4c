"""The report of a crash, to be read, copied or deleted; laid over the room without stopping anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from guidance_app.views.language import tr

_SIZE_PX = (860, 560)


class ReportSheet(QFrame):
    """A child of the window.

    Args:
        closed: told when a person is done with it.
    """

    def __init__(self, parent: QWidget, report: Path, closed: Callable[[], None]) -> None:
        super().__init__(parent)
        self.setObjectName("tray")
        self._report = report
        self._closed = closed
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 16, 20, 16)
        layout.setSpacing(10)
        title = QLabel(tr("How the program ended last time"))
        title.setStyleSheet("font-size: 17px;")
        layout.addWidget(title)
        told = QLabel(tr("This stays on this computer; nobody was sent it. Paths and what errors said are left out."))
        told.setObjectName("quiet")
        told.setWordWrap(True)
        layout.addWidget(told)
        self.text = QPlainTextEdit(_content(report))
        self.text.setReadOnly(True)
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.text.setAccessibleName(tr("Crash report"))
        self.text.setStyleSheet("font-family: 'DejaVu Sans Mono', monospace; font-size: 12px; background: #0f1113;")
        layout.addWidget(self.text, 1)
        where = QLabel(str(report))
        where.setObjectName("quiet")
        where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(where)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        self.delete_button = _button(tr("Delete it"), self.delete, buttons)
        self.close_button = _button(tr("Close"), self.close_sheet, buttons)
        layout.addLayout(buttons)
        self.place()

    def place(self) -> None:
        """In the middle of the window."""
        parent = self.parentWidget()
        if parent is not None:
            width, height = min(_SIZE_PX[0], parent.width() - 40), min(_SIZE_PX[1], parent.height() - 40)
            self.setGeometry((parent.width() - width) // 2, (parent.height() - height) // 2, width, height)
            self.raise_()

    def delete(self) -> None:
        """Take the report off the disk."""
        self._report.unlink(missing_ok=True)
        self.close_sheet()

    def close_sheet(self) -> None:
        self.hide()
        self.deleteLater()
        self._closed()


def _content(report: Path) -> str:
    try:
        return report.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return tr("The report cannot be read: {why}").format(why=error.strerror)


def _button(words: str, pressed: Callable[[], None], into: QHBoxLayout) -> QPushButton:
    button = QPushButton(words)
    button.setMinimumHeight(40)
    button.clicked.connect(lambda: pressed())
    into.addWidget(button)
    return button
