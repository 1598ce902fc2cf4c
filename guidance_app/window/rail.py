"""The rail at the left: one button a room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from guidance_app.panels.icons import IconName, icon
from guidance_app.rooms.room import Room

RAIL_WIDTH_PX = 72
_BUTTON_HEIGHT_PX = 64  # a gloved hand
_LEAST_HEIGHT_PX = 34  # in a low window, which shows pictures alone
_NAMED_FROM_PX = 52
_SPACING_PX, _MARGIN_PX = 4, 8
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
        layout.setContentsMargins(4, _MARGIN_PX, 4, _MARGIN_PX)
        layout.setSpacing(_SPACING_PX)
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

    def minimumSizeHint(self) -> QSize:
        """Of the lowest buttons: rooms must not decide how small a window may be."""
        count = len(self.findChildren(QToolButton))
        return QSize(RAIL_WIDTH_PX, 2 * _MARGIN_PX + count * (_LEAST_HEIGHT_PX + _SPACING_PX))

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        buttons = self.findChildren(QToolButton)
        room_px = (self.height() - 2 * _MARGIN_PX) // max(len(buttons), 1) - _SPACING_PX
        height_px = max(_LEAST_HEIGHT_PX, min(_BUTTON_HEIGHT_PX, room_px))
        named = height_px >= _NAMED_FROM_PX
        for button in buttons:
            button.setFixedHeight(height_px)
            style = Qt.ToolButtonStyle.ToolButtonTextUnderIcon if named else Qt.ToolButtonStyle.ToolButtonIconOnly
            button.setToolButtonStyle(style)

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
