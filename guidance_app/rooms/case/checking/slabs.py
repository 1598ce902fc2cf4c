"""The scan in three linked slabs or slices, from the front, the left and the feet, with outlines of what was found."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QWidget

from engines.anatomy.cases.case_correction import LEFT_OUT
from engines.anatomy.standing import DOWN, RIGHT, VIEWS, StandingVolume, standing
from guidance_app.panels.pictures.grey import grey_image, windowed
from guidance_app.panels.pictures.handle_view import HandleView
from guidance_app.panels.pictures.picture_view import Outline
from guidance_app.rooms.case.checking.case_look import CaseLook
from guidance_app.rooms.case.checking.colours import colour_of
from guidance_app.views.language import tr

WINDOW_HU = (-60.0, 620.0)
SLAB_MM = 20.0
_MARGIN = 1.25
_BONE_HU = 700.0  # contrast-filled blood stays below
_ENLARGED = 1.3
_SHORTEST_PX = 4  # an outline of fewer points is a voxel


class Slabs(QObject):
    """Three views; a click brings the slabs of the others there and tells which structure it met, the wheel moves one.

    Signals: `picked` carries a structure's name; while `working`, `placed` the point in LPS mm in its stead; `stroked`
    all points of a stroke of the brush.
    """

    picked = pyqtSignal(str)
    placed = pyqtSignal(object)
    stroked = pyqtSignal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        titles = {"front": tr("From the front"), "left": tr("From the left"), "feet": tr("From the feet")}
        self.views = {view: HandleView(titles[view], half_width_mm=100.0, bar_mm=20.0) for view in VIEWS}
        self.whole = False
        self.thin = False
        self.working = False
        self.seeks_blood = False  # a click means the brightest vessel below it, not the nearest of the model
        self._stroke: list[Float[np.ndarray, " 3"]] = []
        self._look: CaseLook | None = None
        self._volume: StandingVolume | None = None
        self._labels: StandingVolume | None = None
        self._classes: Mapping[str, str] = {}
        self._chosen = ""
        self._middle_mm = self._centre_mm = np.zeros(3)
        self._point_mm = np.zeros(3)
        for view, picture in self.views.items():
            picture.clicked.connect(lambda x, y, view=view: self._clicked(view, x, y))
            picture.wheeled.connect(lambda notches, view=view: self._wheeled(view, notches))
            picture.brushed.connect(lambda x, y, _paint, view=view: self._stroke.append(self._at(view, x, y)))
            picture.brush_lifted.connect(self._lifted)
            picture.setAccessibleName(titles[view])
            picture.setToolTip(tr("Click: go there, and choose the structure. Wheel: move the slab. Ctrl+wheel: zoom"))

    def beside(self, fourth: QWidget) -> QGridLayout:
        """The three views and a fourth picture, all of one size."""
        pictures = QGridLayout()
        pictures.setSpacing(4)
        for widget, row, column in (
            (self.views["front"], 0, 0), (self.views["left"], 0, 1), (self.views["feet"], 1, 0), (fourth, 1, 1),
        ):  # fmt: skip
            pictures.addWidget(widget, row, column)
        for index in (0, 1):
            pictures.setRowStretch(index, 1)
            pictures.setColumnStretch(index, 1)
        return pictures

    def show_look(self, look: CaseLook, *, stay: bool = False) -> None:
        """Show a case; `stay` where it is the same one after a correction."""
        self._look = look
        self._labels = None if look.labels is None else standing(look.labels.labels, look.labels.lps_from_index)
        if stay:
            self._draw_all()
            return
        self._volume = None if look.volume is None else standing(*look.volume)
        low, high = _box(look)
        self._middle_mm = self._centre_mm = 0.5 * (low + high)
        largest = max(look.structures, key=lambda one: one.volume_mm3 or one.length_mm, default=None)
        inside = self.place_of(largest.name) if largest is not None else None
        self._point_mm = (self._centre_mm if inside is None else inside).copy()
        for view, picture in self.views.items():
            across = max(float((high - low)[RIGHT[view][0]]), float((high - low)[DOWN[view][0]]))
            picture.half_width_mm = 0.5 * _MARGIN * max(across, 20.0)
            picture.zoom = 1.0
        self._draw_all()

    def show_classes(self, classes: Mapping[str, str], chosen: str) -> None:
        """Colour the outlines.

        Args:
            classes: of each structure; one that is left out is drawn dashed.
            chosen: is drawn wider.
        """
        self._classes, self._chosen = dict(classes), chosen
        for view in VIEWS:
            self._outline(view)

    def show_whole(self, whole: bool) -> None:
        """Look through everything, or through slabs."""
        self.whole = whole
        self._draw_all()

    def show_thin(self, thin: bool) -> None:
        """Single slices instead of slabs."""
        self.thin = thin
        self._draw_all()

    def show_brush(self, radius_mm: float) -> None:
        """A brush of this radius in all views; 0 for none."""
        for picture in self.views.values():
            picture.brush_mm = radius_mm
            picture.update()

    def go_to(self, point_mm: Float[np.ndarray, " 3"]) -> None:
        """Bring the slabs to a point in LPS."""
        self._point_mm = point_mm.copy()
        self._draw_all()

    @property
    def point_mm(self) -> Float[np.ndarray, " 3"]:
        return self._point_mm.copy()

    def place_of(self, name: str) -> Float[np.ndarray, " 3"] | None:
        """A point inside a structure, near its middle."""
        look = self._look
        if look is None:
            return None
        if look.labels is not None and self._labels is not None:
            number = next((number for number, own in look.labels.names.items() if own == name), None)
            index = np.argwhere(self._labels.voxels[::2, ::2, ::2] == number)
            if not len(index):
                return None
            inner = index[np.abs(index - index.mean(axis=0)).sum(axis=1).argmin()] * 2
            return self._labels.origin_mm + inner * np.array(self._labels.spacing_mm)
        lines = look.lines.get(name)
        return None if not lines else lines[0][len(lines[0]) // 2]

    def _draw_all(self) -> None:
        # Enlarged views follow the point: else it is soon outside of them.
        enlarged = max(picture.zoom for picture in self.views.values()) > _ENLARGED
        self._centre_mm = self._point_mm.copy() if enlarged else self._middle_mm
        for view in VIEWS:
            self._draw(view)

    def _draw(self, view: str) -> None:
        picture, volume = self.views[view], self._volume
        if volume is not None:
            first, last = self._reach(volume, view)
            grey = windowed(volume.picture(view, first, last), WINDOW_HU)
            picture.show_picture(
                grey_image(grey), pixel_mm=volume.pixel_mm(view), origin_px=volume.origin_px(view, self._centre_mm)
            )
        slab = tr("one slice") if self.thin else tr("slab of {mm:g} mm").format(mm=SLAB_MM)
        picture.corner = tr("all of it") if self.whole else slab
        self._outline(view)
        (right, _), (down, sign) = RIGHT[view], DOWN[view]
        off = self._point_mm - self._centre_mm
        picture.show_cursor(float(off[right]), float(sign * off[down]))

    def _reach(self, volume: StandingVolume, view: str) -> tuple[int, int]:
        """First and last slice of the slab."""
        axis = volume.along(view)
        if self.whole:
            return 0, volume.voxels.shape[axis] - 1
        middle = volume.index_of(self._point_mm)[axis]
        half = 0 if self.thin else round(0.5 * SLAB_MM / volume.spacing_mm[axis])
        return middle - half, middle + half

    def _outline(self, view: str) -> None:
        outlines: list[Outline] = []
        for name, lines in self._lines(view).items():
            said = self._classes.get(name, "")
            outlines += [
                Outline(
                    points_mm=points, colour=colour_of(said), closed=self._labels is not None,
                    width_px=2.6 if name == self._chosen else 1.5, dashed=said == LEFT_OUT,
                )
                for points in lines
            ]  # fmt: skip
        self.views[view].show_outlines(tuple(outlines))

    def _lines(self, view: str) -> dict[str, list[np.ndarray]]:
        look = self._look
        if look is None:
            return {}
        if look.labels is not None and self._labels is not None:
            return self._contours(look, self._labels, view)
        axis = {"front": 1, "left": 0, "feet": 2}[view]
        (right, _), (down, sign) = RIGHT[view], DOWN[view]
        found: dict[str, list[np.ndarray]] = {}
        for name, lines in look.lines.items():
            for line in lines:
                off = line - self._centre_mm
                near = np.abs(line[:, axis] - self._point_mm[axis]) <= 0.5 * SLAB_MM
                flat = np.column_stack([off[:, right], sign * off[:, down]])
                found.setdefault(name, []).extend([flat] if self.whole else _pieces(flat, near))
        return found

    def _contours(self, look: CaseLook, volume: StandingVolume, view: str) -> dict[str, list[np.ndarray]]:
        assert look.labels is not None
        axis = volume.along(view)
        first, last = self._reach(volume, view)
        part = [slice(None)] * 3
        part[axis] = slice(max(first, 0), last + 1)
        slab = np.ascontiguousarray(volume.voxels[tuple(part)])
        column, row = volume.origin_px(view, self._centre_mm)
        width, height = volume.pixel_mm(view)
        found: dict[str, list[np.ndarray]] = {}
        for number, name in look.labels.names.items():
            mask = np.ascontiguousarray(volume.laid(view, (slab == number).any(axis=axis)).astype(np.uint8))
            lines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            found[name] = [
                (line[:, 0, :] - np.array([column, row])) * np.array([width, height])
                for line in lines
                if len(line) >= _SHORTEST_PX
            ]
        return found

    def _clicked(self, view: str, x_mm: float, y_mm: float) -> None:
        self._point_mm = self._at(view, x_mm, y_mm)
        if self.working and self.seeks_blood:
            self._to_blood(view)
            name = ""
        else:
            name = self._met(view)
        self._draw_all()
        if self.working:
            self.placed.emit(self.point_mm)
        elif name:
            self.picked.emit(name)

    def _at(self, view: str, x_mm: float, y_mm: float) -> Float[np.ndarray, " 3"]:
        """The point in a view, at the depth of its slab's middle."""
        (right, _), (down, sign) = RIGHT[view], DOWN[view]
        point = self._point_mm.copy()
        point[right] = self._centre_mm[right] + x_mm
        point[down] = self._centre_mm[down] + sign * y_mm
        return point

    def _lifted(self) -> None:
        stroke, self._stroke = self._stroke, []
        if stroke:
            self.stroked.emit(tuple(stroke))

    def _to_blood(self, view: str) -> None:
        """To what makes the slab bright where it was clicked, unless that is as dense as bone."""
        volume = self._volume
        if volume is None:
            return
        axis = volume.along(view)
        here = list(volume.index_of(self._point_mm))
        first, last = self._reach(volume, view)
        first = max(first, 0)
        column = tuple(slice(first, last + 1) if a == axis else here[a] for a in range(3))
        values = np.asarray(volume.voxels[column], dtype=np.float32)
        deepest = int(np.where(values <= _BONE_HU, values, -np.inf).argmax())
        self._point_mm[axis] = volume.origin_mm[axis] + (first + deepest) * volume.spacing_mm[axis]

    def _met(self, view: str) -> str:
        """The structure that lies nearest to the slab's middle where it was clicked; the point goes into it."""
        look, volume = self._look, self._labels
        if look is None or look.labels is None or volume is None:
            return ""
        axis = volume.along(view)
        here = list(volume.index_of(self._point_mm))
        first, last = self._reach(volume, view)
        column = tuple(slice(None) if a == axis else here[a] for a in range(3))
        found = np.flatnonzero(np.asarray(volume.voxels[column])[max(first, 0) : last + 1]) + max(first, 0)
        if not len(found):
            return ""
        here[axis] = int(found[np.abs(found - here[axis]).argmin()])
        self._point_mm[axis] = volume.origin_mm[axis] + here[axis] * volume.spacing_mm[axis]
        return look.labels.names.get(int(volume.voxels[tuple(here)]), "")

    def _wheeled(self, view: str, notches: int) -> None:
        volume = self._volume or self._labels
        if volume is None:
            return
        axis = volume.along(view)
        low, high = volume.origin_mm[axis], (volume.voxels.shape[axis] - 1) * volume.spacing_mm[axis]
        step = notches * (volume.spacing_mm[axis] if self.thin else max(2.0, volume.spacing_mm[axis]))
        self._point_mm[axis] = np.clip(self._point_mm[axis] + step, low, low + high)
        self._draw_all()


def _box(look: CaseLook) -> tuple[np.ndarray, np.ndarray]:
    """Of the model, LPS mm."""
    parts = [mesh.vertices_mm for mesh in look.meshes.values()] or [line for own in look.lines.values() for line in own]
    points = np.concatenate(parts)
    return points.min(axis=0), points.max(axis=0)


def _pieces(line: Float[np.ndarray, "n 2"], near: np.ndarray) -> list[np.ndarray]:
    """The parts of a line whose points are near."""
    cuts = np.flatnonzero(np.diff(near.astype(int))) + 1
    pieces = zip(np.split(line, cuts), np.split(near, cuts), strict=True)
    return [piece for piece, inside in pieces if inside[0] and len(piece) > 1]
