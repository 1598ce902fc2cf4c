"""The case room: where a person chooses the patient that all rooms work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from PyQt6.QtWidgets import QStackedWidget, QWidget

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.case.welcome import CASE_WORDS, Welcome
from guidance_app.rooms.room import House, Room
from guidance_app.settings import data_folder
from guidance_app.views.language import tr

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case
    from guidance_app.rooms.case.importing.wizard import ImportWizard

_MOST_RECENT = 4
_MOST_MADE = 12


class CaseRoom(Room):
    """Cases as cards, and new ones.

    Args:
        folder: where new cases are made; by default below this platform's data folder.
    """

    id = "case"
    name = "Case"
    icon: IconName = "case"

    def __init__(self, house: House, *, folder: Path | None = None) -> None:
        self._house = house
        self._folder = folder
        self._wizard: ImportWizard | None = None
        self._archive = ""
        self._recent: tuple[str, ...] = ()
        self._pictured = False

    @property
    def widget(self) -> QStackedWidget:
        return self._place

    @cached_property
    def _place(self) -> QStackedWidget:
        place = QStackedWidget()
        place.addWidget(self.welcome)
        place.setFocusProxy(self.welcome)
        return place

    @cached_property
    def welcome(self) -> Welcome:
        """The cases as cards."""
        welcome = Welcome(
            self._choose, self._choose_run, recent=self._shown(), run_is_welcome=lambda: self._house.case is not None
        )
        welcome.new_wanted.connect(self.new_case)
        welcome.check_wanted.connect(self.check_case)
        return welcome

    @property
    def wizard(self) -> ImportWizard | None:
        """The import that is open; None before one is."""
        return self._wizard

    def new_case(self, places: Sequence[Path] = ()) -> str:
        """Begin a case from these folders and files; asks for a folder where none is given."""
        wizard = self._opened_wizard()
        if places:
            wizard.begin(places)
        else:
            wizard.ask_for_folder()
        return ""

    def check_case(self) -> str:
        """Check what was found in the open case, and correct it."""
        if why := self._no_check():
            return why
        assert self._house.case is not None
        self._opened_wizard().check_case(self._house.case.folder)
        return ""

    def plan_case(self) -> str:
        """Plan on the open case, on slices."""
        if why := self._no_check():
            return why
        assert self._house.case is not None
        self._opened_wizard().check_case(self._house.case.folder, then_plan=True)
        return ""

    def actions(self) -> tuple[Action, ...]:
        if self._wizard is not None and self.widget.currentWidget() is self._wizard:
            from guidance_app.rooms.case.importing.actions import wizard_actions

            return wizard_actions(self._wizard)
        bundled = tuple(
            Action(
                id=f"case.{name}",
                words=tr("Open the bundled case {name}").format(name=name),
                tip=tr(words),
                press=self._press(name),
            )
            for name, words in CASE_WORDS.items()
        )
        folder = Action(
            id="case.folder", words=tr("Open a case folder"), keys=("Ctrl+O",), icon="case", press=self._ask_for_folder
        )
        new = Action(
            id="case.new", words=tr("New case from a CT scan"), keys=("Ctrl+N",), icon="case", press=self.new_case
        )
        check = Action(
            id="case.check", words=tr("Check the open case"), press=self.check_case, refusal=self._no_check,
            tip=tr("What was found in the scan and what it was taken for, to be corrected"),
        )  # fmt: skip
        plan = Action(
            id="case.plan", words=tr("Plan on the open case"), press=self.plan_case, refusal=self._no_check,
            tip=tr("Landmarks, target, ostia, annulus, and the C-arm angles that show them"),
        )  # fmt: skip
        return (folder, new, check, plan, *bundled)

    def enter(self, case: Case | None) -> None:
        self.welcome.offer_run(case is not None and not case.recordings)
        self.welcome.offer_check(not self._no_check())
        if not self._pictured:
            self._pictured = True
            self.welcome.show_portraits()

    def close(self) -> None:
        if "welcome" in self.__dict__:
            self.welcome.close_place()
        self._end_wizard()

    def say_problem(self, text: str) -> None:
        """Show why a case could not be opened, beside the ways out."""
        self.welcome.problem.setText(text)

    def saved_state(self) -> Mapping[str, JsonValue]:
        recent = self._with_present()
        archive = self._archive if self._wizard is None else self._wizard.archive_address
        state: dict[str, JsonValue] = {"last_case": recent[0] if recent else "", "recent": list(recent)}
        return state | ({"archive": archive} if archive else {})

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        last, kept = state.get("last_case"), state.get("recent")
        archive = state.get("archive")
        self._archive = archive if isinstance(archive, str) else ""
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
            self.welcome.offer_run(True)
            self.welcome.offer_check(not self._no_check())
            return tr("Case {id} has no recorded run of its own. Open one to see the model on it.").format(id=case.id)
        return ""

    def _choose_run(self, file: str) -> str:
        case = self._house.case
        if case is None:
            return tr("No case is open; choose one first")
        return self._house.open_run(case, Path(file))

    def _opened_wizard(self) -> ImportWizard:
        if self._wizard is None:
            from guidance_app.rooms.case.importing.wizard import ImportWizard

            self._wizard = ImportWizard(self._house, self._cases, archive_address=self._archive)
            self._wizard.left.connect(self._left_wizard)
            self.widget.addWidget(self._wizard)
        self._show(self._wizard)
        return self._wizard

    def _left_wizard(self) -> None:
        self._end_wizard()
        self._recent = self._with_present()
        self.welcome.show_recent(self._shown())
        self._pictured = False
        self.enter(self._house.case)

    def _cases(self) -> Path:
        return self._folder or data_folder() / "cases"

    def _shown(self) -> tuple[str, ...]:
        """Cases that were open, then those that were made here, the newest first."""
        try:
            made = [folder for folder in self._cases().iterdir() if (folder / "case.json").is_file()]
            made.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
        except OSError:  # none was made yet, or one went meanwhile
            made = []
        return tuple(dict.fromkeys([*self._recent, *map(str, made[:_MOST_MADE])]))

    def _no_check(self) -> str:
        """Why the open case cannot be checked; "" where it can."""
        case = self._house.case
        if case is None:
            return tr("No case is open; choose one first")
        return "" if _own(str(case.folder)) else tr("A bundled case stays as it is; there is nothing to check")

    def _end_wizard(self) -> None:
        if self._wizard is None:
            return
        wizard, self._wizard = self._wizard, None
        self._archive = wizard.archive_address
        wizard.close_wizard()
        self._show(self.welcome)
        self.widget.removeWidget(wizard)
        wizard.deleteLater()

    def _show(self, page: QWidget) -> None:
        self.widget.setCurrentWidget(page)
        self.widget.setFocusProxy(page)
        page.setFocus()

    def _press(self, name: str):
        return lambda: self._house.open_case(name)

    def _ask_for_folder(self) -> str:
        self.welcome.ask_for_folder()
        return ""


def _own(folder: str) -> bool:
    """Not one of the bundled cases, which have their cards anyway."""
    return Path(folder).name not in CASE_WORDS
