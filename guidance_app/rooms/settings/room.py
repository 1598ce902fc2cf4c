"""The settings room behind `Room`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from guidance_app.panels.action import Action
from guidance_app.panels.hands.bindings import Hands
from guidance_app.panels.icons import IconName
from guidance_app.rooms.place_room import PlaceRoom
from guidance_app.views.language import tr

if TYPE_CHECKING:  # a window makes all rooms at its start
    from engines.anatomy.cases.case import Case
    from guidance_app.rooms.settings.place import SettingsPlace


class SettingsRoom(PlaceRoom["SettingsPlace"]):
    """Changes count at once, and are kept when the window closes."""

    id = "settings"
    name = "Settings"
    icon: IconName = "settings"
    hint = "Type to search"

    def _made_place(self) -> SettingsPlace:
        from guidance_app.rooms.settings.place import SettingsPlace

        return SettingsPlace(self._house)

    def actions(self) -> tuple[Action, ...]:
        place = self.widget
        return (
            Action(
                id="settings.learn", words=tr("Learn a pedal, presenter or gamepad button"), keys=("Ctrl+L",),
                press=place.learn, tip=tr("Press it, then choose what it does."),
            ),
            Action(id="settings.find", words=tr("Search the settings"), keys=("Ctrl+F",), press=place.to_search),
        )  # fmt: skip

    def enter(self, case: Case | None) -> None:  # noqa: ARG002 - settings are of no case
        self.widget.show_all()

    def leave(self) -> str:
        self.widget.learn_no_more()
        return ""

    def saved_state(self) -> Mapping[str, JsonValue]:
        return self._house.inputs.hands.model_dump(mode="json")

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        self._house.inputs.take(Hands.of_state(state))
