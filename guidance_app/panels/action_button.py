"""Buttons of actions: the same words, keys and tip as everywhere else."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QAbstractButton, QPushButton

from guidance_app.panels.action import Action
from guidance_app.panels.icons import icon

_ICON_PX = 20


def action_button(action: Action, perform: Callable[[Action], None], *, words: str = "") -> QPushButton:
    """A button that does it; `words` instead of the action's own where there is little room."""
    button = QPushButton(words or action.words)
    if action.icon is not None:
        button.setIcon(icon(action.icon))
        button.setIconSize(QSize(_ICON_PX, _ICON_PX))
    button.clicked.connect(lambda: perform(action))
    dress(button, action)
    return button


def dress(button: QAbstractButton, action: Action) -> None:
    """Tip, name for screen readers, and reach by Tab; a click leaves the keys with the room."""
    tip = f"{action.words}. {action.tip}" if action.tip else action.words
    button.setToolTip(f"{tip}  ({action.shown_keys})" if action.keys else tip)
    button.setAccessibleName(action.words)
    button.setAccessibleDescription(action.tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
