"""The rail at the left: one button a room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from guidance_app.panels.icons import IconName, icon
from guidance_app.rooms.room import Room

RAIL_WIDTH_PX = 72
_BUTTON_HEIGHT_PX = 64  # a gloved hand
_ICON_PX = 26


class Rail(QFrame):
    """Calls `choose` with the number of a room, from 0; below are the doors to all actions and to the jobs."""

    def __init__(
        self,
        parent: QWidget,
        rooms: Sequence[Room],
        choose: Callable[[int], None],
        *,
        search: Callable[[], object],
        show_jobs: Callable[[], object],
    ) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(RAIL_WIDTH_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 8, 4, 8)
        layout.setSpacing(4)
        self._group = QButtonGroup(self)
        for number, room in enumerate(rooms):
            button = _button(room.name, room.icon)
            button.setCheckable(True)
            button.setToolTip(f"{room.name}  (Ctrl+{number + 1})")
            button.setAccessibleName(f"Room {room.name}")
            button.clicked.connect(partial(_chosen, choose, number))
            self._group.addButton(button, number)
            layout.addWidget(button)
        layout.addStretch(1)
        self.search_button = self._add(layout, "Search", "search", "Search for an action  (Ctrl+K)", search)
        self.jobs_button = self._add(layout, "Jobs", "jobs", "Jobs  (Ctrl+J)", show_jobs)

    def show_current(self, number: int) -> None:
        button = self._group.button(number)
        if button is not None:
            button.setChecked(True)

    def button(self, number: int) -> QToolButton:
        button = self._group.button(number)
        assert isinstance(button, QToolButton)
        return button

    def show_jobs(self, count: int, share: float) -> None:
        """How many jobs run or wait, and how far the one that runs has come."""
        self.jobs_button.setText(f"{100 * share:.0f} %" if count else "Jobs")
        self.jobs_button.setAccessibleName(f"Jobs, {count} running or waiting" if count else "Jobs, none running")

    def _add(
        self, layout: QVBoxLayout, name: str, picture: IconName, tip: str, pressed: Callable[[], object]
    ) -> QToolButton:
        button = _button(name, picture)
        button.setToolTip(tip)
        button.setAccessibleName(name)
        button.clicked.connect(lambda: pressed())
        layout.addWidget(button)
        return button


def _button(name: str, picture: IconName) -> QToolButton:
    button = QToolButton()
    button.setText(name)
    button.setIcon(icon(picture))
    button.setIconSize(QSize(_ICON_PX, _ICON_PX))
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
    button.setFixedSize(RAIL_WIDTH_PX - 9, _BUTTON_HEIGHT_PX)
    # A click must leave the keys with the room; Tab still reaches the rail.
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def _chosen(choose: Callable[[int], None], number: int, _checked: bool) -> None:
    choose(number)
