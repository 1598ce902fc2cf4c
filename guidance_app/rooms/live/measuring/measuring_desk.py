"""What measuring does at a person's keys and clicks; every step can be undone, and is saved beside the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import GuidanceError, InputError
from engines.angiography.frame import Frame
from engines.angiography.measurement import PixelSize, size_of_header
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.rooms.live.guided_session import GuidedSession
from guidance_app.rooms.live.judging.hand_history import History
from guidance_app.rooms.live.measuring.measured import CLICKS, Measured, ModelMark, Ruler, StoredView
from guidance_app.rooms.live.measuring.measured_file import write_measured
from guidance_app.rooms.live.measuring.measuring_tool import MeasuringTool, ShownMark
from guidance_app.rooms.live.measuring.rulers import angle_of, calibrated, diameter_of, length_of
from guidance_app.rooms.live.measuring.way_back import way_back
from guidance_app.views.live_view import LiveView
from guidance_app.views.overlay_look import look_of
from guidance_app.views.picture_tool import Pointer

if TYPE_CHECKING:
    from calibration.pose import RigidPose
    from guidance_app.rooms.live.judging.judged_model import JudgedModel

_REACH_VIEW_PX = 25.0  # of a click from the model's line
FILE_NAME = "measurements.json"
PICTURE_NAME = "measurements.png"


class MeasuringDesk:
    """Attributes:
    french, marker_mm: what the next calibration is told to be.
    ruler: what clicks in the picture mean; None leaves the mouse to the view.
    status: one line on what to do next, or why not.
    changed: called after every change that a panel shows.

    Args:
        model: gives the case's model once it has been made, and has it made.
        folder: where to save in a run that leaves no files of its own.
    """

    def __init__(
        self, view: LiveView, *, model: Callable[[], JudgedModel | None], say: Callable[[str], None],
        folder: Callable[[], Path],
    ) -> None:  # fmt: skip
        self.french, self.marker_mm = 6.0, 10.0
        self.ruler: Ruler | None = None
        self.status = ""
        self.is_open = False
        self.changed: Callable[[], None] = lambda: None
        self.tool = MeasuringTool(self._click)
        self._view, self._model, self._say, self._folder = view, model, say, folder
        self._case = ""
        self._history: History[Measured] = History(Measured())
        self._chosen_view = ""
        self._screen: ScreenState | None = None
        self._session: GuidedSession | None = None
        self._was_met = False

    @property
    def measured(self) -> Measured:
        return self._history.current

    def take(self, case: str, given: tuple[ModelMark, ...] = ()) -> None:
        """Another case: nothing of the one before belongs to it."""
        if case != self._case:
            self._case, self._history, self._chosen_view = case, History(Measured(marks=given)), ""
        self.ruler, self.tool.drawing_px, self.status = None, (), ""
        self.changed()

    def see(self, screen: ScreenState, session: GuidedSession) -> None:
        """A new state is on the screen."""
        self._screen, self._session = screen, session
        met = self._was_met
        self._show()
        if self.is_open and self._was_met != met:
            self.changed()

    # What a person does

    def toggle(self) -> str:
        self.is_open = not self.is_open
        if self.is_open:
            self._model()  # has it made meanwhile
        else:
            self.ruler, self.tool.drawing_px, self.status = None, (), ""
        self._show()
        self.changed()
        return "Measuring: choose what to measure, then click in the picture" if self.is_open else ""

    def no_measuring(self) -> str:
        return "" if self.is_open else "Open measuring first (K)"

    def choose_ruler(self, ruler: Ruler | None) -> str:
        """What clicks mean from now on; the same again ends it."""
        self.ruler = None if ruler == self.ruler else ruler
        self.tool.drawing_px = ()
        self.status = _HINTS[self.ruler] if self.ruler is not None else ""
        self._show()
        self.changed()
        return self.status

    def no_line(self) -> str:
        return "" if self.ruler == "polyline" and len(self.tool.drawing_px) > 1 else "No line of two points to end"

    def end_line(self) -> str:
        """A polyline ends where the person says."""
        if refusal := self.no_line():
            return refusal
        self._finish(self.tool.drawing_px)
        return ""

    def no_undo(self) -> str:
        return "" if self.tool.drawing_px or self._history.can_undo else "Nothing to undo"

    def undo(self) -> str:
        if self.tool.drawing_px:
            self.tool.drawing_px = self.tool.drawing_px[:-1]
        elif not self._history.undo():
            return "Nothing to undo"
        self._stepped()
        return ""

    def no_redo(self) -> str:
        return "" if self._history.can_redo else "Nothing to redo"

    def redo(self) -> str:
        if not self._history.redo():
            return "Nothing to redo"
        self._stepped()
        return ""

    def remove(self, row: int) -> str:
        """Take one measurement away; undo brings it back."""
        kept = self.measured.measurements
        if not 0 <= row < len(kept):
            return "No measurement to remove"
        self._push(replace(self.measured, measurements=(*kept[:row], *kept[row + 1 :])))
        return "Removed; Ctrl+Z brings it back"

    def no_view(self) -> str:
        frame = self._frame()
        return "" if frame is not None and frame.geometry is not None else "No picture whose C-arm angles are known"

    def store_view(self) -> str:
        """Keep angles, distances, field, zoom and picture of what is shown now."""
        frame = self._frame()
        if frame is None or frame.geometry is None:
            return self.no_view()
        name = f"View {len(self.measured.views) + 1}"
        picture = self._view.shown_grey()
        view = StoredView(
            name=name, geometry=frame.geometry, zoom=self._view.viewport.zoom, source_id=frame.source_id,
            frame=frame.source_frame, picture=np.empty((0, 0), np.uint8) if picture is None else picture.copy(),
        )  # fmt: skip
        self._chosen_view = name
        self._push(self.measured.with_view(view))
        return f"{name} stored"

    def choose_view(self, row: int) -> str:
        """Say the way back to this view from now on; the same again ends it."""
        views = self.measured.views
        name = views[row].name if 0 <= row < len(views) else ""
        self._chosen_view = "" if name == self._chosen_view else name
        self._show()
        self.changed()
        return ""

    @property
    def chosen_view(self) -> StoredView | None:
        return next((view for view in self.measured.views if view.name == self._chosen_view), None)

    @property
    def view_is_met(self) -> bool:
        """The picture shows the chosen view again: then its own picture may be shown beside."""
        view, frame = self.chosen_view, self._frame()
        return view is not None and frame is not None and not way_back(frame.geometry, view.geometry)

    def save(self) -> str:
        """The figures and the picture that shows them, with the line that it is research, into one folder."""
        folder = self._out() or self._folder()
        try:
            write_measured(folder / FILE_NAME, self.measured, case=self._case)
            self._view.repaint()
            if not self._view.grab().save(str(folder / PICTURE_NAME)):
                raise InputError(f"{folder / PICTURE_NAME}: cannot be written; is the disk full?")
        except (GuidanceError, OSError) as error:
            return f"Not saved: {error}"
        return f"Saved in {folder}"

    # Clicks

    def _click(self, pointer: Pointer) -> bool:
        if self.ruler is None or self._frame() is None:
            return False
        points = (*self.tool.drawing_px, (pointer.column, pointer.row))
        if self.ruler in ("ring", "point"):
            self._mark(pointer)
        elif len(points) == CLICKS[self.ruler]:
            self._finish(points)
        else:
            self.tool.drawing_px = points
        return True

    def _finish(self, points: tuple[tuple[float, float], ...]) -> None:
        self.tool.drawing_px = ()
        frame, ruler = self._frame(), self.ruler
        assert frame is not None
        assert ruler is not None
        try:
            self._push(self._with(ruler, np.array(points), frame))
            self._tell("")
        except InputError as error:
            line = str(error)
            self._tell(line[:1].upper() + line[1:])
        self._show()

    def _with(self, ruler: Ruler, points_px: np.ndarray, frame: Frame) -> Measured:
        """What is measured, with one more; raises InputError."""
        if ruler in ("catheter", "marker"):
            known = self.french if ruler == "catheter" else self.marker_mm
            one, size = calibrated(ruler, points_px, frame, known=known)
            return replace(self.measured.with_measurement(one), size=size, size_geometry=frame.geometry)
        size = self.pixel_size()
        if ruler == "diameter":
            return self.measured.with_measurement(diameter_of(points_px, frame, self._result(), size))
        if ruler == "angle":
            return self.measured.with_measurement(angle_of(points_px, frame, size))
        one = length_of(ruler, points_px, frame, size, foreshortened_percent=self._foreshortened(points_px))
        return self.measured.with_measurement(one)

    def _result(self) -> GuidanceResult | None:
        return None if self._screen is None else self._screen.result

    def _mark(self, pointer: Pointer) -> None:
        """A ring or a point on the model, where its line is shown nearest to the click."""
        model, placed = self._model(), self._pose()
        if model is None:
            self._tell("The model is being loaded: click again")
            return
        if placed is None:
            self._tell("No current registration: a mark on the model needs one")
            return
        pose, geometry = placed
        found = model.nearest_place(pose, geometry, (pointer.column, pointer.row))
        if found is None or found.away_px * pointer.scale > _REACH_VIEW_PX:
            self._tell("Click nearer to the model's line")
            return
        ring = self.ruler == "ring"
        number = sum(mark.radius_mm > 0.0 if ring else mark.radius_mm <= 0.0 for mark in self.measured.marks) + 1
        name = f"{'Ring' if ring else 'Point'} {number}" + (f" {found.name}" if found.name else "")
        self._push(
            self.measured.with_mark(
                ModelMark(
                    name=name, point_lps_mm=found.point_lps_mm, direction=found.direction,
                    radius_mm=found.radius_mm if ring else 0.0,
                )
            )
        )  # fmt: skip

    # What figures rest on

    def pixel_size(self) -> PixelSize | None:
        """Of a catheter or marker on this view, else the header's at the isocentre; None: pixels."""
        frame, measured = self._frame(), self.measured
        geometry = None if frame is None else frame.geometry
        if measured.size is not None and _same_view(measured.size_geometry, geometry):
            return measured.size
        return size_of_header(geometry)

    def _foreshortened(self, points_px: np.ndarray) -> float | None:
        from engines.registration.foreshortening import foreshortening_percent

        model, placed = self._model(), self._pose()
        if model is None or placed is None:
            return None
        points_mm, tangents = model.lines()
        return foreshortening_percent(points_px, *placed, points_mm, tangents)

    def _pose(self) -> tuple[RigidPose, CArmGeometry] | None:
        """The pose in use on the view that is shown."""
        screen, frame = self._screen, self._frame()
        found = None if self._session is None else self._session.registration
        if screen is None or frame is None or frame.geometry is None or found is None:
            return None
        if screen.guidance_state not in ("accepted", "proposed"):
            return None
        return found.isocentre_from_lps, frame.geometry

    # Inside

    def _frame(self) -> Frame | None:
        return None if self._screen is None else self._screen.frame

    def _push(self, measured: Measured) -> None:
        self._history.push(measured)
        self._stepped()

    def _stepped(self) -> None:
        if (folder := self._out()) is not None:
            try:
                write_measured(folder / FILE_NAME, self.measured, case=self._case)
            except (GuidanceError, OSError) as error:
                self._tell(f"Not saved: {error}")
        self._show()
        self.changed()

    def _out(self) -> Path | None:
        return None if self._session is None else self._session.out

    def _tell(self, line: str) -> None:
        self.status = line
        if line:
            self._say(line)
        self.changed()

    def _show(self) -> None:
        """Hand the tool what belongs on the picture that is shown now."""
        frame, tool, measured = self._frame(), self.tool, self.measured
        geometry = None if frame is None else frame.geometry
        source = "" if frame is None else frame.source_id
        tool.measurements = tuple(
            one
            for one in measured.measurements
            if _same_view(one.geometry, geometry) and (one.geometry is not None or one.source_id == source)
        )
        tool.marks = self._shown_marks()
        view = self.chosen_view
        tool.note = ""
        if view is not None:
            back = way_back(geometry, view.geometry)
            tool.note = f"{view.name}: {back}" if back else f"{view.name.upper()} IS MET"
        self._was_met = self.view_is_met
        needed = self.is_open or bool(tool.measurements or tool.marks or tool.note)
        if needed and tool not in self._view.tools:
            self._view.tools.append(tool)
        elif not needed and tool in self._view.tools:
            self._view.tools.remove(tool)
        self._view.update()

    def _shown_marks(self) -> tuple[ShownMark, ...]:
        """On the model, and so only where an overlay may be drawn, and as sure as that one."""
        placed, screen = self._pose(), self._screen
        if placed is None or screen is None or not self.measured.marks:
            return ()
        look = look_of(screen, now_ns=time.monotonic_ns())
        if look is None:
            return ()
        pose, geometry = placed
        projection = geometry.projection(pose)
        return tuple(
            ShownMark(
                name=mark.name, points_px=projection.project(mark.outline_mm())[0], colour=look.colour,
                dashed=look.line != "solid",
            )
            for mark in self.measured.marks
        )  # fmt: skip


def _same_view(one: CArmGeometry | None, other: CArmGeometry | None) -> bool:
    if one is None or other is None:
        return one is other
    return other.continues(one)


_HINTS: dict[Ruler, str] = {
    "length": "Length: click both ends.",
    "polyline": "Line: click along the vessel, Enter ends it.",
    "angle": "Angle: click one arm, the corner, the other arm.",
    "diameter": "Diameter: click two places on one vessel, with the narrowing between them.",
    "catheter": "Catheter: click both of its edges, straight across.",
    "marker": "Marker: click both ends of the known length.",
    "ring": "Ring: click the model where the ostium is.",
    "point": "Point: click the model.",
}
