"""Measurements and marks of a run, painted into its exported pictures as the window painted them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PyQt6.QtGui import QPainter

from guidance_app.live.guidance import ScreenState
from guidance_app.live.recording.recorded_poses import FramePose
from guidance_app.rooms.live.measuring.measured_file import read_measured
from guidance_app.rooms.live.measuring.measuring_desk import FILE_NAME
from guidance_app.rooms.live.measuring.measuring_tool import MeasuringTool, ShownMark
from guidance_app.views.legibility import TextSizes
from guidance_app.views.overlay_look import look_of
from guidance_app.views.overlay_painter import Placing
from guidance_app.views.picture_tool import PaintedPicture

_SIZES = TextSizes(primary_px=22.0, secondary_px=14.0)  # an export is read at a desk


class BurnedMeasurements:
    """Of one file.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._written, self._marks = read_measured(path)

    @classmethod
    def beside(cls, run: Path) -> BurnedMeasurements | None:
        """What was saved in the folder of a run, or beside its recording; None where nothing was."""
        path = (run if run.is_dir() else run.parent) / FILE_NAME
        return cls(path) if path.is_file() else None

    def paint(self, painter: QPainter, screen: ScreenState, placing: Placing, pose: FramePose | None) -> None:
        """On a frame of the same view; marks on the model only where the overlay itself is drawn."""
        frame = screen.frame
        if frame is None:
            return
        tool = MeasuringTool(lambda _pointer: False)
        tool.measurements = tuple(one.measurement for one in self._written if one.belongs_to(frame))
        look = look_of(screen)
        if pose is not None and frame.geometry is not None and look is not None:
            projection = frame.geometry.projection(pose.isocentre_from_lps)
            tool.marks = tuple(
                ShownMark(
                    name=mark.name, points_px=projection.project(mark.outline_mm())[0], colour=look.colour,
                    dashed=look.line != "solid",
                )
                for mark in self._marks
            )  # fmt: skip
        grey = np.empty((0, 0), np.uint8)  # nothing here compares pictures
        painter.save()
        painter.setClipRect(placing.clip)
        tool.paint(painter, PaintedPicture(placing=placing, frame=frame, grey=grey, sizes=_SIZES))
        painter.restore()
