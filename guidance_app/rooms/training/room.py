"""The training room behind `Room`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import JsonValue

from guidance_app.panels.action import Action
from guidance_app.panels.icons import IconName
from guidance_app.rooms.place_room import PlaceRoom
from guidance_app.rooms.room import House
from guidance_app.settings import data_folder
from guidance_app.views.language import tr

if TYPE_CHECKING:  # a window makes all rooms at its start
    from engines.anatomy.cases.case import Case
    from engines.exercises.hand_pose import Level
    from guidance_app.rooms.training.history import ExerciseName
    from guidance_app.rooms.training.place import TrainingPlace

_WORDS: Mapping[str, str] = {
    "by-hand": "Register by hand",
    "right-or-wrong": "Tell right from wrong overlays",
    "projection": "Choose the projection",
}


class TrainingRoom(PlaceRoom["TrainingPlace"]):
    """Keeps pseudonym and level; the exercises are in its place.

    Args:
        folder: where the history lies; the platform's data folder without one.
    """

    id = "training"
    name = "Training"
    icon: IconName = "training"
    hint = "N next exercise    Esc all exercises"
    mouse_help = (
        ("Drag", "register by hand: move the model"),
        ("Right drag, or Shift and drag", "register by hand: turn the model"),
        ("Middle drag, or Ctrl and drag", "register by hand: roll the model"),
        ("Wheel", "register by hand: along the beam"),
        ("Click in the map", "choose the projection: set the angles"),
    )

    def __init__(self, house: House, *, folder: Path | None = None) -> None:
        super().__init__(house)
        self._folder = folder
        self._pseudonym = ""
        self._level: Level = "usual"

    def _made_place(self) -> TrainingPlace:
        from guidance_app.rooms.training.place import TrainingPlace

        return TrainingPlace(self._house, self._folder or data_folder(), pseudonym=self._pseudonym, level=self._level)

    def actions(self) -> tuple[Action, ...]:
        place = self.widget
        if place.exercise is not None:
            return (*place.exercise.actions(), *place.frame_actions())
        begin = tuple(
            Action(id=f"training.{name}", words=tr(words), keys=(str(number),), press=self._begins(name))
            for number, (name, words) in enumerate(_WORDS.items(), start=1)
        )
        export = Action(
            id="training.export", words=tr("Export this trainee's attempts"), keys=("E",), press=place.export
        )
        delete = Action(id="training.delete", words=tr("Delete this trainee's attempts"), press=place.delete)
        reference = Action(
            id="training.reference", words=tr("Let the program register a run as reference"), press=place.make_reference
        )
        guest = Action(id="training.guest", words=tr("Train as a guest"), press=place.train_as_guest)
        return (*begin, export, delete, reference, guest)

    def enter(self, case: Case | None) -> None:
        self.widget.take_case(case)

    def close(self) -> None:
        if self.is_made:
            self.widget.close_place()

    def saved_state(self) -> Mapping[str, JsonValue]:
        if self.is_made:
            self._pseudonym, self._level = self.widget.pseudonym, self.widget.level
        return {"pseudonym": self._pseudonym, "level": self._level}

    def restore(self, state: Mapping[str, JsonValue]) -> None:
        pseudonym, level = state.get("pseudonym"), state.get("level")
        if isinstance(pseudonym, str):
            self._pseudonym = pseudonym[:24]
        if level in ("near", "usual", "far"):
            self._level = cast("Level", level)

    def _begins(self, name: str):
        return lambda: self.widget.begin(cast("ExerciseName", name))
