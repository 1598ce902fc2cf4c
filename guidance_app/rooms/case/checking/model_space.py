"""The found vessels in 3-D, each in the colour of its class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.anatomy.cases.case_correction import LEFT_OUT
from guidance_app.panels.pictures.scene_view import SceneView
from guidance_app.rooms.case.checking.case_look import CaseLook
from guidance_app.rooms.case.checking.colours import rgb_of
from guidance_app.views.language import tr

_AROUND = 1.2


class ModelSpace(SceneView):
    """A drag turns, the wheel zooms; begins from the front."""

    def __init__(self) -> None:
        super().__init__(tr("3-D: drag turns, wheel zooms"))
        self.setAccessibleName(tr("Found vessels in 3-D"))
        self._look: CaseLook | None = None

    def show_look(self, look: CaseLook, *, stay: bool = False) -> None:
        """Show a case; `stay` where it is the same one after a correction, seen as before."""
        for name in self._look.meshes if self._look is not None else ():
            self.remove(name or "model")
        self._look = look
        if stay:
            return
        points = np.concatenate([mesh.vertices_mm for mesh in look.meshes.values()])
        low, high = points.min(axis=0), points.max(axis=0)
        self.look_at(
            0.5 * (low + high), along=np.array([0.0, 1.0, 0.0]), up=np.array([0.0, 0.0, 1.0]),
            width_mm=_AROUND * float((high - low).max()), distance_mm=3000.0,
        )  # fmt: skip

    def show_classes(self, classes: Mapping[str, str], chosen: str) -> None:
        """Colour the surfaces; what is left out is not seen, and beside one that is chosen the others are faint."""
        for name, mesh in self._look.meshes.items() if self._look is not None else ():
            said = classes.get(name, "")
            if said == LEFT_OUT:
                self.remove(name or "model")
                continue
            colours = np.tile(np.array(rgb_of(said), np.uint8), (len(mesh.vertices_mm), 1))
            opacity = 1.0 if not chosen or name == chosen else 0.35
            self.set_mesh(name or "model", mesh.vertices_mm, mesh.triangles, colours, opacity=opacity)
