"""The widget that shows one result: what rooms of results ask of it, and what is the same in each."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QGridLayout, QWidget

from guidance_app.panels.background import Background
from guidance_app.panels.pictures.png import write_png
from guidance_app.panels.pictures.scene_view import SceneView


class ResultPlace(QWidget):
    """A result on the screen.

    Attributes:
        tools: holds the buttons.
        scene: the 3-D view.
    """

    tools: QGridLayout
    scene: SceneView
    _background: Background

    def export(self, folder: Path) -> str:
        """Write everything; a line for the status strip. Raises InputError where the folder cannot be written to."""
        raise NotImplementedError

    def save_picture(self, path: Path) -> None:
        """The panel as it is seen, as PNG.

        Raises:
            InputError: it cannot be written.
        """
        self.scene.render_now()
        write_png(self.grab().toImage(), path)

    def close_place(self) -> None:
        """End what is running."""
        self._background.close()
        self.scene.close_scene()

    @property
    def busy(self) -> bool:
        return self._background.busy
