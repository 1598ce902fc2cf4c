"""The window: a rail of rooms at the left, one room beside it, one line below, no modal dialogs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from PyQt6.QtCore import QEvent, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QKeyEvent, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from calibration.errors import GuidanceError
from guidance_app.panels.action import Action
from guidance_app.panels.command_palette import CommandPalette
from guidance_app.panels.hands.gamepads import GamepadWatch, Pads
from guidance_app.panels.hands.hold_ring import HoldRing
from guidance_app.panels.hands.input_desk import InputDesk
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.tray import JobTray
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.key_help import KeyHelp
from guidance_app.panels.style import HOUSE_STYLE_SHEET
from guidance_app.panels.toasts import ToastKind, Toasts
from guidance_app.rooms.case.room import CaseRoom
from guidance_app.rooms.live.room import LiveRoom
from guidance_app.rooms.registry import ROOMS
from guidance_app.rooms.room import MakeRoom, Room
from guidance_app.views import legibility, palette
from guidance_app.views.language import tr
from guidance_app.window.keyboard import key_pressed, key_released
from guidance_app.window.last_time.left_behind import Shown
from guidance_app.window.own_actions import own_actions
from guidance_app.window.rail import Rail
from guidance_app.window.strip import StatusStrip

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from guidance_app.rooms.live.guided_session import GuidedSession
    from guidance_app.rooms.live.shown_run import ShownRun

SIZE_PX = (1536, 960)  # 16:10, so that the corner words fit beside a square picture
_STRIP_PX = 38  # height of the line below, and a little air
_TOUCH_MM = 15.0


class GuidanceWindow(QWidget):
    """The house of all rooms: `guidance_app.rooms.room.House`.

    Args:
        make_rooms: in the order of the rail.
        states: what the rooms kept from an earlier start, by their ids.
        claim: told the folder of each case that is opened; answers with one line for a person, "" where all is well.

    Attributes:
        on_closed: called once, when a person closes the window.
        on_first_paint: called once, as soon as the window has been seen.
    """

    def __init__(
        self,
        *,
        title: str = "Guidance",
        make_rooms: Sequence[MakeRoom] = ROOMS,
        states: Mapping[str, Mapping[str, JsonValue]] | None = None,
        claim: Callable[[Path], str] = lambda _folder: "",
    ) -> None:
        super().__init__()
        self.on_closed: Callable[[], None] | None = None
        self.on_first_paint: Callable[[], None] | None = None
        self._title = title
        self._claim = claim
        self._case: Case | None = None
        self._source = ""  # from the command line: what the case that is chosen begins with
        self.setStyleSheet(HOUSE_STYLE_SHEET)
        self.strip = StatusStrip(self)
        self.inputs = InputDesk(self.all_actions, self.perform, self.say, HoldRing(self))
        self._pads: GamepadWatch | None = None
        self.rooms: tuple[Room, ...] = tuple(make(self) for make in make_rooms)
        self._current: Room | None = None
        self._entered: set[str] = set()
        self.inputs.changed.connect(self._size_targets)
        for room in self.rooms:
            room.restore((states or {}).get(room.id, {}))
        self._stack = QStackedWidget(self)
        self.rail = Rail(
            self, self.rooms, lambda number: self.say(self.go_to(self.rooms[number].id)),
            search=self.search, show_jobs=self.show_jobs,
        )  # fmt: skip
        self.keys = KeyHelp(self)
        self.palette_box = CommandPalette(self, self.perform, self.keys_to_room)
        self.inputs.walk_in(self.palette_box)
        self.toasts = Toasts(self, margin_px=_STRIP_PX)
        self.jobs = JobTray(self, self._job_ended)
        self.jobs.changed.connect(self._show_job_count)
        self._when_ended: dict[Job, Callable[[Job], None]] = {}
        self._lay_out()
        self._entitle()

    # What rooms ask for

    @property
    def case(self) -> Case | None:
        return self._case

    @property
    def guiding(self) -> str:
        return self.live.guiding if any(isinstance(room, LiveRoom) for room in self.rooms) else ""

    @property
    def carm_deg(self) -> tuple[float, float] | None:
        if self._case is None or not any(isinstance(room, LiveRoom) for room in self.rooms):
            return None
        screen = self.live.widget.view.screen_state
        geometry = None if screen is None or screen.frame is None else screen.frame.geometry
        if geometry is None:
            return None
        return math.degrees(geometry.primary_rad), math.degrees(geometry.secondary_rad)

    @property
    def pads(self) -> tuple[str, ...] | None:
        return None if self._pads is None else self._pads.names

    def known_actions(self) -> tuple[Action, ...]:
        of_live = self.live.actions() if any(isinstance(room, LiveRoom) for room in self.rooms) else ()
        verbs = {action.id.partition(".")[2] for action in of_live}
        entered = [room for room in self.rooms if room.id in self._entered and not isinstance(room, LiveRoom)]
        # The same verb is the same button in every room, and is learned once.
        others = (one for room in entered for one in room.actions() if one.id.partition(".")[2] not in verbs)
        return (*of_live, *others, *own_actions(self))

    def right_drag_windows(self) -> bool:
        return self.live.right_drag_windows

    def set_right_drag_windows(self, right: bool) -> None:
        self.live.right_drag_windows = right

    def say(self, text: str) -> None:
        self.strip.say(text)

    def open_case(self, case: str | Path) -> str:
        from engines.anatomy.cases.case import load_case

        try:
            loaded = load_case(case)
        except GuidanceError as error:
            return str(error)
        if self._source:
            return self.open_run(loaded, self._source)
        return self.show_case(loaded)

    def open_run(self, case: Case, source: str | Path) -> str:
        try:
            if isinstance(source, Path):
                from guidance_app.sources.uri import shown_run

                shown_run(source)
            self._set_case(case)
            self.live.open_source(case, source)
        except GuidanceError as error:
            return str(error)
        return self.go_to(self.live.id)

    def perform(self, action: Action) -> None:
        refused = bool(action.refusal())
        line = action.perform()
        self.say(line)
        undo = next((other for other in self.all_actions() if other.id == action.undo), None)
        if undo is not None and not refused:
            self.toasts.show(line or action.words, offer="Undo", taken=lambda: self.say(undo.perform()))

    def toast(
        self, text: str, kind: ToastKind = "done", *, offer: str = "", taken: Callable[[], None] | None = None
    ) -> None:
        self.toasts.show(text, kind, offer=offer, taken=taken)

    def start_job(self, work: Work, ended: Callable[[Job], None] | None = None) -> Job:
        job = self.jobs.start(work)
        if ended is not None:
            if job.is_over:  # it could not even begin
                ended(job)
            else:
                self._when_ended[job] = ended
        return job

    def go_to(self, room_id: str) -> str:
        number = next((number for number, room in enumerate(self.rooms) if room.id == room_id), None)
        if number is None:
            return f"There is no room {room_id}"
        room, before = self.rooms[number], self._current
        if room is not before and before is not None and (reason := before.leave()):
            self.rail.show_current(self.rooms.index(before))
            return reason
        self._current = room
        self._entered.add(room.id)
        if self._stack.indexOf(room.widget) < 0:
            self._stack.addWidget(room.widget)
        self._stack.setCurrentWidget(room.widget)
        self.rail.show_current(number)
        self.strip.show_hint(tr(room.hint))
        self.keys.hide()
        self.palette_box.hide()
        room.widget.setFocus()
        room.enter(self._case)
        return ""

    # What the program asks for

    @property
    def live(self) -> LiveRoom:
        return next(room for room in self.rooms if isinstance(room, LiveRoom))

    @property
    def current(self) -> Room | None:
        """The room that is seen."""
        return self._current

    def show_case(self, case: Case) -> str:
        """Every room works on this case from now on; enters the live room if it has a run to show."""
        self._set_case(case)
        try:
            if case.recordings:
                return self.go_to(self.live.id)
            if self._current is not None:
                self._current.enter(case)
        except GuidanceError as error:
            return str(error)
        return ""

    def show_session(self, session: GuidedSession, case: Case, *, run_index: int = 0) -> None:
        """Show a session that the caller opened and starts, in the live room; the window ends it."""
        self._set_case(case)
        runs = tuple(recording.path.stem for recording in case.recordings)
        self.live.show_session(session, case, runs=runs, run_index=run_index)
        self.go_to(self.live.id)

    def show_again(self, case: Case, shown: ShownRun) -> str:
        """Show a run as it was shown some other time; returns "" or one line why not.

        Raises:
            GuidanceError: the run cannot be read.
        """
        self._set_case(case)
        self.live.show_again(case, shown)
        return self.go_to(self.live.id)

    def present(self) -> Shown:
        """What is shown now, for a start after an unexpected end."""
        return Shown(
            room="" if self._current is None else self._current.id,
            case="" if self._case is None else str(self._case.folder), rooms=self.states(),
            run=self.live.shown_run() if any(isinstance(room, LiveRoom) for room in self.rooms) else None,
        )  # fmt: skip

    def begin(self, *, case: str, source: str, room: str) -> None:
        """Open what the command line named; what cannot be opened is said in the case room, beside the ways out."""
        problem = self._begin(case, source, room)
        if not problem:
            return
        case_room = next((room for room in self.rooms if isinstance(room, CaseRoom)), None)
        if case_room is None:
            self.say(problem)
            return
        self.go_to(case_room.id)
        case_room.say_problem(problem)

    def _begin(self, case: str, source: str, room: str) -> str:
        from engines.anatomy.cases.case import load_case

        self._source = source
        if not case:
            return ""
        try:
            loaded = load_case(case)
        except GuidanceError as error:
            return str(error)
        self._set_case(loaded)
        if room and room != self.live.id:
            return self.go_to(room)
        if source:
            return self.open_run(loaded, source)
        if not loaded.recordings:
            return f"Case {loaded.id} has no recorded run of its own. Open one to see the model on it."
        return self.show_case(loaded)

    def all_actions(self) -> tuple[Action, ...]:
        """Of the room that is seen, and of the window."""
        return (*(self._current.actions() if self._current is not None else ()), *own_actions(self))

    def close_rooms(self) -> None:
        """End what is running in the rooms and in the job tray; twice is harmless."""
        self.jobs.cancel_all()
        if self._pads is not None:
            self._pads.close()
        for room in self.rooms:
            room.close()

    def watch_pads(self, pads: Pads) -> None:
        """Let these gamepads act from now on; the window closes them."""
        self._pads = GamepadWatch(pads, self.inputs, self)
        self._pads.plugged.connect(self._pads_changed)

    def states(self) -> dict[str, dict[str, JsonValue]]:
        """What `states` of the next start needs."""
        return {room.id: dict(state) for room in self.rooms if (state := room.saved_state())}

    def _set_case(self, case: Case) -> None:
        self._case = case
        if line := self._claim(case.folder):
            self.toast(line, "problem")
        self._entitle()

    def _entitle(self) -> None:
        title = self._title if self._case is None else f"{self._title}: case {self._case.id}"
        self.setWindowTitle(f"{title} - {palette.RESEARCH_LINE}")

    # What the window's own actions ask for

    def next_room(self, by: int) -> str:
        now = -1 if self._current is None else self.rooms.index(self._current)
        return self.go_to(self.rooms[(now + by) % len(self.rooms)].id)

    def search(self) -> str:
        self.keys.hide()
        self.palette_box.open(self.all_actions())
        return ""

    def show_jobs(self) -> str:
        self.jobs.toggle()
        return ""

    def show_keys(self) -> str:
        mouse = self._current.mouse_help if self._current is not None else ()
        self.keys.toggle(self.all_actions(), [(tr(does), tr(what)) for does, what in mouse])
        return ""

    def toggle_full_screen(self) -> str:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)
        return "F11 leaves full screen" if self.isFullScreen() else ""

    def _pads_changed(self, names: tuple[str, ...]) -> None:
        self.inputs.changed.emit()
        if names:
            self.toast(tr("Gamepad: {name}. Settings say what its buttons do").format(name=", ".join(names)))
        else:
            self.toast(tr("The gamepad is gone. Keys and mouse go on"), "problem")

    def _size_targets(self) -> None:
        """Gloved fingers want buttons of 15 mm."""
        screen, large = self.screen(), ""
        if self.inputs.hands.touch and screen is not None:
            pixel_mm = legibility.mm_per_px(screen.geometry().width(), screen.physicalSize().width())
            large = f"QPushButton {{ min-height: {round(_TOUCH_MM / pixel_mm)}px; }}"
        if self.styleSheet() != HOUSE_STYLE_SHEET + large:
            self.setStyleSheet(HOUSE_STYLE_SHEET + large)

    def _job_ended(self, job: Job) -> None:
        if job.state == "done":
            self.toast(f"{job.work.words}: done")
        elif job.state == "failed":
            self.toast(f"{job.work.words}: {job.problem}", "problem")
        if (ended := self._when_ended.pop(job, None)) is not None:
            ended(job)

    def _show_job_count(self) -> None:
        running = self.jobs.running
        self.rail.show_jobs(self.jobs.open_jobs, running.share if running is not None else 0.0)

    def keys_to_room(self) -> None:
        """What lay on top is gone: the room has the keyboard again."""
        if self._current is not None:
            self._current.widget.setFocus()

    # Qt's events

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        if a0 is not None and not key_pressed(self, a0):
            super().keyPressEvent(a0)

    def keyReleaseEvent(self, a0: QKeyEvent | None) -> None:
        if a0 is not None:
            key_released(self, a0)

    def changeEvent(self, a0: QEvent | None) -> None:
        # The release of a held key goes to another window once this one is left.
        if a0 is not None and a0.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.inputs.let_go_all()
            for action in self.all_actions():
                if action.release is not None:
                    action.release()
        super().changeEvent(a0)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        super().resizeEvent(a0)
        self.keys.place()
        self.palette_box.place()
        self.jobs.place()
        self.toasts.place()
        self.inputs.ring.place()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        super().paintEvent(a0)
        if self.on_first_paint is not None:
            # Its children are painted after it: not before they are.
            seen, self.on_first_paint = self.on_first_paint, None
            QTimer.singleShot(0, seen)

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        super().closeEvent(a0)
        if self.on_closed is not None:
            closed, self.on_closed = self.on_closed, None
            closed()

    def _lay_out(self) -> None:
        columns = QHBoxLayout()
        columns.setSpacing(0)
        columns.addWidget(self.rail)
        columns.addWidget(self._stack, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(columns, 1)
        layout.addWidget(self.strip)
        self.resize(*SIZE_PX)
