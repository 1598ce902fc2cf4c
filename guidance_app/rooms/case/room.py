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


class CaseRoom(Room):
    id = "case"
    name = "Case"
    icon: IconName = "case"

    def __init__(self, house: House) -> None:
        self._house = house
        self._last_case = ""

    @property
    def widget(self) -> Welcome:
        return self._place

    @cached_property
    def _place(self) -> Welcome:
        return Welcome(self._choose, self._choose_run, last_case=self._last_case)

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

    def say_problem(self, text: str) -> None:
        """Show why a case could not be opened, beside the ways out."""
        self.widget.problem.setText(text)

    def saved_state(self) -> Mapping[str, JsonValue]:
        case = self._house.case
        return {"last_case": self._last_case if case is None else str(case.folder)}

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        last = state.get("last_case")
        self._last_case = last if isinstance(last, str) else ""

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
