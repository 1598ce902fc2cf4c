"""What correcting by hand paints: the model where the hand has it, the handles, the landmark pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from guidance_app.live.guidance import Overlay
from guidance_app.rooms.live.judging.handles import Handle, Nudge, dragged, handle_at, kept_inside, paint_handles
from guidance_app.rooms.live.judging.judging_tool import paint_plate
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.views.overlay_look import Badge, OverlayLook
from guidance_app.views.overlay_painter import OverlayMode, OverlayPainter
from guidance_app.views.picture_tool import PaintedPicture, PictureTool, Pointer

_BY_HAND = OverlayLook(colour=palette.UNVERIFIED, line="dashed", label="BY HAND")
_TOO_WEAK = OverlayLook(colour=palette.ALARM, line="dotted", label="REJECTED")
_BADGES = {
    "by hand": Badge(text="BY HAND - UNVERIFIED", shape="diamond", colour=palette.UNVERIFIED),
    "too weak": Badge(text="REJECTED BY THE PROGRAM - only to judge", shape="cross", colour=palette.ALARM),
}
_CROSS_PX = 9.0


class HandTool(PictureTool):
    """Attributes:
    overlay: the model at the pose that is shown; None paints nothing.
    weak: that pose is one that the program found too weak, and nobody's hand made it.
    pivot_px: where the model's middle is shown; None hides the handles.
    points_px, places_px: (n, 2) landmark pairs as they are shown now.
    waiting_px: (2,) a model point that waits for its place.
    residuals_mm: of the pairs, once they made a pose.
    hides: the engine's own overlay, so that the model is not seen twice.

    Args:
        moved: a handle is dragged; told the whole drag each time.
        ended: the handle was let go.
        clicked: a click in the picture while handles are hidden; whether it was taken.
    """

    def __init__(
        self, *, moved: Callable[[Nudge], None], ended: Callable[[], None], clicked: Callable[[Pointer], bool],
        mode: Callable[[], OverlayMode],
    ) -> None:  # fmt: skip
        self.overlay: Overlay | None = None
        self.weak = False
        self.pivot_px: Float[np.ndarray, " 2"] | None = None
        self.points_px: Float[np.ndarray, "n 2"] = np.empty((0, 2))
        self.places_px: Float[np.ndarray, "n 2"] = np.empty((0, 2))
        self.waiting_px: Float[np.ndarray, " 2"] | None = None
        self.residuals_mm: Float[np.ndarray, " n"] | None = None
        self.compared = False  # the comparison paints the model in its own way
        self._moved, self._ended, self._clicked, self._mode = moved, ended, clicked, mode
        self._painter = OverlayPainter()
        self._middle: QPointF | None = None
        self._picture: PaintedPicture | None = None
        self._held: Handle | None = None
        self._from = QPointF()
        self._from_middle = QPointF()

    @property
    def hides_overlay(self) -> bool:
        return self.overlay is not None

    @property
    def badge(self) -> Badge | None:
        if self.overlay is None:
            return None
        badge = _BADGES["too weak" if self.weak else "by hand"]
        return replace(badge, text=tr(badge.text))

    def paint(self, painter: QPainter, picture: PaintedPicture) -> None:
        if self.overlay is not None and not self.compared:
            look = _TOO_WEAK if self.weak else _BY_HAND
            self._painter.paint(
                painter, self.overlay, look, placing=picture.placing, mode=self._mode(), opacity=1.0
            )  # fmt: skip
        self._paint_pairs(painter, picture)
        middle = None
        if self.pivot_px is not None and np.isfinite(self.pivot_px).all():
            middle = kept_inside(picture.at(*self.pivot_px), picture.placing.clip)
            paint_handles(painter, middle, self._held)
        if picture.takes_mouse:
            self._picture, self._middle = picture, middle

    def press(self, pointer: Pointer) -> bool:
        if pointer.button != Qt.MouseButton.LeftButton:
            return False
        if self.pivot_px is None:
            return self._clicked(pointer)
        if self._middle is None or self._picture is None:
            return False
        at = self._picture.at(pointer.column, pointer.row)
        self._held = handle_at(at, self._middle)
        self._from, self._from_middle = at, self._middle
        return self._held is not None

    def drag(self, pointer: Pointer) -> None:
        if self._held is not None and self._picture is not None and self.overlay is not None:
            now = self._picture.at(pointer.column, pointer.row)
            mm_per_view_px = self.overlay.geometry.isocentre_mm_per_px / pointer.scale
            fine = bool(pointer.modifiers & Qt.KeyboardModifier.ShiftModifier)
            self._moved(dragged(self._held, self._from, now, self._from_middle, mm_per_view_px, fine=fine))

    def release(self, pointer: Pointer) -> None:
        if self._held is not None:
            self.drag(pointer)
            self._held = None
            self._ended()

    def _paint_pairs(self, painter: QPainter, picture: PaintedPicture) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, (point, place) in enumerate(zip(self.points_px, self.places_px, strict=True), start=1):
            here, there = picture.at(*point), picture.at(*place)
            painter.setPen(QPen(QColor(palette.UNVERIFIED), 1.5, Qt.PenStyle.DotLine))
            painter.drawLine(here, there)
            _ring(painter, here)
            _cross(painter, there)
            off = "" if self.residuals_mm is None else f"  {self.residuals_mm[number - 1]:.1f} mm"
            paint_plate(painter, picture, there, (f"{number}{off}",))
        if self.waiting_px is not None:
            _ring(painter, picture.at(*self.waiting_px))


def _ring(painter: QPainter, at: QPointF) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((palette.CASING, 4.0), (palette.BRIGHT_TEXT, 2.0)):
        painter.setPen(QPen(QColor(colour), width))
        painter.drawEllipse(at, 6.0, 6.0)


def _cross(painter: QPainter, at: QPointF) -> None:
    for colour, width in ((palette.CASING, 4.0), (palette.BRIGHT_TEXT, 2.0)):
        painter.setPen(QPen(QColor(colour), width))
        for away in (QPointF(_CROSS_PX, 0.0), QPointF(0.0, _CROSS_PX)):
            painter.drawLine(at - away, at + away)
