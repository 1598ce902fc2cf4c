"""A room that opens results: a place to begin, a result opened there, buttons for its actions, recent folders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import JsonValue
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QFileDialog, QPushButton, QStackedWidget

from calibration.errors import InputError
from guidance_app.panels.action import Action
from guidance_app.panels.result_start import MOST_RECENT, ResultStart
from guidance_app.rooms.room import House, Room

if TYPE_CHECKING:  # a window makes all rooms at its start, and a result's widgets bring VTK
    from guidance_app.panels.result_place import ResultPlace


Place = TypeVar("Place", bound="ResultPlace")


class ResultRoom(Room, Generic[Place]):
    """What rooms of results have in common.

    Attributes:
        buttons: ids (without the room's) of the actions that have a button.
        short: words on a button that are shorter than the action's own.
        columns: of the buttons.
        held_buttons: a button that is held down repeats or releases its action as the key does.
    """

    buttons: tuple[str, ...]
    short: Mapping[str, str]
    columns: int
    held_buttons: bool = False

    def __init__(self, house: House) -> None:
        self._house = house
        self._place: Place | None = None
        self._recent: tuple[str, ...] = ()

    @abstractmethod
    def _made_start(self) -> ResultStart: ...

    @abstractmethod
    def _opened(self, folder: Path) -> Place:
        """The widget that shows this result. Raises InputError where it cannot be read."""

    @abstractmethod
    def _result_actions(self) -> tuple[Action, ...]: ...

    @property
    def widget(self) -> QStackedWidget:
        return self._stack

    @cached_property
    def _stack(self) -> QStackedWidget:
        stack = QStackedWidget()
        stack.addWidget(self.start)
        stack.setFocusProxy(self.start)
        self.start.show_recent(self._recent)
        return stack

    @cached_property
    def start(self) -> ResultStart:
        return self._made_start()

    @property
    def place(self) -> Place | None:
        """The open result; None before one is open."""
        return self._place

    def open_result(self, folder: Path) -> str:
        """Show a result folder; "" or one line why not."""
        try:
            place = self._opened(folder)
        except InputError as error:
            return str(error)
        self._leave_result()
        self._place = place
        self._add_buttons(place)
        stack = self.widget
        stack.addWidget(place)
        stack.setCurrentWidget(place)
        stack.setFocusProxy(place)
        place.setFocus()
        known = str(folder.resolve())
        self._recent = (known, *(other for other in self._recent if other != known))[:MOST_RECENT]
        self.start.show_recent(self._recent)
        return ""

    def overview(self) -> str:
        """Back to where results are opened."""
        self._leave_result()
        self.widget.setCurrentWidget(self.start)
        self.widget.setFocusProxy(self.start)
        return ""

    def actions(self) -> tuple[Action, ...]:
        overview = Action(
            id=f"{self.id}.overview", words="Open another result", press=self.overview, keys=("Ctrl+O",)
        )  # fmt: skip
        return (*self._result_actions(), overview)

    def export(self, folder: Path | None = None) -> str:
        """Write everything; asks for the folder where none is given."""
        if self._place is None:
            return "open a result first"
        chosen = folder or chosen_path(QFileDialog.getExistingDirectory(self._place, "Export into a folder"))
        if chosen is None:
            return ""
        try:
            return self._place.export(chosen)
        except InputError as error:
            return str(error)

    def screenshot(self, path: Path | None = None) -> str:
        """Write the panel as it is seen; asks for the file where none is given."""
        if self._place is None:
            return "open a result first"
        offered = f"{self.id}.png"
        chosen = path or chosen_path(
            QFileDialog.getSaveFileName(self._place, "Picture", offered, "PNG (*.png)")[0]
        )  # fmt: skip
        if chosen is None:
            return ""
        try:
            self._place.save_picture(chosen)
        except InputError as error:
            return str(error)
        return str(chosen)

    def close(self) -> None:
        self._leave_result()

    def saved_state(self) -> Mapping[str, JsonValue]:
        return {"recent": list(self._recent)}

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        kept = state.get("recent")
        if isinstance(kept, list):
            self._recent = tuple(folder for folder in kept if isinstance(folder, str) and Path(folder).is_dir())
            if "start" in self.__dict__:
                self.start.show_recent(self._recent)

    def _add_buttons(self, place: Place) -> None:
        """The mouse reaches what the keys do."""
        actions = {action.id.removeprefix(f"{self.id}."): action for action in self.actions()}
        for number, name in enumerate(self.buttons):
            action = actions[name]
            button = QPushButton(self.short.get(name, action.words))
            button.setToolTip(f"{action.words}   {action.shown_keys}" + (f"\n{action.tip}" if action.tip else ""))
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setMinimumSize(QSize(40, 24))
            button.setStyleSheet("padding: 3px 2px; font-size: 12px;")
            if self.held_buttons and action.release is not None:
                button.pressed.connect(lambda action=action: self._house.say(action.perform()))
                button.released.connect(action.release)
            else:
                button.setAutoRepeat(self.held_buttons and action.repeats)
                button.clicked.connect(lambda _checked, action=action: self._house.say(action.perform()))
            place.tools.addWidget(button, number // self.columns, number % self.columns)

    def _leave_result(self) -> None:
        if self._place is not None:
            self._place.close_place()
            self.widget.removeWidget(self._place)
            self._place.deleteLater()
            self._place = None


def chosen_path(text: str) -> Path | None:
    """What a file dialog gave; None where the person cancelled."""
    return Path(text) if text else None
