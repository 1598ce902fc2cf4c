"""The CMR room: a place for what will come."""

from __future__ import annotations

from functools import cached_property

from guidance_app.panels.coming import ComingPlace
from guidance_app.panels.icons import IconName
from guidance_app.rooms.room import House, Room

_TITLE = "Cardiac MR perfusion laid onto the coronary CT"
_LINE = (
    "Nothing can be opened here yet: perfusion, CT and the fused surface will come. "
    "Until then use: guidance-app cmr fuse --cta CT --perfusion SERIES --out FOLDER"
)


class CmrRoom(Room):
    id = "cmr"
    name = "CMR"
    icon: IconName = "cmr"

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def widget(self) -> ComingPlace:
        return self._place

    @cached_property
    def _place(self) -> ComingPlace:
        return ComingPlace(_TITLE, _LINE)
