"""The list of actions and keys, laid over a room without stopping anything."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QWidget

from guidance_app.panels.action import Action
from guidance_app.views import palette

# Pairs of columns, and letters in pixels (0: as everywhere), tried one after the other until all keys fit.
_LAYOUTS = ((2, 0), (3, 0), (3, 12), (2, 10), (3, 10))
_MARGINS_PX = (22, 18, 22, 18)


class KeyHelp(QWidget):
    """A child of the window; mouse and keys pass through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("keys")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(
            f"#keys {{ background: rgb(12, 14, 16); border: 1px solid {palette.LINE}; border-radius: 8px; }}"
            "#keys QLabel { background: transparent; }"
        )
        self._grid = QGridLayout(self)
        self._rows: list[tuple[str, str]] = []
        self._pairs = 2
        self.hide()

    def toggle(self, actions: Sequence[Action], mouse: Sequence[tuple[str, str]]) -> bool:
        """Show these actions and what the mouse does, or hide them; returns whether it shows now."""
        if self.isHidden():
            self._rows = [*dict.fromkeys(action.in_help for action in actions if action.keys), *mouse]
        self.setVisible(self.isHidden())
        self.place()
        return not self.isHidden()

    def place(self) -> None:
        """In the middle of the window."""
        parent = self.parentWidget()
        if parent is None:
            return
        # Large letters as long as they fit; then small ones, for the search (Ctrl+K) has all words.
        for pairs, letter_px in _LAYOUTS:
            self._fill(pairs)
            if letter_px:
                self._crowd(parent.width(), letter_px)
            self.adjustSize()
            if self.height() <= parent.height() and self.width() <= parent.width():
                break
        self.move((parent.width() - self.width()) // 2, (parent.height() - self.height()) // 2)
        self.raise_()

    def _crowd(self, width_px: int, letter_px: int) -> None:
        """Smaller letters and no air."""
        self._grid.setContentsMargins(8, 4, 8, 4)
        self._grid.setVerticalSpacing(0)
        self._grid.setHorizontalSpacing(6)
        for label in self.findChildren(QLabel):
            label.setMinimumWidth(0)
            label.setStyleSheet(f"{label.styleSheet()} font-size: {letter_px}px;")
        over_px = self.sizeHint().width() - width_px
        if over_px <= 0:
            return
        columns = range(1, 2 * self._pairs, 2)
        for column in columns:
            cells = (self._grid.itemAtPosition(row, column) for row in range(self._grid.rowCount()))
            labels = [cell.widget() for cell in cells if cell is not None]
            widest = max((label.sizeHint().width() for label in labels if label is not None), default=0)
            for label in labels:
                if isinstance(label, QLabel):
                    room_px = widest - over_px // len(columns) - 4
                    shown = label.fontMetrics().elidedText(label.text(), Qt.TextElideMode.ElideRight, room_px)
                    label.setText(shown)

    def _fill(self, pairs: int) -> None:
        """In so many pairs of columns, keys and words."""
        self._pairs = pairs
        self._grid.setContentsMargins(*_MARGINS_PX)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(6)
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        high = -(-len(self._rows) // pairs)
        for number, (keys, text) in enumerate(self._rows):
            column = 2 * (number // high)
            shown = QLabel(keys)
            shown.setStyleSheet(f"color: {palette.BRIGHT_TEXT}; font-weight: bold;")
            self._grid.addWidget(shown, number % high, column, Qt.AlignmentFlag.AlignRight)
            does = QLabel(text)
            does.setMinimumWidth(240)
            self._grid.addWidget(does, number % high, column + 1)
            for label in (shown, does):
                label.show()  # the help may be open already
