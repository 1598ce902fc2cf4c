"""The film of a result: every beat of the slice that is shown, then the heart turning once, as the panel shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QImage

from guidance_app.panels.pictures.film import FilmWriter

if TYPE_CHECKING:
    from guidance_app.rooms.cmr.place import CmrPlace

_TURNS = 72  # pictures of one round


class HeartFilm(QObject):
    """Args:
    say: told how far it is, and how it ended.
    """

    def __init__(self, place: CmrPlace, say: Callable[[str], None]) -> None:
        super().__init__(place)
        self._place, self._say = place, say
        self._writer: FilmWriter | None = None
        self._beats = 0

    @property
    def running(self) -> bool:
        return self._writer is not None and self._writer.running

    def start(self, path: Path) -> str:
        """Begin to film into an MP4; the window stays alive."""
        if self.running:
            return "the last film is still being taken"
        cine = self._place.cine
        self._beats, here = (cine.slice.frames if cine.slice is not None else 0), cine.frame
        cine.stop()
        self._writer = FilmWriter(path, range(self._beats + _TURNS), self._shown, self)
        self._writer.advanced.connect(lambda share: self._say(f"filming, {100 * share:.0f} %"))
        self._writer.ended.connect(lambda why: self._ended(why, path, here))
        return ""

    def stop(self) -> None:
        if self.running and self._writer is not None:
            self._writer.stop()

    def _shown(self, number: int) -> QImage:
        if number < self._beats:
            self._place.cine.to_frame(number)
        else:
            self._place.scene.turn_camera(360.0 / _TURNS, 0.0)
        self._place.scene.render_now()
        return self._place.grab().toImage()

    def _ended(self, why: str, path: Path, frame: int) -> None:
        self._place.cine.to_frame(frame)
        self._say(why or f"the film is whole: {path}")
