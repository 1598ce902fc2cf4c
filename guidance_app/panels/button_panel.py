"""A narrow panel whose buttons perform actions, told by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QLabel, QPushButton, QWidget

from guidance_app.panels.action import Action
from guidance_app.panels.action_button import dress
from guidance_app.views import palette

PANEL_WIDTH_PX = 252
_BUTTON_HEIGHT_PX = 36


class ButtonPanel(QFrame):
    """Takes no keyboard focus by a click, so that keys always reach the room.

    Attributes:
        buttons: by the id of their action.
    """

    def __init__(self, parent: QWidget | None, perform: Callable[[str], None]) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedWidth(PANEL_WIDTH_PX)
        self.buttons: dict[str, QPushButton] = {}
        self._perform = perform

    def button(self, action_id: str, words: str, *, checkable: bool = False) -> QPushButton:
        """A button that performs the action with this id; `checkable`: it shows a state."""
        button = QPushButton(words)
        button.setCheckable(checkable)
        button.setMinimumHeight(_BUTTON_HEIGHT_PX)
        button.setStyleSheet(f"font-size: {palette.SMALL_TEXT_PX}px; padding: 2px;")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self._perform(action_id))
        self.buttons[action_id] = button
        return button

    def dress_buttons(self, actions: Iterable[Action]) -> None:
        """Give the buttons tip, keys and name of their actions."""
        for action in actions:
            if (button := self.buttons.get(action.id)) is not None:
                dress(button, action)


def heading(text: str) -> QLabel:
    """The title of a part of a panel."""
    label = QLabel(text)
    label.setObjectName("heading")
    return label


def quiet(text: str, *, wraps: bool = False) -> QLabel:
    """A remark beside what matters."""
    label = QLabel(text)
    label.setObjectName("quiet")
    label.setWordWrap(wraps)
    return label
