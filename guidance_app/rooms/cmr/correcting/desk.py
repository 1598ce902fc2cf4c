"""Handles, brush and controls of a result that is being corrected, tied to its views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtCore import QObject

from engines.cmr.correcting.corrections import DrawnWall
from guidance_app.rooms.cmr.correcting.correct_panel import CorrectPanel
from guidance_app.rooms.cmr.correcting.hand_work import HandWork
from guidance_app.rooms.cmr.correcting.handles import (
    BRUSH_MM,
    axis_handles,
    axis_move,
    insertion_handles,
    insertion_turn,
    painted_wall,
    slice_handle,
)
from guidance_app.rooms.cmr.pictures.heart_scene import mark_place

if TYPE_CHECKING:
    from guidance_app.rooms.cmr.place import CmrPlace


class CorrectingDesk(QObject):
    """Args:
    place: whose views get the handles.
    """

    def __init__(self, place: CmrPlace, work: HandWork) -> None:
        super().__init__(place)
        self._place, self.work = place, work
        self.panel = CorrectPanel()
        self.panel.hide()
        self._brush = ""
        self._drawn: DrawnWall | None = None
        work.ready.connect(self._ready)
        self.panel.named.connect(lambda branch, vessel: place.say(work.name_branch(branch, vessel)))
        self.panel.hidden_or_shown.connect(lambda branch: place.say(work.hide_branch(branch)))
        self.panel.stenosis_set.connect(lambda *one: place.say(work.set_stenosis(*one)))
        self.panel.place_changed.connect(self._mark)
        for septal, view in place.sections.long.items():
            view.handle_moved.connect(
                lambda name, x, y, septal=septal: place.say(
                    work.move_end(name, axis_move(work.fusion, name, x, y, septal=septal))
                )
            )
        place.slice.handle_moved.connect(
            lambda name, x, y: place.say(work.turn_insertion(name, insertion_turn(work.fusion, name, x, y)))
        )
        place.cine_view.handle_moved.connect(self._slice_moved)
        place.cine_view.brushed.connect(self._brushed)
        place.cine_view.brush_lifted.connect(self._lifted)

    def show(self) -> None:
        """Put handles where the fusion has them; none before the case was taken up."""
        if not self.work.active:
            return
        fusion, place = self.work.fusion, self._place
        for view in place.sections.long.values():
            view.show_handles(axis_handles(fusion))
        place.slice.show_handles(insertion_handles(fusion, place.level))
        place.cine_view.show_handles(() if self._brush else (slice_handle(fusion, place.cine.number),))
        self.panel.show_fusion(fusion)

    def switch_brush(self, what: str) -> str:
        """Take the brush for the wall or the pool, or put it away."""
        if refusal := self.work.refusal():
            return refusal
        self._brush = "" if self._brush == what else what
        view = self._place.cine_view
        view.brush_mm = BRUSH_MM if self._brush else 0.0
        self._drawn = None
        if self._brush:
            self._place.cine.to_reference()
        self.show()
        view.update()
        return f"left button paints {what}, right button wipes" if self._brush else "the brush is put away"

    def reject(self) -> str:
        return self.work.reject_stenosis(self._place.lesions.currentRow())

    def _ready(self) -> None:
        self.panel.show()
        self.show()

    def _mark(self, branch: int, point: int) -> None:
        tree = self.work.fusion.tree
        if tree is not None and branch >= 0:
            mark_place(self._place.scene, tree[branch].branch.points_mm[point])

    def _slice_moved(self, _name: str, x_mm: float, y_mm: float) -> None:
        number = self._place.cine.number
        old = slice_handle(self.work.fusion, number)
        self._place.say(self.work.move_slice(number, old.x_mm - x_mm, old.y_mm - y_mm))

    def _brushed(self, x_mm: float, y_mm: float, paints: bool) -> None:
        fusion, number = self.work.fusion, self._place.cine.number
        if self._drawn is None:
            wall = fusion.slices[number].wall
            self._drawn = DrawnWall(wall=wall.wall, pool=wall.pool)
        place = np.array([[x_mm, y_mm]])
        self._drawn = painted_wall(fusion, number, self._drawn, place, pool=self._brush == "pool", add=paints)
        self._place.cine.show_drawn(self._drawn, fusion.slices[number].part)

    def _lifted(self) -> None:
        if self._drawn is not None:
            drawn, self._drawn = self._drawn, None
            self._place.say(self.work.draw_wall(self._place.cine.number, drawn))
