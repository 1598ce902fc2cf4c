"""What a key means: first to the devices that arrive as keys, then to what lies on top, then to the room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QAbstractButton

from guidance_app.panels.action import action_for
from guidance_app.panels.hands.bindings import key_signal

if TYPE_CHECKING:
    from guidance_app.window.window import GuidanceWindow

_CLICKS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def key_pressed(window: GuidanceWindow, event: QKeyEvent) -> bool:
    """False where the key means nothing here."""
    if window.inputs.press(key_signal(event), repeated=event.isAutoRepeat()):
        return True
    if _stepped_back(window, event) or _clicked_focused(window, event):
        return True
    action = action_for(window.all_actions(), event)
    if action is None:
        return False
    if action.repeats or not event.isAutoRepeat():
        window.perform(action)
    return True


def key_released(window: GuidanceWindow, event: QKeyEvent) -> None:
    if event.isAutoRepeat() or window.inputs.let_go(key_signal(event)):
        return
    action = action_for(window.all_actions(), event)
    if action is not None and action.release is not None:
        window.say(action.release())


def _stepped_back(window: GuidanceWindow, event: QKeyEvent) -> bool:
    """Esc first closes what lies on top, then hands the keys back to the room, and only then means something."""
    if event.key() != Qt.Key.Key_Escape or window.current is None:
        return False
    for on_top in (window.keys, window.jobs):
        if not on_top.isHidden():
            on_top.hide()
            window.keys_to_room()
            return True
    if window.focusWidget() not in (None, window, window.current.widget):
        window.keys_to_room()
        return True
    return False


def _clicked_focused(window: GuidanceWindow, event: QKeyEvent) -> bool:
    """Enter on a button that a person reached with Tab presses that button, and not what Enter means elsewhere."""
    focused = window.focusWidget()
    if event.key() not in _CLICKS or not isinstance(focused, QAbstractButton):
        return False
    focused.click()
    return True
