"""The ultrasound frame and the CT's cross-section side by side: one scale, one turn, one cursor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QComboBox

from guidance_app.panels.pictures.grey import grey_image, windowed
from guidance_app.panels.pictures.mixing import FLICKER_MS, MIXES, mixed
from guidance_app.panels.pictures.picture_view import Outline, PictureView
from guidance_app.rooms.ivus.answer.desk import FusionDesk
from guidance_app.rooms.ivus.answer.frame_table import FrameTable
from guidance_app.rooms.ivus.answer.measuring import Ruler
from guidance_app.rooms.ivus.pictures.overlays import ct_outlines, frame_outlines, lumen_middle_mm
from guidance_app.views import palette

_CHECKER_MM = 1.5
_IVUS_WINDOW, _CT_WINDOW = (0.0, 255.0), (-150.0, 650.0)
_KNOB_MM = 1.0  # a drag as near as this to the knob turns the cut


class FramePair(QObject):
    """Both views and how they are mixed.

    Signals: `recut` when a window, a level or the cut has changed, so that long views follow; `clicked` a place, True
    for the ultrasound's view.
    """

    recut = pyqtSignal()
    clicked = pyqtSignal(bool, float, float)
    measured = pyqtSignal(str)

    def __init__(self, desk: FusionDesk, table: Callable[[], FrameTable], parent: QObject) -> None:
        super().__init__(parent)
        self._desk, self._table = desk, table
        drawn = bool(desk.opened.inputs.contours)
        self.ivus, self.cross = PictureView("IVUS outlines" if drawn else "IVUS"), PictureView("CT cross-section")
        self.ruler = Ruler()
        self.mode = 0
        self.ivus_window, self.ct_window = _IVUS_WINDOW, _CT_WINDOW
        self.modes = QComboBox()
        self.modes.addItems(MIXES)
        self.modes.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.modes.currentIndexChanged.connect(self._set_mode)
        self._flicked = False
        self._flicker = QTimer(self)
        self._flicker.setInterval(FLICKER_MS)
        self._flicker.timeout.connect(self._flick)
        for view, other in ((self.ivus, self.cross), (self.cross, self.ivus)):
            view.pointed.connect(self._linked(view, other))
            view.clicked.connect(self._clicked_in(view))
        self.ivus.dragged.connect(self._drag_ivus)
        self.cross.dragged.connect(self._drag_cross)

    def next_mode(self) -> None:
        self.modes.setCurrentIndex((self.mode + 1) % len(MIXES))

    def next_ruler(self) -> str:
        """Length, area, arc, off."""
        words = self.ruler.next_kind()
        self.show_frame()
        return words

    def hide_outlines(self, hidden: bool) -> None:
        for view in (self.ivus, self.cross):
            view.hide_outlines(hidden)

    def stop(self) -> None:
        self._flicker.stop()

    def show_frame(self) -> None:
        """The desk's frame in both views."""
        desk, k = self._desk, self._desk.frame
        px, centre = desk.opened.pixel_mm, desk.opened.centre_px
        one = windowed(desk.opened.frames[k], self.ivus_window)
        other = windowed(desk.ct.section(k), self.ct_window)
        both = mixed(one, other, MIXES[self.mode], flicked=self._flicked, checker_px=_CHECKER_MM / px)
        for view, picture, outlines in (
            (self.ivus, both, frame_outlines(desk)),
            (self.cross, other, (*ct_outlines(desk), frame_outlines(desk)[0])),
        ):
            view.show_picture(grey_image(picture), pixel_mm=(px, px), origin_px=centre)
            view.show_outlines((*outlines, *self._measurements()))
            view.handle_rad = desk.cut_rad
        table = self._table()
        self.ivus.corner = f"frame {k}  z {desk.fusion.z_mm[k]:.1f} mm\nlumen {table.lumen_mm2[k]:.1f} mm\u00b2"
        area = table.ct_area_mm2[k]
        seen = f"{area:.1f} mm\u00b2" if np.isfinite(area) else "not seen"
        self.cross.corner = f"{desk.fusion.place_mm[k]:.1f} mm from ostium\nlumen {seen}"

    def _measurements(self) -> tuple[Outline, ...]:
        done = [
            Outline(points_mm=found.outline_mm(), colour=palette.BRIGHT_TEXT, name=found.words,
                    closed=found.kind == "area")
            for found in self._desk.measurements
            if found.frame == self._desk.frame
        ]  # fmt: skip
        if len(self.ruler.points_mm) > 1:
            done.append(Outline(points_mm=np.array(self.ruler.points_mm), colour=palette.BRIGHT_TEXT, dashed=True))
        return tuple(done)

    def _linked(self, view: PictureView, other: PictureView) -> Callable[[float, float], None]:
        def follow(x_mm: float, y_mm: float) -> None:
            view.show_cursor(x_mm, y_mm)
            other.show_cursor(x_mm, y_mm)

        return follow

    def _clicked_in(self, view: PictureView) -> Callable[[float, float], None]:
        def clicked(x_mm: float, y_mm: float) -> None:
            if self.ruler.kind is None:
                self.clicked.emit(view is self.ivus, x_mm, y_mm)
                return
            found = self.ruler.click(self._desk.frame, x_mm, y_mm, lumen_middle_mm(self._desk))
            if found is not None:
                self._desk.keep(found)
                self.measured.emit(found.words)
            self.show_frame()

        return clicked

    def _drag_ivus(self, right: float, up: float) -> None:
        if self._on_knob():
            assert self.ivus.cursor_mm is not None
            self._desk.cut_rad = float(np.arctan2(self.ivus.cursor_mm[1], self.ivus.cursor_mm[0]))
        else:
            self.ivus_window = _dragged(self.ivus_window, right, up)
        self.show_frame()
        self.recut.emit()

    def _drag_cross(self, right: float, up: float) -> None:
        self.ct_window = _dragged(self.ct_window, right, up)
        self.show_frame()
        self.recut.emit()

    def _on_knob(self) -> bool:
        """The knob is dragged where the mouse is near it or has begun to turn it."""
        view = self.ivus
        if view.cursor_mm is None:
            return False
        x, y = view.cursor_mm
        reach = 0.93 * view.half_width_mm / view.zoom
        apart = np.hypot(x - reach * np.cos(self._desk.cut_rad), y - reach * np.sin(self._desk.cut_rad))
        return bool(apart < _KNOB_MM)

    def _set_mode(self, mode: int) -> None:
        self.mode = mode
        self._flicked = False
        self._flicker.start() if MIXES[mode] == "flicker" else self._flicker.stop()
        self.show_frame()

    def _flick(self) -> None:
        self._flicked = not self._flicked
        self.show_frame()


def _dragged(window: tuple[float, float], right: float, up: float) -> tuple[float, float]:
    low, high = window
    width = max((high - low) * (1.0 + 1.5 * right), 4.0)
    middle = 0.5 * (low + high) - up * (high - low)
    return middle - 0.5 * width, middle + 0.5 * width
