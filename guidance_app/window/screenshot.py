"""Which moment of a run is worth a picture, and the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from PyQt6.QtGui import QImage

from calibration.errors import InputError
from engines.angiography.frame import Frame
from guidance_app.live.guidance import Overlay, ScreenState
from guidance_app.panels.pictures.png import write_png
from guidance_app.views.overlay_look import Line, look_of

_BACKGROUND_PX = 31  # wider than a vessel: its mean is what lies around
_BETTER = 1.02  # grabbing a window costs 5 ms; hardly better is no reason
RANKS: dict[Line, int] = {"solid": 5, "long dashes": 4, "dash dot": 3, "dashed": 2, "dotted": 1}


class BestMoment:
    """Keeps the picture of the window with the best overlay over the most contrast so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rank = -1
        self._contrast = 0.0
        self._image: QImage | None = None

    def consider(self, screen: ScreenState, grab: Callable[[], QImage]) -> None:
        look = look_of(screen)
        rank = RANKS[look.line] if look is not None else 0
        if screen.frame is not None:
            rank += 1
        if rank < self._rank:
            return
        contrast = 0.0
        if screen.frame is not None:
            drawn = screen.overlay if look is not None else None
            contrast = contrast_along(drawn, screen.frame) if drawn is not None else _seen_vessel(screen)
        if rank > self._rank or contrast > self._contrast * _BETTER:
            self._rank, self._contrast, self._image = rank, contrast, grab().copy()

    def save(self) -> None:
        """Write the picture as PNG.

        Raises:
            InputError: nothing was ever painted, or the file cannot be written.
        """
        if self._image is None:
            raise InputError(f"{self._path}: no screenshot, since no picture was ever painted")
        write_png(self._image, self._path)


def contrast_along(overlay: Overlay, frame: Frame) -> float:
    """How much darker (or, where vessels are bright, brighter) the frame is along the overlay than around it.

    In stored values, averaged over all points of the centerlines; points outside count as no contrast.
    """
    darker = _darker_than_around(frame)
    total, count = 0.0, 0
    for line in overlay.centerlines:
        points = line.points_px[np.isfinite(line.points_px).all(axis=1)]
        column, row = np.rint(points).astype(int).T
        inside = (column >= 0) & (column < darker.shape[1]) & (row >= 0) & (row < darker.shape[0])
        total += float(darker[row[inside], column[inside]].sum())
        count += len(points)
    return total / count if count else 0.0


def _seen_vessel(screen: ScreenState) -> float:
    """Without an overlay: how much border of vessel the network found."""
    return float(sum(len(path.points_px) for path in screen.result.vessel_outline)) if screen.result else 0.0


def _darker_than_around(frame: Frame) -> Float[np.ndarray, "rows columns"]:
    picture = frame.pixels.astype(np.float32)
    around = cv2.blur(picture, (_BACKGROUND_PX, _BACKGROUND_PX))
    return picture - around if frame.vessels_bright else around - picture
