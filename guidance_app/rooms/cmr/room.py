"""The CMR room: a fusion opened or made here, looked at and exported."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QFileDialog, QPushButton, QStackedWidget

from calibration.errors import InputError
from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.room import House, Room

if TYPE_CHECKING:
    from guidance_app.rooms.cmr.place import CmrPlace
    from guidance_app.rooms.cmr.start import StartPlace

_BUTTONS = ("septal", "anterior", "lateral", "inferior", "apical",
            "slice_to_apex", "to_apex", "to_base", "slice_to_base", "overlay",
            "territories", "aha", "ct", "screenshot", "export", "overview")  # fmt: skip
_COLUMNS = 5
_SHORT = {
    "septal": "Septal", "anterior": "Anterior", "lateral": "Lateral", "inferior": "Inferior", "apical": "Apical",
    "slice_to_apex": "\u21e4 Slice", "to_apex": "\u2190 Apex", "to_base": "Base \u2192",
    "slice_to_base": "Slice \u21e5",
    "overlay": "Hide", "territories": "Territory", "aha": "AHA", "ct": "CT\u2026", "screenshot": "Picture",
    "overview": "Open\u2026",
}  # fmt: skip


class CmrRoom(Room):
    id = "cmr"
    name = "CMR"
    icon: IconName = "cmr"

    def __init__(self, house: House) -> None:
        self._house = house
        self._place: CmrPlace | None = None
        self._recent: tuple[str, ...] = ()

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
    def start(self) -> StartPlace:
        from guidance_app.rooms.cmr.start import StartPlace

        return StartPlace(self.open_result, self._house.start_job)

    @property
    def place(self) -> CmrPlace | None:
        """The open result; None before one is open."""
        return self._place

    def open_result(self, folder: Path) -> str:
        """Show a result folder; "" or one line why not."""
        from guidance_app.rooms.cmr.opened import open_result
        from guidance_app.rooms.cmr.place import CmrPlace

        try:
            opened = open_result(folder)
        except InputError as error:
            return str(error)
        self._leave_result()
        place = CmrPlace(opened, say=self._house.say)
        self._place = place
        self._add_buttons(place)
        stack = self.widget
        stack.addWidget(place)
        stack.setCurrentWidget(place)
        stack.setFocusProxy(place)
        place.setFocus()
        known = str(folder.resolve())
        self._recent = (known, *(other for other in self._recent if other != known))[:8]
        self.start.show_recent(self._recent)
        return ""

    def overview(self) -> str:
        """Back to where results are opened."""
        self._leave_result()
        self.widget.setCurrentWidget(self.start)
        self.widget.setFocusProxy(self.start)
        return ""

    def actions(self) -> tuple[Action, ...]:
        from guidance_app.rooms.cmr.actions import result_actions

        found = result_actions(lambda: self._place, export=self.export, screenshot=self.screenshot,
                               choose_ct=self.choose_ct)  # fmt: skip
        overview = Action(id="cmr.overview", words="Open another result", press=self.overview, keys=("Ctrl+O",))
        return (*found, overview)

    def export(self, folder: Path | None = None) -> str:
        """Write everything; asks for the folder where none is given."""
        if self._place is None:
            return "open a result first"
        chosen = folder or _chosen(QFileDialog.getExistingDirectory(self._place, "Export into a folder"))
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
        chosen = path or _chosen(QFileDialog.getSaveFileName(self._place, "Picture", "cmr.png", "PNG (*.png)")[0])
        if chosen is None:
            return ""
        try:
            self._place.save_picture(chosen)
        except InputError as error:
            return str(error)
        return str(chosen)

    def choose_ct(self, path: Path | None = None) -> str:
        """Show a CT behind the maps; asks for the file where none is given."""
        if self._place is None:
            return "open a result first"
        chosen = path or _chosen(
            QFileDialog.getOpenFileName(self._place, "CT (NIfTI, or a file of the DICOM folder)")[0]
        )
        if chosen is None:
            return ""
        as_file = chosen.name.endswith((".nii", ".nii.gz")) or chosen.is_dir()
        return self._place.open_ct(chosen if as_file else chosen.parent)

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

    def _add_buttons(self, place: CmrPlace) -> None:
        """The mouse reaches what the keys do."""
        actions = {action.id.removeprefix("cmr."): action for action in self.actions()}
        for number, name in enumerate(_BUTTONS):
            action = actions[name]
            button = QPushButton(_SHORT.get(name, action.words))
            button.setToolTip(f"{action.words}   {action.shown_keys}" + (f"\n{action.tip}" if action.tip else ""))
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setMinimumSize(QSize(40, 24))
            button.setStyleSheet("padding: 3px 2px; font-size: 12px;")
            if action.release is not None:
                button.pressed.connect(lambda action=action: self._house.say(action.perform()))
                button.released.connect(action.release)
            else:
                button.setAutoRepeat(action.repeats)
                button.clicked.connect(lambda _checked, action=action: self._house.say(action.perform()))
            place.tools.addWidget(button, number // _COLUMNS, number % _COLUMNS)

    def _leave_result(self) -> None:
        if self._place is not None:
            self._place.close_place()
            self.widget.removeWidget(self._place)
            self._place.deleteLater()
            self._place = None


def _chosen(text: str) -> Path | None:
    return Path(text) if text else None
