"""Three linked slices with marks that can be dragged."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QObject, pyqtSignal

from engines.anatomy.standing import DOWN, RIGHT, VIEWS
from guidance_app.panels.pictures.handle_view import Handle
from guidance_app.rooms.case.checking.slabs import SLAB_MM, Slabs
from guidance_app.views.language import tr

_NEAR_MM = 2.0  # of a slice: a mark is seen in the slices beside its own too


class MarkSlices(Slabs):
    """`mark_moved` carries a mark's name and the point in LPS mm where it was let go."""

    mark_moved = pyqtSignal(str, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.thin = self.working = True
        self._marks: dict[str, Float[np.ndarray, " 3"]] = {}
        for view, picture in self.views.items():
            picture.handle_moved.connect(partial(self._moved, view))
            picture.setToolTip(tr("Click: go there. Drag a mark: move it. Wheel: next slice. Ctrl+wheel: zoom"))

    def show_marks(self, marks: Mapping[str, Float[np.ndarray, " 3"]]) -> None:
        self._marks = dict(marks)
        for view in VIEWS:
            self._show_handles(view)

    def _draw(self, view: str) -> None:
        super()._draw(view)
        self._show_handles(view)

    def _show_handles(self, view: str) -> None:
        (right, _), (down, sign) = RIGHT[view], DOWN[view]
        axis = ({0, 1, 2} - {right, down}).pop()
        reach = np.inf if self.whole else _NEAR_MM if self.thin else 0.5 * SLAB_MM
        self.views[view].show_handles(
            tuple(
                Handle(
                    name=name, words=name, x_mm=float(point[right] - self._centre_mm[right]),
                    y_mm=float(sign * (point[down] - self._centre_mm[down])),
                )
                for name, point in self._marks.items()
                if abs(point[axis] - self._point_mm[axis]) <= reach
            )
        )  # fmt: skip

    def _moved(self, view: str, name: str, x_mm: float, y_mm: float) -> None:
        (right, _), (down, sign) = RIGHT[view], DOWN[view]
        point = self._marks[name].copy()
        point[right] = self._centre_mm[right] + x_mm
        point[down] = self._centre_mm[down] + sign * y_mm
        self.mark_moved.emit(name, point)
