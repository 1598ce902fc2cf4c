"""The live room behind `Room`: which session runs on which case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.live.actions import live_actions
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.rooms.live.place import LivePlace
from guidance_app.rooms.live.remembered_view import RememberedView, remembered_of, set_up
from guidance_app.rooms.room import House, Room

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case

OpenSession = Callable[["Case", "str | Path"], GuidedSession]


class LiveRoom(Room):
    """Owns the session that runs; goes on showing it while a person is in another room.

    Args:
        open_session: makes the session of a case and a source (a URI, or the path of a recorded run).
    """

    id = "live"
    name = "Live"
    icon: IconName = "live"

    def __init__(self, house: House, *, open_session: OpenSession | None = None) -> None:
        self._house = house
        self._open_session = open_session or _open_session
        self._case: Case | None = None
        self._remembered = RememberedView()
        self._given_mode = ""

    @property
    def widget(self) -> LivePlace:
        return self._place

    @cached_property
    def _place(self) -> LivePlace:
        return LivePlace(self._house.say)

    def actions(self) -> tuple[Action, ...]:
        return live_actions(self.widget.desk)

    def enter(self, case: Case | None) -> None:
        if case is not None and case is not self._case and case.recordings:
            self._show_recording(case, 0)

    def leave(self) -> str:
        # The release of a held key goes to the room that is entered.
        self.widget.desk.hold_overlay(False)
        return ""

    def close(self) -> None:
        if "_place" in self.__dict__:
            self.widget.stop()

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
        self._case = case
        self.widget.view.case_id = case.id
        self.widget.desk.take(session, runs=runs, run_index=run_index, open_run=open_run)
        self.widget.start()

    def open_source(self, case: Case, source: str | Path) -> None:
        """Show a run that is not among the case's recordings.

        Raises:
            GuidanceError: it cannot be read.
        """
        session = self._open_session(case, source)
        self.show_session(session, case)
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

    def _show_recording(self, case: Case, index: int) -> None:
        def open_run(index: int) -> GuidedSession:
            return self._open_session(case, case.recordings[index].path)

        runs = tuple(recording.path.stem for recording in case.recordings)
        session = open_run(index)
        self.show_session(session, case, runs=runs, run_index=index, open_run=open_run)
        session.start()


def _open_session(case: Case, source: str | Path) -> GuidedSession:
    from guidance_app.live.session.opening import open_session
    from guidance_app.sources.uri import FileUri, open_source, parse_source_uri

    uri = FileUri(path=source) if isinstance(source, Path) else parse_source_uri(source)
    # A person at a window wants to go back to what was just seen, not to see it close.
    return open_session(case, open_source(uri, hold_at_end=True))
