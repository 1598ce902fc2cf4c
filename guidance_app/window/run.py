"""Opens the window: on a session until its source ends, with or without a display; or on a case, for a person."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from guidance_app.ending import EndRequest
from guidance_app.settings import Settings, data_folder, load_settings, save_settings
from guidance_app.window.application import application

if TYPE_CHECKING:
    from PyQt6.QtCore import QEventLoop

    from engines.anatomy.cases.case import Case
    from guidance_app.live.guidance import ScreenState
    from guidance_app.panels.hands.gamepads import Pads
    from guidance_app.panels.pictures.annotated_video import VideoReport
    from guidance_app.rooms.live.guided_session import GuidedSession
    from guidance_app.window.kept_pictures import KeptPictures
    from guidance_app.window.window import GuidanceWindow


def run_window(
    session: GuidedSession,
    *,
    case: Case,
    headless: bool,
    annotate: Path | None = None,
    screenshot: Path | None = None,
    duration_s: float | None = None,
    title: str = "Guidance",
    until: Callable[[ScreenState], bool] | None = None,
    annotate_s: float | None = None,
    ticked: Callable[[float], None] | None = None,
    run_index: int = 0,
    end: EndRequest | None = None,
    opened: Callable[[GuidanceWindow], object] = lambda _window: None,
) -> VideoReport | None:
    """Start the session, show it, and stop it when its source has ended, the time is up or a person ends it.

    SIGINT and SIGTERM end it in order, like closing the window.

    Args:
        headless: paint the same window off screen.
        annotate: MP4 of the window as it was painted.
        screenshot: PNG of the window at its most telling moment.
        until: asked after every painted state; the run ends once it says so.
        annotate_s: the video stops after this long, however long the window stays.
        run_index: which of the case's recordings the session shows; -1 for another run.
        ticked: told how long each call of the window's timer took, in ms.
        opened: told of the window before it is shown.
        end: entered by the caller, where signals are to be remembered while it opens the source.

    Returns:
        What became of the video; None without one.

    Raises:
        InputError: no display, or an output cannot be written.
    """
    app = application(headless=headless)
    from PyQt6.QtCore import QEventLoop

    from guidance_app.window.kept_pictures import KeptPictures
    from guidance_app.window.window import GuidanceWindow

    end = end or EndRequest()
    end.running = True
    settings = Settings() if headless else load_settings()
    window = GuidanceWindow(title=title, states=settings.rooms)
    try:
        window.show_session(session, case, run_index=run_index)
        opened(window)
        kept = KeptPictures(window, annotate, screenshot, annotate_s=annotate_s)
        loop = QEventLoop()

        def painted(screen: ScreenState) -> None:
            kept.take(screen)
            if until is not None and until(screen):
                loop.quit()

        place = window.live.widget
        place.on_painted, place.on_ticked, place.on_finished = painted, ticked, loop.quit
        # Signals are held back until everything is written: a second Ctrl-C must not cost the files.
        with end:
            return _run(loop, window, session, kept, duration_s, end)
    finally:
        _close(window, None if headless else settings)
        del app


def run_house(
    *,
    case: str = "",
    source: str = "",
    room: str = "",
    opened: Callable[[GuidanceWindow], object] = lambda _window: None,
) -> None:
    """Open the window for a person and leave it open until it is closed, or a signal comes.

    What cannot be opened is said in the window, beside the way out.

    Args:
        case: folder or bundled name; without it the person chooses one.
        source: URI of the run to show; without it the case's recordings.
        room: id of the room to begin in; without it the live room with a case, the case room without.
        opened: told of the window before it is shown, so that it can be watched.

    Raises:
        InputError: no display.
    """
    app = application(headless=False, meanwhile=lambda: importlib.import_module("guidance_app.window.window"))
    from PyQt6.QtCore import QEventLoop

    from guidance_app.panels.scratch import sweep_scratch
    from guidance_app.window.case_claim import CaseClaim
    from guidance_app.window.last_time.left_behind import take_left_behind
    from guidance_app.window.last_time.offer import offer_last_time
    from guidance_app.window.last_time.open_window import OpenWindow
    from guidance_app.window.orderly_loop import orderly_end
    from guidance_app.window.window import GuidanceWindow

    settings = load_settings()
    left = take_left_behind(data_folder())
    sweep_scratch()
    claim = CaseClaim()
    states = settings.rooms if left.shown is None else {**settings.rooms, **left.shown.rooms}
    window = GuidanceWindow(states=states, claim=claim.take)
    note = OpenWindow(data_folder(), window.present)
    end = EndRequest()
    end.running = True
    loop = QEventLoop()
    window.on_closed = loop.quit
    failures: list[BaseException] = []
    try:
        with end, orderly_end(loop, end) as failures:
            window.go_to(room or ("live" if case else "case"))
            note.begin()
            if (pads := _gamepads()) is not None:
                window.watch_pads(pads)
            offer_last_time(window, left)
            if settings.of_later_version:
                window.toast(
                    "The settings are of a later version: they are kept, and changes are not stored", "problem"
                )
            # Once the window is on the screen: reading a case may take a while.
            window.on_first_paint = lambda: window.begin(case=case, source=source, room=room)
            opened(window)
            _show(window)
            loop.exec()
        if failures:
            note.watch.tell(failures[0])
            raise failures[0]
    finally:
        note.end(in_order=not failures)
        claim.give_back()
        _close(window, settings)
        del app


def _gamepads() -> Pads | None:
    """The machine's gamepads; None where the package that reads them is not installed."""
    if importlib.util.find_spec("pygame") is None:
        return None
    from guidance_app.panels.hands.gamepads import SdlPads

    return SdlPads()


def _run(
    loop: QEventLoop,
    window: GuidanceWindow,
    session: GuidedSession,
    kept: KeptPictures,
    duration_s: float | None,
    end: EndRequest,
) -> VideoReport | None:
    from PyQt6.QtCore import QTimer

    from guidance_app.window.orderly_loop import orderly_end

    window.on_closed = loop.quit
    limit = QTimer(window)
    limit.setSingleShot(True)
    limit.timeout.connect(loop.quit)
    ended_well = False
    try:
        with orderly_end(loop, end) as failures:
            session.start()
            _show(window)
            if duration_s is not None:
                limit.start(round(1000 * duration_s))
            loop.exec()
        if failures:
            raise failures[0]
        ended_well = True
    finally:
        window.close_rooms()
        report = kept.close(save=ended_well)
    return report


def _show(window: GuidanceWindow) -> None:
    """The largest picture the screen allows; off screen there is no screen to fill."""
    from PyQt6.QtGui import QGuiApplication

    window.show() if QGuiApplication.platformName() == "offscreen" else window.showMaximized()


def _close(window: GuidanceWindow, settings: Settings | None) -> None:
    """End what runs, keep what a person set up (None keeps nothing), and take the window away."""
    from PyQt6.QtCore import QCoreApplication, QEvent

    window.close_rooms()
    if settings is not None:
        kept = {**settings.rooms, **window.states()}
        save_settings(settings.model_copy(update={"rooms": kept}))
    window.on_closed = None
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete.value)
