"""Runs a session in the window until its source ends; with or without a display."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from calibration.errors import InputError
from engines.anatomy.cases.case import Case
from guidance_app.ending import EndRequest
from guidance_app.qt_probe import display_problem
from guidance_app.settings import Settings, load_settings, save_settings

if TYPE_CHECKING:
    from PyQt6.QtCore import QEventLoop
    from PyQt6.QtGui import QImage
    from PyQt6.QtWidgets import QApplication

    from guidance_app.live.guidance import ScreenState
    from guidance_app.window.annotated_video import VideoReport
    from guidance_app.window.guided_session import GuidedSession
    from guidance_app.window.window import GuidanceWindow

HEADLESS_SIZE_PX = (1536, 960)  # 16:10, so that the corner words fit beside a square picture
_WATCH_MS = 20  # how soon a signal ends a run


def require_display() -> None:
    """Refuse before Qt does: it would abort the whole process.

    Raises:
        InputError: no display that Qt can open a window on, and no Qt platform was chosen.
    """
    if problem := display_problem():
        raise InputError(
            f"no display: {problem}; `doctor` says what is missing. Start it on a desktop or under xvfb-run; demo, "
            "live and replay also take --headless"
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
    until: Callable[[ScreenState], bool] | None = None,
    annotate_s: float | None = None,
    ticked: Callable[[float], None] | None = None,
    end: EndRequest | None = None,
) -> VideoReport | None:
    """Start the session, show it, and stop it when its source has ended, the time is up or a person ends it.

    SIGINT and SIGTERM end it in order, like closing the window.

    Args:
        headless: paint the same window off screen.
        annotate: MP4 of the window as it was painted.
        screenshot: PNG of the window at its most telling moment.
        run_index: which of the case's recordings the session shows.
        open_run: opens a session on another of the case's recordings; None where there is only this source.
        until: asked after every painted state; the run ends once it says so.
        annotate_s: the video stops after this long, however long the window stays.
        ticked: told how long each call of the window's timer took, in ms.
        end: entered by the caller, where signals are to be remembered while it opens the source.

    Returns:
        What became of the video; None without one.

    Raises:
        InputError: no display, or an output cannot be written.
    """
    app = application(headless=headless)
    from PyQt6.QtCore import QEvent, QEventLoop

    from guidance_app.window.remembered_view import set_up, settings_of
    from guidance_app.window.window import GuidanceWindow

    end = end or EndRequest()
    end.running = True
    settings = Settings() if headless else load_settings()
    runs = tuple(recording.path.stem for recording in case.recordings)
    window = GuidanceWindow(session, case_id=case.id, title=title, runs=runs, run_index=run_index, open_run=open_run)
    given_mode = window.view.mode
    try:
        set_up(window.view, settings, kind=case.kind)
        given_mode = window.view.mode
        exports = _Exports(window, annotate, screenshot, wait=headless, annotate_s=annotate_s)

        loop = QEventLoop()

        def painted(screen: ScreenState) -> None:
            exports.take(screen)
            if until is not None and until(screen):
                loop.quit()

        window.on_painted, window.on_ticked = painted, ticked
        # Signals are held back until everything is written: a second Ctrl-C must not cost the files.
        with end:
            return _run(loop, window, session, exports, duration_s, end)
    finally:
        window.stop()
        if not headless:
            chosen = settings.overlay_mode is not None or window.view.mode != given_mode
            save_settings(settings_of(window.view, mode_chosen=chosen, last_case=str(case.folder)))
        window.close()
        window.deleteLater()
        app.sendPostedEvents(window, QEvent.Type.DeferredDelete.value)


def application(*, headless: bool) -> QApplication:
    """The one QApplication, made on the platform asked for; it lives as long as the caller holds it.

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
    app = running if isinstance(running, QApplication) else QApplication([sys.argv[0]])
    # Each room has a loop of its own; Qt's own quitting would end the loop of the next one too.
    app.setQuitOnLastWindowClosed(False)
    if headless:
        _silence_offscreen_notice()
    return app


def _silence_offscreen_notice() -> None:
    """Qt's offscreen platform says on every window that it knows no size hints; nobody can act on that."""
    from PyQt6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    def pass_on(_kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
        if text and "propagateSizeHints" not in text:
            print(text, file=sys.stderr)

    qInstallMessageHandler(pass_on)


class _Exports:
    """Video and screenshot of one run."""

    def __init__(
        self,
        window: GuidanceWindow,
        annotate: Path | None,
        screenshot: Path | None,
        *,
        wait: bool,
        annotate_s: float | None,
    ) -> None:
        from guidance_app.window.annotated_video import AnnotatedVideo
        from guidance_app.window.screenshot import BestMoment

        self._window = window
        self._annotate_s = annotate_s
        self._first_ns: int | None = None
        self._best = BestMoment(screenshot) if screenshot is not None else None
        self._video = AnnotatedVideo(annotate, wait_when_full=wait) if annotate is not None else None

    def take(self, screen: ScreenState) -> None:
        now_ns = self._window.view.painted_ns
        self._first_ns = self._first_ns or now_ns
        recording = self._annotate_s is None or now_ns - self._first_ns < self._annotate_s * 1e9
        if self._video is not None and recording:
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


def _run(
    loop: QEventLoop,
    window: GuidanceWindow,
    session: GuidedSession,
    exports: _Exports,
    duration_s: float | None,
    end: EndRequest,
) -> VideoReport | None:
    from PyQt6.QtCore import QTimer
    from PyQt6.QtGui import QGuiApplication

    window.resize(*HEADLESS_SIZE_PX)
    window.on_finished = loop.quit
    limit = QTimer(window)
    limit.setSingleShot(True)
    limit.timeout.connect(loop.quit)
    ended_well = False
    try:
        with _orderly_end(loop, end) as failures:
            session.start()
            # The largest picture the screen allows; off screen there is no screen to fill.
            window.show() if QGuiApplication.platformName() == "offscreen" else window.showMaximized()
            window.start()
            if duration_s is not None:
                limit.start(round(1000 * duration_s))
            loop.exec()
        if failures:
            raise failures[0]
        ended_well = True
    finally:
        window.stop()
        report = exports.close(save=ended_well)
    return report


@contextmanager
def _orderly_end(loop: QEventLoop, end: EndRequest) -> Iterator[list[BaseException]]:
    """Signals and errors inside Qt's callbacks leave the event loop instead of killing the process."""
    from PyQt6.QtCore import QTimer

    failures: list[BaseException] = []

    def look() -> None:
        # No Qt object is called inside a signal handler: it may run in the midst of another.
        if end.asked:
            loop.quit()

    def failed(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        failures.append(error)
        end.asked = True

    # A timer asks once the loop runs: `quit` on a loop that has not begun yet would be forgotten.
    watch = QTimer()
    watch.timeout.connect(look)
    watch.start(_WATCH_MS)
    previous_hook = sys.excepthook
    sys.excepthook = failed
    try:
        yield failures
    finally:
        watch.stop()
        sys.excepthook = previous_hook
