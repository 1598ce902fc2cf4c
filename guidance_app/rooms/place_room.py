"""A room with one widget, its place, which is made when a person first enters."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Generic, TypeVar

from PyQt6.QtWidgets import QWidget

from guidance_app.rooms.room import House, Room

Place = TypeVar("Place", bound=QWidget)


class PlaceRoom(Room, Generic[Place]):
    """What rooms have in common whose place brings its own imports."""

    def __init__(self, house: House) -> None:
        self._house = house

    @abstractmethod
    def _made_place(self) -> Place:
        """Imports what it needs itself: a window makes all rooms at its start."""

    @property
    def widget(self) -> Place:
        return self._place

    @property
    def is_made(self) -> bool:
        """There is a place: a person has entered."""
        return "_place" in self.__dict__

    @cached_property
    def _place(self) -> Place:
        return self._made_place()
