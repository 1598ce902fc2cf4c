"""The IVUS room: a place for what will come."""

from __future__ import annotations

from functools import cached_property

from guidance_app.panels.coming import ComingPlace
from guidance_app.panels.icons import IconName
from guidance_app.rooms.room import House, Room

_TITLE = "Intravascular ultrasound laid into the coronary CT"
_LINE = (
    "Nothing can be opened here yet: pullback, CT and linked views will come. "
    "Until then use: guidance-app ivus register --cta CT --centerline LINE --pullback PULLBACK --out FOLDER"
)


class IvusRoom(Room):
    id = "ivus"
    name = "IVUS"
    icon: IconName = "ivus"

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def widget(self) -> ComingPlace:
        return self._place

    @cached_property
    def _place(self) -> ComingPlace:
        return ComingPlace(_TITLE, _LINE)
