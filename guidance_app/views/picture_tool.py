"""What a person lays on the picture for a while: judged branches, handles, a ruler. Each is a tool of the view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QPainter

from engines.angiography.frame import Frame
from guidance_app.views.legibility import TextSizes
from guidance_app.views.overlay_look import Badge
from guidance_app.views.overlay_painter import Placing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintedPicture:
    """The picture under a tool.

    Args:
        frame: as shown: subtracted where a mask is set.
        grey: as windowed.
        takes_mouse: tools are used here; a second screen only shows them.
    """

    placing: Placing
    frame: Frame
    grey: UInt8[np.ndarray, "rows columns"]
    sizes: TextSizes
    takes_mouse: bool = True

    def at(self, column: float, row: float) -> QPointF:
        """A point of the frame (integers are centres of pixels) in the view."""
        return self.placing.view_from_frame.map(QPointF(column + 0.5, row + 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where the mouse is.

    Args:
        column, row: of the frame; integers are centres of pixels.
        scale: view pixels in a pixel of the frame.
    """

    column: float
    row: float
    scale: float
    button: Qt.MouseButton
    modifiers: Qt.KeyboardModifier


class PictureTool:
    """Does nothing; a tool overrides what it needs. Of several, the last one is on top and gets the mouse first."""

    @property
    def hides_overlay(self) -> bool:
        """It draws the model in its own way; then `badge` must say so."""
        return False

    @property
    def badge(self) -> Badge | None:
        """Instead of the view's own; None leaves that."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands small in the lower left corner."""
        return ()

    def paint(self, painter: QPainter, picture: PaintedPicture) -> None:
        """Above picture and overlay, below the words; clipped to the picture."""

    def press(self, pointer: Pointer) -> bool:  # noqa: ARG002 - for those who use it
        """Whether the tool takes the mouse until it is let go."""
        return False

    def drag(self, pointer: Pointer) -> None:
        """The mouse moved while the tool has it."""

    def release(self, pointer: Pointer) -> None: ...
