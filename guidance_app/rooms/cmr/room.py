"""The CMR room: a fusion opened or made here, looked at and exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QFileDialog

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.result_room import ResultRoom, chosen_path

if TYPE_CHECKING:
    from guidance_app.rooms.cmr.place import CmrPlace
    from guidance_app.rooms.cmr.start import StartPlace

_BUTTONS = ("septal", "anterior", "lateral", "inferior", "apical",
            "slice_to_apex", "to_apex", "to_base", "slice_to_base", "overlay",
            "last_beat", "next_beat", "play", "motion", "mix",
            "territories", "aha", "ct", "screenshot", "film",
            "correct", "brush_wall", "brush_pool", "reject", "undo", "export", "overview")  # fmt: skip
_SHORT = {
    "septal": "Septal", "anterior": "Anterior", "lateral": "Lateral", "inferior": "Inferior", "apical": "Apical",
    "slice_to_apex": "\u21e4 Slice", "to_apex": "\u2193 Apex", "to_base": "\u2191 Base",
    "slice_to_base": "Slice \u21e5",
    "last_beat": "\u2190 Beat", "next_beat": "Beat \u2192", "play": "Play", "motion": "Motion", "mix": "Blend",
    "overlay": "Hide", "territories": "Territory", "aha": "AHA", "ct": "CT\u2026", "screenshot": "Picture",
    "film": "Film",
    "overview": "Open\u2026", "correct": "Correct", "brush_wall": "Wall", "brush_pool": "Pool", "reject": "Reject",
    "undo": "Undo",
}  # fmt: skip


class CmrRoom(ResultRoom["CmrPlace"]):
    id = "cmr"
    name = "CMR"
    icon: IconName = "cmr"
    buttons, short, columns = _BUTTONS, _SHORT, 5
    held_buttons = True

    def _made_start(self) -> StartPlace:
        from guidance_app.rooms.cmr.start import StartPlace

        return StartPlace(self.open_result, self._house.start_job)

    def _opened(self, folder: Path) -> CmrPlace:
        from engines.cmr.results.session_file import read_session
        from guidance_app.rooms.cmr.opened import open_result
        from guidance_app.rooms.cmr.place import CmrPlace

        return CmrPlace(open_result(folder), read_session(folder), say=self._house.say)

    def _result_actions(self) -> tuple[Action, ...]:
        from guidance_app.rooms.cmr.actions import result_actions

        return result_actions(
            lambda: self._place,
            export=self.export,
            screenshot=self.screenshot,
            choose_ct=self.choose_ct,
            film=self.film,
        )

    def film(self, path: Path | None = None) -> str:
        """Film the result; asks for the file where none is given."""
        if self._place is None:
            return "open a result first"
        chosen = path or chosen_path(QFileDialog.getSaveFileName(self._place, "Film", "cmr.mp4", "MP4 (*.mp4)")[0])
        return "" if chosen is None else self._place.film.start(chosen)

    def choose_ct(self, path: Path | None = None) -> str:
        """Show a CT behind the maps; asks for the file where none is given."""
        if self._place is None:
            return "open a result first"
        chosen = path or chosen_path(
            QFileDialog.getOpenFileName(self._place, "CT (NIfTI, or a file of the DICOM folder)")[0]
        )
        if chosen is None:
            return ""
        as_file = chosen.name.endswith((".nii", ".nii.gz")) or chosen.is_dir()
        return self._place.open_ct(chosen if as_file else chosen.parent)
