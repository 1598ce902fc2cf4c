"""The list of keys, laid over the picture without stopping anything."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QWidget

from guidance_app.views import palette
from guidance_app.window.actions import ACTIONS, MOUSE_HELP


class KeyHelp(QWidget):
    """A child of the picture; mouse and keys pass through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("keys")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(
            f"#keys {{ background: rgba(12, 14, 16, 238); border: 1px solid {palette.LINE}; border-radius: 8px; }}"
            "#keys QLabel { background: transparent; }"
        )
        rows = [(action.shown, action.text) for action in ACTIONS] + list(MOUSE_HELP)
        grid = QGridLayout(self)
        grid.setContentsMargins(22, 18, 22, 18)
        grid.setHorizontalSpacing(14)
        half = (len(rows) + 1) // 2
        for number, (keys, text) in enumerate(rows):
            column = 2 * (number // half)
            shown = QLabel(keys)
            shown.setStyleSheet(f"color: {palette.BRIGHT_TEXT}; font-weight: bold;")
            grid.addWidget(shown, number % half, column, Qt.AlignmentFlag.AlignRight)
            does = QLabel(text)
            does.setMinimumWidth(220)
            grid.addWidget(does, number % half, column + 1)
        self.hide()

    def toggle(self) -> bool:
        """Show or hide in the middle of the picture; returns whether it shows now."""
        self.setVisible(self.isHidden())
        self.place()
        return not self.isHidden()

    def place(self) -> None:
        parent = self.parentWidget()
        if parent is None:
            return
        self.adjustSize()
        self.move((parent.width() - self.width()) // 2, (parent.height() - self.height()) // 2)
        self.raise_()
