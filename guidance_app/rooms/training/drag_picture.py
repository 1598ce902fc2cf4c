"""A picture on which a drag moves a model: the left button shifts, the right one turns, the middle one rolls."""

from __future__ import annotations

from typing import Literal

from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QWheelEvent

from guidance_app.panels.pictures.picture_view import PictureView

Drag = Literal["shift", "turn", "roll"]
_BUTTONS: dict[Qt.MouseButton, Drag] = {
    Qt.MouseButton.LeftButton: "shift",
    Qt.MouseButton.RightButton: "turn",
    Qt.MouseButton.MiddleButton: "roll",
}
_FINE = 0.2  # with Alt held


class DragPicture(PictureView):
    """`pulled` tells how far, in mm to the right and down; `pushed` the notches of the wheel; `let_go` the end."""

    pulled = pyqtSignal(str, float, float)
    let_go = pyqtSignal()
    pushed = pyqtSignal(float)

    def __init__(self, title: str, *, half_width_mm: float) -> None:
        super().__init__(title, half_width_mm=half_width_mm, bar_mm=10.0)
        self._at: QPointF | None = None
        self._drag: Drag | None = None
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None:
            return
        self._at = a0.position()
        self._drag = _BUTTONS.get(a0.button())
        if self._drag == "shift" and a0.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._drag = "turn"  # a track pad has no right drag
        elif self._drag == "shift" and a0.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._drag = "roll"

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None or self._at is None or self._drag is None:
            return
        by = a0.position() - self._at
        self._at = a0.position()
        fine = _FINE if a0.modifiers() & Qt.KeyboardModifier.AltModifier else 1.0
        scale = self._scale()
        self.pulled.emit(self._drag, fine * by.x() / scale, fine * by.y() / scale)

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        if self._drag is not None:
            self._at = self._drag = None
            self.let_go.emit()

    def wheelEvent(self, a0: QWheelEvent | None) -> None:
        if a0 is None:
            return
        notches = (a0.angleDelta().y() or a0.angleDelta().x()) / 120.0  # Alt turns the wheel sideways
        if a0.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(a0)
        else:
            self.pushed.emit(notches * (_FINE if a0.modifiers() & Qt.KeyboardModifier.AltModifier else 1.0))
