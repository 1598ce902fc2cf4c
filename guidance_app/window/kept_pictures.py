"""Video and screenshot of a run, taken of the whole window as it was painted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guidance_app.panels.pictures.annotated_video import AnnotatedVideo, VideoReport
from guidance_app.window.screenshot import BestMoment

if TYPE_CHECKING:
    from PyQt6.QtGui import QImage

    from guidance_app.live.guidance import ScreenState
    from guidance_app.window.window import GuidanceWindow

_EVERY = 2


class KeptPictures:
    """Takes what was asked for while the run is painted, and writes it at the end.

    Args:
        annotate: MP4 of the window, of every second picture: encoding each one takes as long as painting it, and
            guidance needs that time. None for none. `annotate_s` is how much of it at most.
        screenshot: PNG of the window at its most telling moment; None for none.
    """

    def __init__(
        self,
        window: GuidanceWindow,
        annotate: Path | None,
        screenshot: Path | None,
        *,
        annotate_s: float | None,
    ) -> None:
        self._window = window
        self._annotate_s = annotate_s
        self._first_ns: int | None = None
        self._best = BestMoment(screenshot) if screenshot is not None else None
        self._video = AnnotatedVideo(annotate, wait_when_full=False, steps_back=True) if annotate is not None else None
        self._taken = 0

    def take(self, screen: ScreenState) -> None:
        now_ns = self._window.live.widget.view.painted_ns
        self._first_ns = self._first_ns or now_ns
        recording = self._annotate_s is None or now_ns - self._first_ns < self._annotate_s * 1e9
        self._taken += 1
        if self._video is not None and recording and self._taken % _EVERY == 1:
            self._video.add(picture_of(self._window), now_ns)
        if self._best is not None:
            self._best.consider(screen, lambda: picture_of(self._window))

    def close(self, *, save: bool) -> VideoReport | None:
        report = self._video.close() if self._video is not None else None
        if save and self._best is not None:
            self._best.save()
        return report


def picture_of(window: GuidanceWindow) -> QImage:
    """The window's pixels as painted.

    Off screen they are copied out of the window's own memory (2 ms). On a display they are painted once more (50 ms):
    a grab from the screen would show whatever lies on top, other people's data included.
    """
    from PyQt6.QtGui import QGuiApplication

    screen = window.screen()
    if QGuiApplication.platformName() == "offscreen" and screen is not None:
        return screen.grabWindow(window.winId()).toImage()
    return window.grab().toImage()
