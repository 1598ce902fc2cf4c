"""What is seen in the live room: one large picture and a slim panel beside it, drawn from a 16 ms timer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from guidance_app.live.guidance import ScreenState
from guidance_app.live.run_log import Event, EventKind
from guidance_app.panels.action import Action
from guidance_app.panels.action_button import dress
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.pictures.timeline import Timeline
from guidance_app.rooms.live.attention.attention_desk import AttentionDesk
from guidance_app.rooms.live.contrast.contrast_desk import ContrastDesk
from guidance_app.rooms.live.judging.judging_desk import JudgingDesk
from guidance_app.rooms.live.judging.judging_panel import JudgingPanel
from guidance_app.rooms.live.keeping.keeping_desk import KeepingDesk
from guidance_app.rooms.live.measuring.measured_file import own_folder
from guidance_app.rooms.live.measuring.measuring_desk import MeasuringDesk
from guidance_app.rooms.live.measuring.measuring_panel import MeasuringPanel
from guidance_app.rooms.live.session_desk import SessionDesk
from guidance_app.rooms.live.status import PanelCommands, StatusPanel
from guidance_app.settings import data_folder
from guidance_app.views.language import tr
from guidance_app.views.live_view import LiveView

TICK_MS = 16  # one refresh of a 60 Hz screen
_PANEL_EVERY_MS = 400  # figures that change faster cannot be read

_NEWS: dict[EventKind, str] = {
    "client_refused": "Refused",
    "source_connected": "Source",
    "source_disconnected": "Source",
    "message_ignored": "Ignored",
}


class LivePlace(QWidget):
    """Drives one session at a time; its desk carries out what keys and buttons ask for.

    Args:
        say: shows a line for a while.
        perform: does the action with this id, as its key does.
        start_job: as `House.start_job`.

    Attributes:
        on_painted: called with each newly painted state, after the pixels are in the window.
        on_finished: called once, when the session has ended.
        on_drawn: called after every look at the session, so that a second picture can follow.
        on_ticked: told how long the timer's call took, in ms.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        perform: Callable[[str], None],
        start_job: Callable[[Work, Callable[[Job], None]], Job],
    ) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.on_painted: Callable[[ScreenState], None] | None = None
        self.on_finished: Callable[[], None] | None = None
        self.on_ticked: Callable[[float], None] | None = None
        self.on_drawn: Callable[[], None] | None = None
        self._when_pictured: Callable[[], None] | None = None
        self._say = say
        self._reported: ScreenState | None = None
        self._told: Event | None = None
        self._figures_ns = 0
        self._figures_state = ""
        self.view = LiveView(self)
        self.panel = StatusPanel(
            self,
            PanelCommands(
                register=lambda: perform("live.register"),
                accept=lambda: perform("live.accept"),
                reject=lambda: perform("live.reject"),
                choose_mode=self.view.set_mode,
                choose_opacity=self.view.set_opacity,
                choose_run=lambda row: say(self.desk.change_run(row - self.desk.run_index)),
            ),
        )
        self.desk = SessionDesk(self.view, show_runs=self.panel.show_runs)
        self.timeline = Timeline(self, self.desk.scrub)
        self.keeping = KeepingDesk(self.view, self.desk, folder=data_folder, start_job=start_job)
        self.desk.on_taken = self._another_run
        self.desk.on_pace_changed = lambda: self.timeline.show_pace(self.desk.stretch, self.desk.speed)
        self.attention = AttentionDesk(self.view, self.desk, start_job, say)
        self.contrast = ContrastDesk(self.view, say=say)
        self.judging = JudgingDesk(self.view, say=say)
        self.judging_panel = JudgingPanel(self, self.judging, perform)
        self.judging.changed = self._judging_changed
        self.measuring = MeasuringDesk(self.view, model=self.judging.wanted_model, say=say, folder=own_folder)
        self.measuring_panel = MeasuringPanel(self, self.measuring, perform)
        self.measuring.changed = self._measuring_changed
        self.view.on_frame_wheel = lambda frames: say(self.desk.step(frames))
        self.view.on_overlay_changed = self._show_overlay_choice
        columns = self._columns = QHBoxLayout(self)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(0)
        picture = QVBoxLayout()
        picture.setSpacing(0)
        picture.addWidget(self.view, 1)
        picture.addWidget(self.timeline)
        columns.addLayout(picture, 1)
        columns.addWidget(self.judging_panel)
        columns.addWidget(self.measuring_panel)
        columns.addWidget(self.panel)
        self._show_overlay_choice()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def dress_buttons(self, actions: Sequence[Action]) -> None:
        """Give the panel's buttons the words and keys of their actions."""
        buttons = {
            "live.register": self.panel.register_button,
            "live.accept": self.panel.accept_button,
            "live.reject": self.panel.reject_button,
        }
        for action in actions:
            if (button := buttons.get(action.id)) is not None:
                dress(button, action)
        self.judging_panel.dress_buttons(actions)
        self.measuring_panel.dress_buttons(actions)

    def put_beside(self, widget: QWidget) -> None:
        """Between the picture and the panels; what is hidden takes no room."""
        self._columns.insertWidget(1, widget)

    def when_pictured(self, act: Callable[[], None]) -> None:
        """Call this once, as soon as the session has a picture."""
        self._when_pictured = act

    def start(self) -> None:
        """Begin to draw; the session has been started."""
        self._timer.start()

    def stop(self) -> None:
        """Draw no more and end the session; twice is harmless."""
        self._timer.stop()
        self.attention.close()
        self.contrast.close()
        self.judging.close()
        self.desk.stop()

    def _another_run(self) -> None:
        self.timeline.begin()
        self.keeping.session_taken()
        self.contrast.session_taken(self.desk.session)

    # The timer: draw what is new, then report what was really drawn

    def _tick(self) -> None:
        began_ns = time.monotonic_ns()
        self._show_what_is_new()
        if self.on_ticked is not None:
            self.on_ticked((time.monotonic_ns() - began_ns) / 1e6)

    def _show_what_is_new(self) -> None:
        session = self.desk.session
        if session is None:
            return
        screen = session.screen()
        if screen is not self.view.screen_state and not self.desk.frozen:
            self.view.show_screen(screen)
            self.judging.see(screen, session)
            self.attention.see(screen)
            self.measuring.see(screen, session)
            self.contrast.see(screen)
            self._show_figures(screen)
            self.timeline.see(screen, session.newest_event, self.view.shown_image())
            if screen.frame is not None and self._when_pictured is not None:
                act, self._when_pictured = self._when_pictured, None
                act()
            # Paints before it returns, unless the window is hidden: then nothing is reported as painted.
            self.view.repaint()
        else:
            if self.view.screen_state is not None:
                self.contrast.see(self.view.screen_state)
            self.view.refresh_age()
        if self.on_drawn is not None:
            self.on_drawn()
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
            self._say(f"{tr(_NEWS[event.kind])}: {event.text}")

    def _show_figures(self, screen: ScreenState) -> None:
        now_ns = time.monotonic_ns()
        changed = screen.guidance_state != self._figures_state
        if not changed and now_ns - self._figures_ns < _PANEL_EVERY_MS * 1e6:
            return
        self._figures_ns, self._figures_state = now_ns, screen.guidance_state
        self.panel.show_screen(screen, paint_ms=self.view.paint_ms)
        if changed:
            self.panel.settle()  # the whole panel takes as long as a picture: figures alone come with Qt's next turn

    # There is room for one of the two beside the picture: the one that is opened closes the other

    def _judging_changed(self) -> None:
        if self.judging.is_open and not self.judging_panel.isVisibleTo(self) and self.measuring.is_open:
            self.measuring.toggle()
        self.judging_panel.show_desk()

    def _measuring_changed(self) -> None:
        if self.measuring.is_open and not self.measuring_panel.isVisibleTo(self) and self.judging.is_open:
            self.judging.toggle()
        self.measuring_panel.show_desk()

    def _show_overlay_choice(self) -> None:
        self.panel.show_overlay_choice(self.view.mode, self.view.opacity)
