"""The window: one primary picture, a slim panel beside it, one line below; nothing modal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from PyQt6.QtCore import QEvent, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engines.registration.registration import Registration
from guidance_app.live.guidance import ScreenState
from guidance_app.live.run_log import Event, EventKind
from guidance_app.views import palette
from guidance_app.views.live_view import LiveView
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode
from guidance_app.window.actions import action_of
from guidance_app.window.key_help import KeyHelp
from guidance_app.window.status import PanelCommands, StatusPanel, StatusStrip

TICK_MS = 16  # one refresh of a 60 Hz screen
_PANEL_EVERY_MS = 200  # figures that change faster cannot be read


_NEWS: dict[EventKind, str] = {
    "client_refused": "Refused",
    "source_connected": "Source",
    "source_disconnected": "Source",
    "message_ignored": "Ignored",
}


class GuidedSession(Protocol):
    """What the window needs of `guidance_app.live.session.session.LiveSession`."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def screen(self) -> ScreenState: ...
    def painted(self, screen: ScreenState, painted_ns: int) -> None: ...
    @property
    def finished(self) -> bool: ...
    @property
    def registration(self) -> Registration | None: ...
    @property
    def newest_event(self) -> Event | None: ...
    def request_registration(self) -> None: ...
    def accept(self) -> None: ...
    def reject(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def step(self, frames: int) -> None: ...
    def seek(self, source_frame: int) -> None: ...


class GuidanceWindow(QWidget):
    """Drives one session from a 16 ms timer and acts as the `Desk` of the key actions.

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
        self._session = session
        self._runs, self._run_index, self._open_run = runs, run_index, open_run
        self._frozen = False
        self._reported: ScreenState | None = None
        self._told: Event | None = None
        self._figures_ns = 0
        self._figures_state = ""
        self._leaving: list[threading.Thread] = []
        self.view = LiveView(self, case_id=case_id)
        self.panel = StatusPanel(
            self,
            PanelCommands(
                register=lambda: self.say(self.register()),
                accept=lambda: self.say(self.accept()),
                reject=lambda: self.say(self.reject()),
                choose_mode=self.view.set_mode,
                choose_opacity=self.view.set_opacity,
                choose_run=lambda row: self.say(self.change_run(row - self._run_index)),
            ),
        )
        self.strip = StatusStrip(self)
        self.keys = KeyHelp(self.view)
        self.view.on_frame_wheel = lambda frames: self.say(self.step(frames))
        self.view.on_overlay_changed = self._show_overlay_choice
        self._lay_out()
        self._show_overlay_choice()
        self.panel.show_runs(self._runs, self._run_index)
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
        self._session.stop()
        for thread in self._leaving:
            thread.join()
        self._leaving.clear()

    def say(self, text: str) -> None:
        self.strip.say(text)

    # The timer: draw what is new, then report what was really drawn

    def _tick(self) -> None:
        began_ns = time.monotonic_ns()
        self._show_what_is_new()
        if self.on_ticked is not None:
            self.on_ticked((time.monotonic_ns() - began_ns) / 1e6)

    def _show_what_is_new(self) -> None:
        screen = self._session.screen()
        if screen is not self.view.screen_state and not self._frozen:
            self.view.show_screen(screen)
            self._show_figures(screen)
            # Paints before it returns, unless the window is hidden: then nothing is reported as painted.
            self.view.repaint()
        painted = self.view.painted_screen
        if painted is not None and painted is not self._reported:
            self._reported = painted
            self._session.painted(painted, self.view.painted_ns)
            if self.on_painted is not None:
                self.on_painted(painted)
        self._tell_news(self._session.newest_event)
        if self._session.finished and self.on_finished is not None:
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
        registration = self._session.registration
        reasons = registration.reasons if registration is not None else ()
        self.panel.show_screen(screen, reasons=reasons, paint_ms=self.view.paint_ms)
        self.panel.settle()

    # Actions

    def play_or_pause(self) -> str:
        if (refusal := self._no_playback()) is not None:
            return refusal
        screen = self.view.screen_state
        if screen is not None and screen.paused:
            self._session.resume()
            return "Playing"
        self._session.pause()
        return "Paused"

    def step(self, frames: int) -> str:
        if (refusal := self._no_playback()) is not None:
            return refusal
        self._session.step(frames)
        return "Paused"

    def to_first_frame(self) -> str:
        return self._seek(lambda _total: 0)

    def to_last_frame(self) -> str:
        return self._seek(lambda total: total - 1)

    def change_run(self, by: int) -> str:
        index = self._run_index + by
        if by == 0:
            return ""
        if self._open_run is None or not 0 <= index < len(self._runs):
            self.panel.show_runs(self._runs, self._run_index)
            return "There is no other run" if len(self._runs) < 2 or self._open_run is None else "No run further on"
        session = self._open_run(index)
        # Ending a session waits for its engine; the next run must not.
        thread = threading.Thread(target=self._session.stop, name="guidance-run-ending")
        thread.start()
        self._leaving.append(thread)
        session.start()
        self._session, self._run_index = session, index
        self._frozen = self.view.frozen = False
        self.view.set_mask(None)
        self.panel.show_runs(self._runs, index)
        return f"Run {self._runs[index]}"

    def zoom(self, factor: float) -> str:
        self.view.zoom(factor)
        return ""

    def reset_view(self) -> str:
        self.view.reset()
        return "Zoom and window reset"

    def invert(self) -> str:
        self.view.invert()
        return ""

    def hold_overlay(self, held: bool) -> str:
        screen = self.view.screen_state
        self.view.overlay_held = held
        self.view.update()
        return "No overlay to hide" if held and (screen is None or screen.overlay is None) else ""

    def set_mask(self) -> str:
        screen = self.view.screen_state
        if self.view.mask_frame is not None:
            self.view.set_mask(None)
            return "Mask off"
        if screen is None or screen.frame is None:
            return "No picture to take as a mask"
        if screen.frame.kind == "dsa":
            return "This run is subtracted already"
        self.view.set_mask(screen.frame)
        return f"Mask: frame {screen.frame.source_frame + 1}. Shown subtracted; guidance reads the frames as they came"

    def freeze(self) -> str:
        if self.view.screen_state is None or self.view.screen_state.frame is None:
            return "No picture to freeze"
        self._frozen = self.view.frozen = not self._frozen
        self.view.update()
        return "Picture frozen; the source goes on" if self._frozen else "Picture follows the source"

    def show_raw(self) -> str:
        if not self.keys.isHidden():
            self.keys.toggle()
            return ""
        self.view.raw = not self.view.raw
        self.view.update()
        return "Raw image" if self.view.raw else "Overlay and annotations"

    def next_mode(self) -> str:
        mode: OverlayMode = OVERLAY_MODES[(OVERLAY_MODES.index(self.view.mode) + 1) % len(OVERLAY_MODES)]
        self.view.set_mode(mode)
        return f"Overlay as {mode}"

    def show_keys(self) -> str:
        self.keys.toggle()
        return ""

    def register(self) -> str:
        self._session.request_registration()
        return "Registers on the next frame that shows enough vessel"

    def accept(self) -> str:
        if self._guidance_state() != "proposed":
            return "No proposed registration to accept"
        self._session.accept()
        return "Registration accepted"

    def reject(self) -> str:
        if self._guidance_state() not in ("proposed", "accepted", "stale"):
            return "No registration to reject"
        self._session.reject()
        return "Registration rejected"

    # Qt's events

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        action = action_of(a0.key()) if a0 is not None else None
        if a0 is None or action is None:
            super().keyPressEvent(a0)
        elif action.repeats or not a0.isAutoRepeat():
            self.say(action.press(self))

    def keyReleaseEvent(self, a0: QKeyEvent | None) -> None:
        action = action_of(a0.key()) if a0 is not None else None
        if a0 is not None and action is not None and action.release is not None and not a0.isAutoRepeat():
            self.say(action.release(self))

    def changeEvent(self, a0: QEvent | None) -> None:
        # The release of a held key goes to another window once this one is left.
        if a0 is not None and a0.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.hold_overlay(False)
        super().changeEvent(a0)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        self.keys.place()

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        super().closeEvent(a0)
        if self.on_finished is not None:
            finished, self.on_finished = self.on_finished, None
            finished()

    def _seek(self, to: Callable[[int], int]) -> str:
        if (refusal := self._no_playback()) is not None:
            return refusal
        screen = self.view.screen_state
        self._session.seek(to((screen.frames_total if screen else None) or 1))
        return ""

    def _no_playback(self) -> str | None:
        screen = self.view.screen_state
        if screen is None or screen.frames_total is None:
            return "A live source does not play back; F freezes the picture"
        return None

    def _guidance_state(self) -> str:
        return self.view.screen_state.guidance_state if self.view.screen_state else "unregistered"

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
