"""The cine and the curves of a result: which slice, which beat, motion corrected or not, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import QObject, QTimer

from engines.cmr.correcting.corrections import DrawnWall
from engines.cmr.results.drawing import CMR_LINE, CT_LINE
from engines.cmr.results.session_file import SessionSlice
from engines.cmr.series import PerfusionSlice
from guidance_app.panels.pictures.grey import grey_image, windowed
from guidance_app.panels.pictures.mixing import FLICKER_MS, MIXES, mixed
from guidance_app.panels.pictures.picture_view import Outline, PictureView
from guidance_app.rooms.cmr.ct_sections import hex_of
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.pictures.cine import CineSlice
from guidance_app.rooms.cmr.pictures.curve_view import Curves, CurveView
from guidance_app.rooms.cmr.pictures.section import STEP_MM, outlines_mm
from guidance_app.rooms.cmr.words import segment_name

_CHECKER_MM = 8.0
BEAT_MS = 90  # a beat of the cine: about eight times as fast as the heart
_MISSING = "no session.npz in this result: fuse the case again to see cine and curves"


class CineDesk(QObject):
    """Keeps `view` and `plot` showing one slice at one beat.

    Args:
        session: None where the result has none; then both views say so.
        ct_outline, ct_picture: the CT's wall, and the CT in grey, at the level of a slice.
    """

    def __init__(
        self, opened: OpenedCmr, session: tuple[SessionSlice, ...] | None, view: PictureView, plot: CurveView,
        ct_outline: Callable[[float], list[np.ndarray]], ct_picture: Callable[[float], np.ndarray | None],
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.opened, self.view, self.plot = opened, view, plot
        self._ct_outline, self._ct_picture = ct_outline, ct_picture
        self.slices = self._cut(opened, session)
        self.number, self.frame, self.corrected = 0, 0, True
        self._segment, self._pixel = 0, None
        self._timer = QTimer(self)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(lambda: self.step(1))
        self.mix, self._flicked = 0, False
        self._flicker = QTimer(self)
        self._flicker.setInterval(FLICKER_MS)
        self._flicker.timeout.connect(self._flick)
        plot.clicked.connect(self.to_frame)
        if self.slices:
            self.frame = self.slices[0].part.reference
        self.show()

    @staticmethod
    def _cut(opened: OpenedCmr, session: tuple[SessionSlice, ...] | None) -> list[CineSlice]:
        return [
            CineSlice(opened, part, found.level)
            for part, found in zip(session or (), opened.found.slices, strict=False)
        ]

    def renew(self, opened: OpenedCmr, session: tuple[SessionSlice, ...]) -> None:
        """Show the same slice and beat of a corrected result."""
        self.opened, self.slices = opened, self._cut(opened, session)
        self.show()

    @property
    def slice(self) -> CineSlice | None:
        return self.slices[self.number] if self.slices else None

    @property
    def playing(self) -> bool:
        return self._timer.isActive()

    def refusal(self) -> str:
        return "" if self.slices else _MISSING

    def to_level(self, level: float) -> None:
        """Show the slice nearest to a level."""
        if self.slices:
            self.number = int(np.argmin([abs(one.level - level) for one in self.slices]))
            self.show()

    def to_frame(self, frame: int) -> str:
        if (one := self.slice) is not None:
            self.frame = int(np.clip(frame, 0, one.frames - 1))
            self.show()
        return self.refusal()

    def to_reference(self) -> None:
        """The beat in whose place walls lie, motion corrected and standing still."""
        self._timer.stop()
        self.corrected = True
        if (one := self.slice) is not None:
            self.to_frame(one.part.reference)

    def show_drawn(self, drawn: DrawnWall, part: PerfusionSlice) -> None:
        """A wall and a pool that are being drawn, in place of the slice's own."""
        if (one := self.slice) is not None:
            self._show_outlines(one, [outlines_mm(one.whole_mask(mask, part)) for mask in (drawn.wall, drawn.pool)])

    def step(self, by: int) -> str:
        """Another beat; after the last comes the first."""
        one = self.slice
        return self.to_frame((self.frame + by) % one.frames) if one is not None else self.refusal()

    def play(self) -> str:
        if self.slices:
            self._timer.stop() if self._timer.isActive() else self._timer.start()
        return self.refusal()

    def switch_motion(self) -> str:
        self.corrected = not self.corrected
        self.show()
        return self.refusal() or ("motion corrected" if self.corrected else "as scanned: no motion correction")

    def light(self, segment: int) -> None:
        """Draw a segment's curve; 0 takes none."""
        self._segment, self._pixel = segment, None
        self._show_curves()

    def light_pixel(self, x_mm: float, y_mm: float) -> bool:
        """Draw the curve of the wall's pixel at a place of the picture."""
        one = self.slice
        self._pixel = one.pixel_under(x_mm, y_mm) if one is not None else None
        self._show_curves()
        return self._pixel is not None

    def next_mix(self) -> str:
        """The slice alone, blended with the CT at its level, in turns with it, in squares of both."""
        if (one := self.slice) is None:
            return self.refusal()
        if self._ct_picture(one.level) is None:
            return "no CT is shown that the slice could be compared with; CT\u2026 opens it"
        self.mix, self._flicked = (self.mix + 1) % len(MIXES), False
        self._flicker.start() if MIXES[self.mix] == "flicker" else self._flicker.stop()
        self.show()
        return f"CMR and CT: {MIXES[self.mix]}"

    def _flick(self) -> None:
        self._flicked = not self._flicked
        self.show()

    def stop(self) -> None:
        self._timer.stop()
        self._flicker.stop()

    def show(self) -> None:
        one = self.slice
        if one is None:
            self.view.corner = _MISSING.replace(": ", ":\n").replace(" to see", "\nto see")
            self.view.update()
            self.plot.show_curves(None, _MISSING)
            return
        frame = min(self.frame, one.frames - 1)
        grey = windowed(one.picture(frame, corrected=self.corrected), one.window)
        other = self._ct_picture(one.level) if self.mix else None
        if other is not None:
            grey = mixed(
                grey, other, MIXES[self.mix], flicked=self._flicked, checker_px=_CHECKER_MM / STEP_MM
            )  # fmt: skip
        middle = (grey.shape[1] - 1) / 2
        self.view.show_picture(grey_image(grey), pixel_mm=(STEP_MM, STEP_MM), origin_px=(middle, middle))
        self._show_outlines(one, [outlines_mm(one.mask(one.part.wall))])
        time_s = (one.part.times_ms[frame] - one.part.times_ms[0]) / 1000.0
        gone = ", left out" if frame in one.part.excluded else ""
        self.view.corner = (
            f"slice at {100 * one.level:.0f} %\nbeat {frame + 1} of {one.frames}, {time_s:.1f} s{gone}\n"
            + ("motion corrected" if self.corrected else "as scanned")
            + (f"\n{self._mix_words()}" if other is not None else "")
        )
        self.view.update()
        self._show_curves()

    def _mix_words(self) -> str:
        turn = (", now CT" if self._flicked else ", now CMR") if MIXES[self.mix] == "flicker" else ""
        return f"{MIXES[self.mix]} with the CT at this level{turn}"

    def _show_outlines(self, one: CineSlice, own: list[list[np.ndarray]]) -> None:
        lines = [
            Outline(points_mm=line, colour=hex_of(CT_LINE), name="CT wall") for line in self._ct_outline(one.level)
        ]
        lines += [
            Outline(points_mm=line, colour=hex_of(CMR_LINE), name="CMR wall", dashed=True)
            for mask in own
            for line in mask
        ]
        self.view.show_outlines(tuple(lines))

    def _show_curves(self) -> None:
        one = self.slice
        if one is None:
            return
        part, number = one.part, self._segment
        if self._pixel is None and number and number not in part.numbers:
            seen = [other.part for other in self.slices if number in other.part.numbers]
            if not seen:
                self.plot.show_curves(None, f"no slice saw segment {number}")
                return
            part = seen[0]
        empty = np.zeros(0)
        if self._pixel is not None:
            name, wall, uptake, slope = "a pixel of the wall", part.pixel_curves[self._pixel], empty, empty
        elif number:
            row = int(np.flatnonzero(part.numbers == number)[0])
            name, wall, uptake, slope = segment_name(number), part.measured[row], part.uptake[row], part.slopes[row]
        else:
            name, wall, uptake, slope = "whole wall of the slice", part.pixel_curves.mean(axis=0), empty, empty
        self.plot.show_frame(self.frame)
        self.plot.show_curves(
            Curves(
                name=name, times_s=part.times_ms / 1000.0, left=part.left, right=part.right, wall=wall, uptake=uptake,
                slope=slope, excluded=tuple(int(k) for k in part.excluded),
            )
        )  # fmt: skip
