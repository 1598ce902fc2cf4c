"""The CT of a result in three sections: across the long axis at a level, and along it twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PyQt6.QtGui import QColor

from engines.anatomy.vessel_model import CtVolume
from engines.cmr.heart.lv_frame import aha_segments
from engines.cmr.results.drawing import CMR_LINE, CT_LINE
from guidance_app.panels.pictures.grey import colour_image, windowed
from guidance_app.panels.pictures.handle_view import HandleView
from guidance_app.panels.pictures.picture_view import Outline, PictureView
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.pictures.section import (
    CT_WINDOW,
    HALF_MM,
    LONG_HALF_MM,
    STEP_MM,
    Section,
    level_and_degrees,
    long_axis,
    outlines_mm,
    painted,
    row_of_level,
    short_axis,
)
from guidance_app.views import palette

_WINDOW_HU = 1200.0  # that a drag over the whole view changes


@dataclass(slots=True, kw_only=True)
class Shown:
    """What the sections show over the CT."""

    territories: bool = False
    overlay_hidden: bool = False
    lit: int = 0


class CtSections:
    """Args:
    level: of the short axis, 0 at the apex, 1 at the mitral plane.
    """

    def __init__(self, opened: OpenedCmr, level: float) -> None:
        self.opened, self.level = opened, level
        self.ct: CtVolume | None = None
        self.ct_words = "reading the CT"
        self.window = CT_WINDOW
        self.shown = Shown()
        self.short = HandleView("CT short axis", half_width_mm=HALF_MM, bar_mm=10.0)
        self.long = {
            True: HandleView("CT septal - lateral", half_width_mm=LONG_HALF_MM, bar_mm=10.0),
            False: HandleView("CT anterior - inferior", half_width_mm=LONG_HALF_MM, bar_mm=10.0),
        }
        self._section: Section = short_axis(opened, None, level)
        self._beside: tuple[float, np.ndarray] | None = None
        self._along = self._cut_along()

    def show_ct(self, ct: CtVolume) -> None:
        self.ct, self._beside = ct, None
        self._along = self._cut_along()
        self.to_level(self.level)

    def renew(self, opened: OpenedCmr) -> None:
        """Show the same level of a corrected result."""
        self.opened, self._beside = opened, None
        self._along = self._cut_along()
        self.to_level(self.level)

    def say(self, words: str) -> None:
        """Words that stand where no CT is shown."""
        self.ct_words = words
        self.paint()

    def to_level(self, level: float) -> None:
        self.level = level
        self._section = short_axis(self.opened, self.ct, level)
        self.paint()

    def level_under(self, y_mm: float) -> float:
        """Level at a place of a long section."""
        return 0.5 - y_mm / self.opened.frame.length_mm

    def drag_window(self, across: float, up: float) -> None:
        low, high = self.window
        width = max(high - low + across * _WINDOW_HU, 50.0)
        middle = 0.5 * (low + high) + up * _WINDOW_HU
        self.window = (middle - width / 2, middle + width / 2)
        self.paint()

    def segment_under(self, x_mm: float, y_mm: float) -> int:
        """Of a place in the short axis; 0 outside the wall."""
        column, row = (round((value + HALF_MM) / STEP_MM) for value in (x_mm, y_mm))
        wall = self._section.wall
        if not (0 <= row < wall.shape[0] and 0 <= column < wall.shape[1] and wall[row, column]):
            return 0
        level, degrees = level_and_degrees(self.opened, self.level, x_mm, y_mm)
        return int(aha_segments(np.asarray(level), np.asarray(degrees)))

    def wall_at(self, level: float) -> list[np.ndarray]:
        """The CT's wall at the level of a CMR slice, as outlines."""
        return outlines_mm(short_axis(self.opened, None, level).wall)

    def grey_at(self, level: float) -> np.ndarray | None:
        """The CT at the level of a CMR slice, in grey; None where no CT is shown."""
        if self.ct is None:
            return None
        if self._beside is None or self._beside[0] != level:
            hu = short_axis(self.opened, self.ct, level).hu
            assert hu is not None
            self._beside = level, hu
        return windowed(self._beside[1], self.window)

    def paint(self) -> None:
        self._fill(self.short, self._section)
        seen = [one.level for one in self.opened.found.slices]
        apart = min((abs(self.level - level) for level in seen), default=np.inf) * self.opened.frame.length_mm
        near = f"CMR slice {apart:.0f} mm away" if np.isfinite(apart) else ""
        lines = [f"{100 * self.level:.0f} % from apex", *([near] if near else []), "septum left, anterior on top"]
        self.short.corner = "\n".join([*lines, *([self.ct_words] if self.ct is None else [])])
        self.show_outlines()
        for septal, view in self.long.items():
            self._fill(view, self._along[septal])
            view.corner = "base on top"
            slices = [
                Outline(points_mm=self._line(one.level), colour=hex_of(CMR_LINE), dashed=True, width_px=1.0,
                        name="CMR slices")
                for one in self.opened.found.slices
            ]  # fmt: skip
            view.show_outlines((*slices, Outline(points_mm=self._line(self.level), colour=palette.BRIGHT_TEXT)))

    def show_outlines(self) -> None:
        """Both walls, and the lit segment."""
        section, lit = self._section, self.shown.lit
        lines = [Outline(points_mm=line, colour=hex_of(CT_LINE), name="CT wall") for line in outlines_mm(section.wall)]
        lines += [
            Outline(points_mm=line, colour=hex_of(CMR_LINE), name="CMR wall", dashed=True)
            for line in outlines_mm(section.carried)
        ]
        if lit > 0:
            lines += [
                Outline(points_mm=line, colour=palette.BRIGHT_TEXT, width_px=2.4)
                for line in outlines_mm(self._segment_mask(lit))
            ]
        self.short.show_outlines(tuple(lines))

    def _cut_along(self) -> dict[bool, Section]:
        return {septal: long_axis(self.opened, self.ct, septal=septal) for septal in (True, False)}

    def _fill(self, view: PictureView, section: Section) -> None:
        rgb = painted(
            section, self.opened.remote, window=self.window, overlay=not self.shown.overlay_hidden,
            territories=self.shown.territories,
        )  # fmt: skip
        middle = (rgb.shape[1] - 1) / 2
        view.show_picture(colour_image(rgb), pixel_mm=(STEP_MM, STEP_MM), origin_px=(middle, middle))
        view.hide_outlines(self.shown.overlay_hidden)

    def _line(self, level: float) -> np.ndarray:
        row = row_of_level(self.opened, level)
        return np.array([[-LONG_HALF_MM, row], [LONG_HALF_MM, row]])

    def _segment_mask(self, segment: int) -> np.ndarray:
        """Where a segment lies in the section."""
        side = np.arange(self._section.wall.shape[0]) * STEP_MM - HALF_MM
        degrees = self.opened.frame.aha_degrees(np.arctan2(-side[:, None], -side[None, :]))
        return self._section.wall & (aha_segments(np.full(degrees.shape, self.level), degrees) == segment)


def hex_of(colour: tuple[int, int, int]) -> str:
    return QColor(*colour).name()
