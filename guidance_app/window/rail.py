"""The rail at the left: one button a room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from guidance_app.panels.icons import icon
from guidance_app.rooms.room import Room

RAIL_WIDTH_PX = 72
_BUTTON_HEIGHT_PX = 64  # a gloved hand
_ICON_PX = 26


class Rail(QFrame):
    """Calls `choose` with the number of a room, from 0."""

    def __init__(self, parent: QWidget, rooms: Sequence[Room], choose: Callable[[int], None]) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(RAIL_WIDTH_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 8, 4, 8)
        layout.setSpacing(4)
        self._group = QButtonGroup(self)
        for number, room in enumerate(rooms):
            button = QToolButton()
            button.setText(room.name)
            button.setIcon(icon(room.icon))
            button.setIconSize(QSize(_ICON_PX, _ICON_PX))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFixedSize(RAIL_WIDTH_PX - 9, _BUTTON_HEIGHT_PX)
            # A click must leave the keys with the room; Tab still reaches the rail.
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setToolTip(f"{room.name}  (Ctrl+{number + 1})")
            button.setAccessibleName(f"Room {room.name}")
            button.clicked.connect(partial(_chosen, choose, number))
            self._group.addButton(button, number)
            layout.addWidget(button)
        layout.addStretch(1)

    def show_current(self, number: int) -> None:
        button = self._group.button(number)
        if button is not None:
            button.setChecked(True)

    def button(self, number: int) -> QToolButton:
        button = self._group.button(number)
        assert isinstance(button, QToolButton)
        return button


def _chosen(choose: Callable[[int], None], number: int, _checked: bool) -> None:
    choose(number)
