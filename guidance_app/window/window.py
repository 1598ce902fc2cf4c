"""The window: one large picture, a slim panel beside it, one line below, no modal dialogs."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QEvent, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from guidance_app.live.guidance import ScreenState
from guidance_app.live.run_log import Event, EventKind
from guidance_app.views import palette
from guidance_app.views.live_view import LiveView
from guidance_app.window.actions import action_of
from guidance_app.window.guided_session import GuidedSession
from guidance_app.window.key_help import KeyHelp
from guidance_app.window.session_desk import SessionDesk
from guidance_app.window.status import PanelCommands, StatusPanel, StatusStrip

TICK_MS = 16  # one refresh of a 60 Hz screen
_PANEL_EVERY_MS = 200  # figures that change faster cannot be read


_NEWS: dict[EventKind, str] = {
    "client_refused": "Refused",
    "source_connected": "Source",
    "source_disconnected": "Source",
    "message_ignored": "Ignored",
}


class GuidanceWindow(QWidget):
    """Drives one session from a 16 ms timer; its desk carries out what keys and buttons ask for.

    Attributes:
        on_painted: called with each newly painted state, after the pixels are in the window.
        on_finished: called once, when the session has ended.
    """

    def __init__(
        self,
        session: GuidedSession,
        *,
        case_id: str,
        title: str,
        runs: tuple[str, ...] = (),
        run_index: int = 0,
        open_run: Callable[[int], GuidedSession] | None = None,
    ) -> None:
        super().__init__()
        self.setWindowTitle(f"{title} - {palette.RESEARCH_LINE}")
        self.setStyleSheet(palette.STYLE_SHEET)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.on_painted: Callable[[ScreenState], None] | None = None
        self.on_finished: Callable[[], None] | None = None
        self.on_ticked: Callable[[float], None] | None = None  # told how long the timer's call took, ms
        self._reported: ScreenState | None = None
        self._told: Event | None = None
        self._figures_ns = 0
        self._figures_state = ""
        self.view = LiveView(self, case_id=case_id)
        self.panel = StatusPanel(
            self,
            PanelCommands(
                register=lambda: self.say(self.desk.register()),
                accept=lambda: self.say(self.desk.accept()),
                reject=lambda: self.say(self.desk.reject()),
                choose_mode=self.view.set_mode,
                choose_opacity=self.view.set_opacity,
                choose_run=lambda row: self.say(self.desk.change_run(row - self.desk.run_index)),
            ),
        )
        self.strip = StatusStrip(self)
        self.keys = KeyHelp(self.view)
        self.desk = SessionDesk(
            session, self.view, self.keys,
            runs=runs, run_index=run_index, open_run=open_run, show_runs=self.panel.show_runs,
        )  # fmt: skip
        self.view.on_frame_wheel = lambda frames: self.say(self.desk.step(frames))
        self.view.on_overlay_changed = self._show_overlay_choice
        self._lay_out()
        self._show_overlay_choice()
        self.panel.show_runs(runs, run_index)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin to draw; the session has been started."""
        self._timer.start()

    def stop(self) -> None:
        """Draw no more and end the session; twice is harmless."""
        self._timer.stop()
        self.desk.stop()

    def say(self, text: str) -> None:
        self.strip.say(text)

    # The timer: draw what is new, then report what was really drawn

    def _tick(self) -> None:
        began_ns = time.monotonic_ns()
        self._show_what_is_new()
        if self.on_ticked is not None:
            self.on_ticked((time.monotonic_ns() - began_ns) / 1e6)

    def _show_what_is_new(self) -> None:
        session = self.desk.session
        screen = session.screen()
        if screen is not self.view.screen_state and not self.desk.frozen:
            self.view.show_screen(screen)
            self._show_figures(screen)
            # Paints before it returns, unless the window is hidden: then nothing is reported as painted.
            self.view.repaint()
        else:
            self.view.refresh_age()
        painted = self.view.painted_screen
        if painted is not None and painted is not self._reported:
            self._reported = painted
            session.painted(painted, self.view.painted_ns)
            if self.on_painted is not None:
                self.on_painted(painted)
        self._tell_news(session.newest_event)
        if session.finished and self.on_finished is not None:
            finished, self.on_finished = self.on_finished, None
            finished()

    def _tell_news(self, event: Event | None) -> None:
        """Of peers and devices, which neither the picture nor the panel shows."""
        if event is None or event is self._told:
            return
        self._told = event
        if event.kind in _NEWS:
            self.say(f"{_NEWS[event.kind]}: {event.text}")

    def _show_figures(self, screen: ScreenState) -> None:
        now_ns = time.monotonic_ns()
        changed = screen.guidance_state != self._figures_state
        if not changed and now_ns - self._figures_ns < _PANEL_EVERY_MS * 1e6:
            return
        self._figures_ns, self._figures_state = now_ns, screen.guidance_state
        self.panel.show_screen(screen, paint_ms=self.view.paint_ms)
        self.panel.settle()

    # Qt's events

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        action = action_of(a0.key()) if a0 is not None else None
        if a0 is None or action is None:
            super().keyPressEvent(a0)
        elif action.repeats or not a0.isAutoRepeat():
            self.say(action.press(self.desk))

    def keyReleaseEvent(self, a0: QKeyEvent | None) -> None:
        action = action_of(a0.key()) if a0 is not None else None
        if a0 is not None and action is not None and action.release is not None and not a0.isAutoRepeat():
            self.say(action.release(self.desk))

    def changeEvent(self, a0: QEvent | None) -> None:
        # The release of a held key goes to another window once this one is left.
        if a0 is not None and a0.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.desk.hold_overlay(False)
        super().changeEvent(a0)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        self.keys.place()

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        super().closeEvent(a0)
        if self.on_finished is not None:
            finished, self.on_finished = self.on_finished, None
            finished()

    def _show_overlay_choice(self) -> None:
        self.panel.show_overlay_choice(self.view.mode, self.view.opacity)

    def _lay_out(self) -> None:
        columns = QHBoxLayout()
        columns.setSpacing(0)
        columns.addWidget(self.view, 1)
        columns.addWidget(self.panel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(columns, 1)
        layout.addWidget(self.strip)
        self.resize(1536, 960)
