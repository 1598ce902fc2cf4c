"""A film of a widget, one state after the other, written while the window stays alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QImage

from calibration.errors import GuidanceError
from guidance_app.panels.pictures.annotated_video import AnnotatedVideo

_FRAME_NS = 66_000_000  # 15 a second


class FilmWriter(QObject):
    """Shows each state, takes its picture, and goes on at the next turn of Qt's loop.

    `ended` tells "" once the file is whole, or why there is none; `advanced` the share that is done.
    """

    ended = pyqtSignal(str)
    advanced = pyqtSignal(float)

    def __init__(
        self, path: Path, states: Sequence[int], show: Callable[[int], QImage], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._states, self._show = list(states), show
        self._video = AnnotatedVideo(path, wait_when_full=True)
        self._number = 0
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._next)
        self._timer.start()

    @property
    def running(self) -> bool:
        return self._timer.isActive()

    def stop(self) -> None:
        """End early; the film holds what was taken."""
        self._number = len(self._states)
        if self.running:
            self._next()

    def _next(self) -> None:
        if self._number < len(self._states):
            self._video.add(self._show(self._states[self._number]), self._number * _FRAME_NS)
            self._number += 1
            self.advanced.emit(self._number / len(self._states))
            return
        self._timer.stop()
        try:
            self._video.close()
        except GuidanceError as error:
            self.ended.emit(str(error))
            return
        self.ended.emit("")
