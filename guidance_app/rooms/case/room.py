"""The case room: where a person chooses the patient that all rooms work on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.case.welcome import CASE_WORDS, Welcome
from guidance_app.rooms.room import House, Room

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case

_MOST_RECENT = 4


class CaseRoom(Room):
    id = "case"
    name = "Case"
    icon: IconName = "case"

    def __init__(self, house: House) -> None:
        self._house = house
        self._recent: tuple[str, ...] = ()
        self._pictured = False

    @property
    def widget(self) -> Welcome:
        return self._place

    @cached_property
    def _place(self) -> Welcome:
        return Welcome(self._choose, self._choose_run, recent=self._recent)

    def actions(self) -> tuple[Action, ...]:
        bundled = tuple(
            Action(id=f"case.{name}", words=f"Open the bundled case {name}", tip=words, press=self._press(name))
            for name, words in CASE_WORDS.items()
        )
        folder = Action(
            id="case.folder", words="Open a case folder", keys=("Ctrl+O",), icon="case", press=self._ask_for_folder
        )
        return (folder, *bundled)

    def enter(self, case: Case | None) -> None:
        self.widget.offer_run(case is not None and not case.recordings)
        if not self._pictured:
            self._pictured = True
            self.widget.show_portraits()

    def close(self) -> None:
        if "_place" in self.__dict__:
            self.widget.close_place()

    def say_problem(self, text: str) -> None:
        """Show why a case could not be opened, beside the ways out."""
        self.widget.problem.setText(text)

    def saved_state(self) -> Mapping[str, JsonValue]:
        recent = self._with_present()
        return {"last_case": recent[0] if recent else "", "recent": list(recent)}

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        last, kept = state.get("last_case"), state.get("recent")
        folders = [last, *(kept if isinstance(kept, list) else [])]  # an earlier version kept the last alone
        known = dict.fromkeys(one for one in folders if isinstance(one, str) and one and _own(one))
        self._recent = tuple(known)[:_MOST_RECENT]

    def _with_present(self) -> tuple[str, ...]:
        case = self._house.case
        if case is None or not _own(str(case.folder)):
            return self._recent
        present = str(case.folder)
        return (present, *(one for one in self._recent if one != present))[:_MOST_RECENT]

    def _choose(self, name: str) -> str:
        if problem := self._house.open_case(name):
            return problem
        case = self._house.case
        if case is not None and not case.recordings:  # as every case is that was just made
            self.widget.offer_run(True)
            return f"Case {case.id} has no recorded run of its own. Open one to see the model on it."
        return ""

    def _choose_run(self, file: str) -> str:
        case = self._house.case
        if case is None:
            return "No case is open; choose one first"
        return self._house.open_run(case, Path(file))

    def _press(self, name: str):
        return lambda: self._house.open_case(name)

    def _ask_for_folder(self) -> str:
        self.widget.ask_for_folder()
        return ""


def _own(folder: str) -> bool:
    """Not one of the bundled cases, which have their cards anyway."""
    return Path(folder).name not in CASE_WORDS
