"""Runs a session in the window until its source ends; with or without a display."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from calibration.errors import InputError
from engines.anatomy.case import Case
from guidance_app.settings import Settings, load_settings, save_settings

if TYPE_CHECKING:
    from PyQt6.QtGui import QImage
    from PyQt6.QtWidgets import QApplication

    from guidance_app.live.guidance import ScreenState
    from guidance_app.views.annotated_video import AnnotatedVideo, VideoReport
    from guidance_app.views.screenshot import BestMoment
    from guidance_app.views.window import GuidanceWindow, GuidedSession

HEADLESS_SIZE_PX = (1280, 960)


def display_available() -> bool:
    """Whether a window can be shown to a person on this machine."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def require_display() -> None:
    """Refuse before Qt does: it would abort the whole process.

    Raises:
        InputError: no display, and no Qt platform was chosen.
    """
    if not display_available() and not os.environ.get("QT_QPA_PLATFORM"):
        raise InputError(
            "no display: neither DISPLAY nor WAYLAND_DISPLAY is set; use --headless, or set QT_QPA_PLATFORM=offscreen"
        )


def run_window(
    session: GuidedSession,
    *,
    case: Case,
    headless: bool,
    annotate: Path | None = None,
    screenshot: Path | None = None,
    duration_s: float | None = None,
    title: str = "Guidance",
    run_index: int = 0,
    open_run: Callable[[int], GuidedSession] | None = None,
) -> VideoReport | None:
    """Start the session, show it, and stop it when its source has ended, the time is up or a person ends it.

    SIGINT and SIGTERM end it in order, like closing the window.

    Args:
        headless: paint the same window off screen.
        annotate: MP4 of the window as it was painted.
        screenshot: PNG of the window at its most telling moment.
        run_index: which of the case's recordings the session shows.
        open_run: opens a session on another of the case's recordings; None where there is only this source.

    Returns:
        What became of the video; None without one.

    Raises:
        InputError: no display, or an output cannot be written.
    """
    app = application(headless=headless)
    from guidance_app.views.window import GuidanceWindow

    settings = Settings() if headless else load_settings()
    runs = tuple(recording.path.stem for recording in case.recordings)
    window = GuidanceWindow(
        session, case_id=case.id, title=title, runs=runs, run_index=run_index, open_run=open_run
    )  # fmt: skip
    try:
        settings.apply_to(window.view)
        return _run(app, window, session, _Exports.open(window, annotate, screenshot, wait=headless), duration_s)
    finally:
        window.stop()
        if not headless:
            save_settings(Settings.of(window.view))
        window.close()
        window.deleteLater()


def application(*, headless: bool) -> QApplication:
    """The one QApplication, made on the platform asked for.

    Raises:
        InputError: a display is needed and there is none.
    """
    if headless:
        # Qt reads it when the application is made; an X server that happens to be there must not be used.
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    else:
        require_display()
    from PyQt6.QtWidgets import QApplication

    running = QApplication.instance()
    return running if isinstance(running, QApplication) else QApplication([sys.argv[0]])


class _Exports:
    """Video and screenshot of one run."""

    def __init__(self, window: GuidanceWindow, video: AnnotatedVideo | None, best: BestMoment | None) -> None:
        self._window, self._video, self._best = window, video, best

    @classmethod
    def open(cls, window: GuidanceWindow, annotate: Path | None, screenshot: Path | None, *, wait: bool) -> _Exports:
        from guidance_app.views.annotated_video import AnnotatedVideo
        from guidance_app.views.screenshot import BestMoment

        video = AnnotatedVideo(annotate, wait_when_full=wait) if annotate is not None else None
        return cls(window, video, BestMoment(screenshot) if screenshot is not None else None)

    def take(self, screen: ScreenState) -> None:
        if self._video is not None:
            self._video.add(picture_of(self._window), self._window.view.painted_ns)
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


def _run(
    app: QApplication, window: GuidanceWindow, session: GuidedSession, exports: _Exports, duration_s: float | None
) -> VideoReport | None:
    from PyQt6.QtCore import QTimer

    window.resize(*HEADLESS_SIZE_PX)
    window.on_painted = exports.take
    window.on_finished = app.quit
    limit = QTimer(window)
    limit.setSingleShot(True)
    limit.timeout.connect(app.quit)
    ended_well = False
    try:
        with _orderly_end(app) as failures:
            session.start()
            window.show()
            window.start()
            if duration_s is not None:
                limit.start(round(1000 * duration_s))
            app.exec()
        if failures:
            raise failures[0]
        ended_well = True
    finally:
        window.stop()
        report = exports.close(save=ended_well)
    return report


@contextmanager
def _orderly_end(app: QApplication) -> Iterator[list[BaseException]]:
    """Signals and errors inside Qt's callbacks leave the event loop instead of killing the process."""
    failures: list[BaseException] = []

    def failed(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        failures.append(error)
        app.quit()

    previous_hook = sys.excepthook
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.excepthook = failed
    for number in previous:
        # The window's timer wakes Python often enough to notice the signal.
        signal.signal(number, lambda _number, _frame: app.quit())
    try:
        yield failures
    finally:
        sys.excepthook = previous_hook
        for number, handler in previous.items():
            signal.signal(number, handler)
