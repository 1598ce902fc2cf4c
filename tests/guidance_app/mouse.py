"""Moves of the mouse that always arrive.

QTest's own move goes through the system's cursor: it is lost where the cursor is there already, or the system is busy.
"""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QApplication, QWidget


def move_mouse(widget: QWidget, to: QPoint, *, held: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
    """`held`: the button that is down meanwhile."""
    at = QPointF(to)
    event = QMouseEvent(
        QEvent.Type.MouseMove, at, QPointF(widget.mapToGlobal(to)), Qt.MouseButton.NoButton, held,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
