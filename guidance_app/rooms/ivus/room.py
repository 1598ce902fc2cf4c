"""The IVUS room: a result opened or made here, looked at, helped by hand, judged and exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.result_room import ResultRoom

if TYPE_CHECKING:
    from guidance_app.rooms.ivus.place import FusionPlace
    from guidance_app.rooms.ivus.start import StartPlace

_BUTTONS = ("accept", "reject", "undo", "candidate", "point", "slide_back", "slide_on", "turn_left", "turn_right",
            "landmark_back", "landmark_on",
            "cut_left", "cut_right", "play", "measure", "bookmark", "colour", "screenshot",
            "export", "overview")  # fmt: skip
_SHORT = {
    "slide_back": "\u2190Slide", "slide_on": "Slide\u2192", "turn_left": "\u21b6Turn", "turn_right": "Turn\u21b7",
    "landmark_back": "\u2190Mark", "landmark_on": "Mark\u2192", "candidate": "Next C.", "point": "Pair",
    "play": "Play", "screenshot": "Picture", "overview": "Open\u2026", "bookmark": "Note",
    "cut_left": "Cut \u21b6", "cut_right": "Cut \u21b7", "colour": "Colour",
}  # fmt: skip


class IvusRoom(ResultRoom["FusionPlace"]):
    id = "ivus"
    name = "IVUS"
    icon: IconName = "ivus"
    buttons, short, columns = _BUTTONS, _SHORT, 4

    def _made_start(self) -> StartPlace:
        from guidance_app.rooms.ivus.start import StartPlace

        return StartPlace(self.open_result, self._house.start_job)

    def _opened(self, folder: Path) -> FusionPlace:
        from guidance_app.rooms.ivus.answer.opened import open_result
        from guidance_app.rooms.ivus.place import FusionPlace

        return FusionPlace(open_result(folder), say=self._house.say)

    def _result_actions(self) -> tuple[Action, ...]:
        from guidance_app.rooms.ivus.actions import result_actions

        return result_actions(lambda: self._place, export=self.export, screenshot=self.screenshot)

    def leave(self) -> str:
        if self._place is not None:
            self._place.stop_playing()
        return ""
