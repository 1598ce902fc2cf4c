"""The export of a result, and the film of the scrub that goes on while the window stays alive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QObject
from PyQt6.QtGui import QImage

from guidance_app.panels.pictures.film import FilmWriter
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.exporting import exports

_FRAMES = 150


class ScrubFilm(QObject):
    """Frames in their order along the vessel, as the panel shows them.

    Args:
        shown: goes to a frame and gives the panel's picture of it.
        back: goes to a frame when all is done.
        say: told how far it is, and how it ended.
    """

    def __init__(
        self, desk: FusionDesk, parent: QObject, *, shown: Callable[[int], QImage], back: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._desk, self._shown, self._back, self._say = desk, shown, back, say
        self._writer: FilmWriter | None = None

    @property
    def running(self) -> bool:
        return self._writer is not None and self._writer.running

    def start(self, folder: Path) -> None:
        order = np.argsort(self._desk.fusion.place_mm, kind="stable")
        every = max(1, len(order) // _FRAMES)
        here = self._desk.frame
        self._writer = FilmWriter(folder / exports.FILM, [int(k) for k in order[::every]], self._shown, self)
        self._writer.advanced.connect(lambda share: self._say(f"filming, {100 * share:.0f} %"))
        self._writer.ended.connect(lambda why: self._ended(why, folder, here))

    def stop(self) -> None:
        if self._writer is not None and self._writer.running:
            self._writer.stop()

    def _ended(self, why: str, folder: Path, frame: int) -> None:
        self._back(frame)
        self._say(why or f"export is whole: {folder}")
