"""The live room behind `Room`: which session runs on which case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.live.actions import LINES_HELP, MOUSE_HELP, live_actions
from guidance_app.rooms.live.case_runs import CaseRuns, Runs
from guidance_app.rooms.live.contrast.actions import contrast_actions
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.rooms.live.judging.actions import judging_actions
from guidance_app.rooms.live.judging.hand_actions import hand_actions
from guidance_app.rooms.live.keeping.actions import keeping_actions
from guidance_app.rooms.live.measuring.actions import measuring_actions
from guidance_app.rooms.live.place import LivePlace
from guidance_app.rooms.live.remembered_view import RememberedView, remembered_of, set_up
from guidance_app.rooms.live.second_screen import SecondScreen
from guidance_app.rooms.live.shown_run import ShownRun
from guidance_app.rooms.live.windowing_actions import windowing_actions
from guidance_app.rooms.room import House, Room
from guidance_app.views.language import tr

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from engines.anatomy.vessel_model import SurfaceMesh
    from guidance_app.live.guidance_state import Situation
    from guidance_app.rooms.live.judging.judged_model import JudgedModel
    from guidance_app.rooms.live.measuring.measured import ModelMark
    from guidance_app.rooms.live.space_view import SpaceView


class LiveRoom(Room):
    """Owns the session that runs; goes on showing it while a person is in another room.

    Args:
        runs_of: opens the sessions of a case.
    """

    id = "live"
    name = "Live"
    icon: IconName = "live"
    hint = "Space play    \u2190 \u2192 frames    O hide overlay    Esc raw image"
    mouse_help = (*MOUSE_HELP, *LINES_HELP)

    def __init__(self, house: House, *, runs_of: Callable[[Case], Runs] = CaseRuns) -> None:
        self._house = house
        self._runs_of = runs_of
        self._runs: Runs | None = None  # of the present case, once it has opened one itself
        self._runs_case: Case | None = None
        self._case: Case | None = None
        self._remembered = RememberedView()
        self._given_mode = ""
        self._second: SecondScreen | None = None
        self._space: SpaceView | None = None
        self._measured_case: Case | None = None
        self._source = ""  # of a run that is not among the case's recordings

    @property
    def widget(self) -> LivePlace:
        return self._place

    @cached_property
    def _place(self) -> LivePlace:
        place = LivePlace(self._house.say, self._perform, self._house.start_job)
        judging = (*judging_actions(place.judging), *hand_actions(place.judging.hand))
        place.dress_buttons((*live_actions(place.desk), *judging, *measuring_actions(place.measuring)))
        return place

    def actions(self) -> tuple[Action, ...]:
        second = Action(
            id="live.second-screen", words=tr("Picture on a second screen, again: back"), keys=("Ctrl+F11",),
            press=self.toggle_second_screen, tip=tr("The picture alone, as large as the other screen is."),
        )  # fmt: skip
        space = Action(
            id="live.space", words=tr("C-arm and model in 3-D, again: back"), keys=("D",), press=self.toggle_space,
            tip=tr("Beside the picture, with how surely the model's place is known. A drag turns it, the wheel zooms."),
        )  # fmt: skip
        judging = self.widget.judging
        # While a hand corrects or a ruler lies on the picture, some keys of the room are theirs.
        first = (*measuring_actions(self.widget.measuring), *hand_actions(judging.hand))
        return (
            *first,
            *live_actions(self.widget.desk),
            *contrast_actions(self.widget.contrast),
            *windowing_actions(self.widget.view),
            *judging_actions(judging),
            *keeping_actions(self.widget.keeping),
            self.widget.attention.action(),
            space,
            second,
        )

    def enter(self, case: Case | None) -> None:
        if case is not None and case is not self._case and case.recordings:
            self._show_recording(case, 0)

    def leave(self) -> str:
        # The release of a held key goes to the room that is entered.
        self.widget.desk.hold_overlay(False)
        return ""

    def close(self) -> None:
        if self._second is not None:
            self._second.end()
        if self._space is not None:
            self._space.close_view()
        if "_place" in self.__dict__:
            self.widget.stop()
        if self._runs is not None:
            self._runs.stop()

    @property
    def right_drag_windows(self) -> bool:
        """A right drag sets window and level, and a left drag zooms."""
        return self._remembered.right_drag_windows if self._case is None else self.widget.view.right_drag_windows

    @right_drag_windows.setter
    def right_drag_windows(self, right: bool) -> None:
        self._remembered = self._remembered.model_copy(update={"right_drag_windows": right})
        if self._case is not None:
            self.widget.view.right_drag_windows = right

    @property
    def second_screen(self) -> SecondScreen | None:
        """The picture's second window while it is open."""
        return self._second

    @property
    def space(self) -> SpaceView | None:
        """The 3-D view, once it was asked for."""
        return self._space

    def toggle_space(self) -> str:
        if self._space is None:
            from guidance_app.rooms.live.space_view import SpaceView  # brings VTK

            place = self.widget
            self._space = SpaceView(lambda: (place.view.screen_state, place.desk.session))
            place.put_beside(self._space)
            if self._case is not None:
                self._space.take_surface(partial(_surface, self._case))
        return self._space.toggle()

    def toggle_second_screen(self) -> str:
        if self._second is not None:
            self._second.end()
            return ""
        self._second = SecondScreen(self.widget.view, self._second_closed)
        self.widget.on_drawn = self._second.follow
        self._second.follow()
        return self._second.open()

    def _second_closed(self, why: str) -> None:
        self._second = self.widget.on_drawn = None
        if why:
            self._house.toast(why, "problem")

    @property
    def guiding(self) -> str:
        """A picture is being guided now, in one line; "" where nothing runs, or a recording stands still."""
        if "_place" not in self.__dict__ or self._case is None:
            return ""
        running = self.widget.desk.running()
        return f"The live room guides on case {self._case.id}: {running}" if running else ""

    def show_session(
        self,
        session: GuidedSession,
        case: Case,
        *,
        runs: tuple[str, ...] = (),
        run_index: int = 0,
        open_run: Callable[[int], GuidedSession] | None = None,
    ) -> None:
        """Show this session from now on; the caller starts it, the room ends it."""
        if self._case is None or self._case.kind != case.kind:
            set_up(self.widget.view, self._remembered, kind=case.kind)
            self._given_mode = self.widget.view.mode
        if self._space is not None and case is not self._case:
            self._space.take_surface(partial(_surface, case))
        self._case = case
        self.widget.view.case_id = case.id
        self.widget.attention.take(case)
        self.widget.contrast.take(case.id, case.kind)
        self.widget.keeping.take(case)
        self.widget.judging.take(lambda: _judged_model(case))
        if case is not self._measured_case:
            self._measured_case = case
            marks, problem = _given_marks(case)
            self.widget.measuring.take(case.id, marks)
            if problem:
                self._house.toast(problem, "problem")
        self.widget.desk.take(session, runs=runs, run_index=run_index, open_run=open_run)
        self.widget.start()

    def open_source(self, case: Case, source: str | Path) -> None:
        """Show a run that is not among the case's recordings.

        Raises:
            GuidanceError: it cannot be read.
        """
        self._show_source(case, source, resumed=None)

    def shown_run(self) -> ShownRun | None:
        """What is shown now, to be shown again some other time; None where nothing is."""
        session = self.widget.desk.session if "_place" in self.__dict__ else None
        if session is None:
            return None
        return ShownRun.of(self.widget.view, session, recording=self.widget.desk.run_index, source=self._source)

    def show_again(self, case: Case, shown: ShownRun) -> None:
        """Show a run as it was, with its pose as a proposal that a person accepts or searches anew.

        Raises:
            GuidanceError: the run cannot be read.
        """
        resumed = shown.situation(case.id)
        if 0 <= shown.recording < len(case.recordings):
            self._show_recording(case, shown.recording, resumed=resumed)
        elif shown.source:
            source = Path(shown.source)
            self._show_source(case, source if source.exists() else shown.source, resumed=resumed)
        else:
            return
        self.widget.when_pictured(partial(self._as_it_was, shown))

    def _as_it_was(self, shown: ShownRun) -> None:
        shown.set_up(self.widget.view)
        if not shown.live and self.widget.desk.session is not None:
            commands = self.widget.desk.session.commands
            commands.pause()
            commands.seek(shown.frame)

    def _show_source(self, case: Case, source: str | Path, *, resumed: Situation | None) -> None:
        session = self._open(case, source, resumed=resumed)
        self._source = str(source)
        self.show_session(session, case, run_index=-1)
        session.start()

    def saved_state(self) -> Mapping[str, JsonValue]:
        remembered = self._remembered
        if self._case is not None:
            view = self.widget.view
            chosen = remembered.overlay_mode is not None or view.mode != self._given_mode
            remembered = remembered_of(view, mode_chosen=chosen)
        return remembered.model_dump()

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        self._remembered = RememberedView.of_state(state)

    def _perform(self, action_id: str) -> None:
        action = next((action for action in self.actions() if action.id == action_id), None)
        if action is not None:
            self._house.perform(action)

    def _open(self, case: Case, source: str | Path, *, resumed: Situation | None = None) -> GuidedSession:
        """On the engine of the case; that of another case ends behind the picture."""
        if self._runs is not None and self._runs_case is case:
            return self._runs.open(source, resumed=resumed)
        runs = self._runs_of(case)
        session = runs.open(source, resumed=resumed)
        if self._runs is not None:
            self.widget.desk.end_behind(self._runs)
        self._runs, self._runs_case = runs, case
        return session

    def _show_recording(self, case: Case, index: int, *, resumed: Situation | None = None) -> None:
        def open_run(index: int) -> GuidedSession:
            return self._open(case, case.recordings[index].path)

        runs = tuple(recording.path.stem for recording in case.recordings)
        session = self._open(case, case.recordings[index].path, resumed=resumed)
        self.show_session(session, case, runs=runs, run_index=index, open_run=open_run)
        session.start()


def _surface(case: Case) -> SurfaceMesh | None:
    return case.vessel_model().surface


def _judged_model(case: Case) -> JudgedModel:
    from guidance_app.rooms.live.judging.judged_model import JudgedModel

    return JudgedModel(case.vessel_model())


def _given_marks(case: Case) -> tuple[tuple[ModelMark, ...], str]:
    if not any(role in case.files for role in ("landmarks", "planes")):
        return (), ""
    from guidance_app.rooms.live.measuring.given_marks import given_marks

    return given_marks(case)
