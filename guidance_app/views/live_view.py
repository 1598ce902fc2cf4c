"""The primary picture: frame, overlay and annotations, painted by a plain widget.

A plain QWidget paints in 2 to 12 ms and its pixels can be checked; an OpenGL widget that got no context paints nothing
and seems to run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from PyQt6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QTransform, QWheelEvent
from PyQt6.QtWidgets import QWidget

from engines.anatomy.cases.patient_hashes import PatientMatch
from engines.angiography.frame import Frame
from guidance_app.live.guidance import Overlay, ScreenState
from guidance_app.views import legibility, palette, windowing
from guidance_app.views.annotation_layout import PlacedText, placed_texts
from guidance_app.views.annotation_painter import TextPlates
from guidance_app.views.annotations import Annotations, corners_of, side_letters
from guidance_app.views.language import tr
from guidance_app.views.open_field import OpenField
from guidance_app.views.overlay_look import OverlayLook, badge_of, look_of
from guidance_app.views.overlay_painter import OVERLAY_MODES, OverlayMode, OverlayPainter, Placing
from guidance_app.views.picture_change import PictureChange
from guidance_app.views.picture_tool import PaintedPicture, PictureTool, Pointer
from guidance_app.views.reason_words import message_of
from guidance_app.views.viewport import Viewport
from guidance_app.views.windowing import WindowLevel

PATIENT_WORDS: dict[PatientMatch, str] = {
    "same": "",
    "other": "ANOTHER PATIENT: not the patient of this case",
    "silent": "WHOSE RUN? It names no patient. Compare before you trust it",
    "untold": "",
}
_ZOOM_PER_PX = 1.005
OPACITY_STEP = 0.05
_MIN_OPACITY = 0.1


class LiveView(QWidget):
    """Paints one `ScreenState`; what may be drawn was decided before it came here.

    Attributes:
        painted_screen: the state that the last paint event really drew, None before.
        painted_ns: monotonic clock at the end of that paint event.
        painted_texts: all words of that paint event, in their places.
        distance_mm: from the screen to the eyes; words grow with it.
        tools: what a person lays on the picture; the last one is on top.
        takes_mouse: the tools do; a second picture of the same only shows them.

    Args:
        clock_ns: monotonic; what the age of a held picture counts to.
    """

    def __init__(
        self, parent: QWidget | None = None, *, case_id: str = "", clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(QSize(260, 240))
        self.case_id = case_id
        self.on_frame_wheel: Callable[[int], None] | None = None
        self.on_overlay_changed: Callable[[], None] | None = None
        self.right_drag_windows = False
        self.painted_screen: ScreenState | None = None
        self.painted_ns = 0
        self.painted_texts: tuple[PlacedText, ...] = ()
        self.distance_mm = legibility.LIVE_DISTANCE_MM
        self._clock_ns = clock_ns
        self._painted_second = 0
        self.paint_ms = 0.0
        self.mode: OverlayMode = OVERLAY_MODES[0]
        self.opacity = 1.0
        self.show_unseen = True  # branches that this view never saw filled
        self.overlay_held = False
        self.raw = False
        self.frozen = False
        self.viewport = Viewport()
        self.window_level: WindowLevel | None = None
        self._screen: ScreenState | None = None
        self._picture: Frame | None = None  # the frame as shown: subtracted where a mask is set
        self._change: PictureChange | None = None
        self._field = OpenField()
        self._grey: UInt8[np.ndarray, "rows columns"] | None = None  # owns the bytes that the QImage points at
        self._image: QImage | None = None
        self._windowed_source: tuple[object, ...] | None = None
        self._overlay_painter = OverlayPainter()
        self._plates = TextPlates()
        self._drag_from = QPointF()
        self.tools: list[PictureTool] = []
        self.takes_mouse = True
        self._held_tool: PictureTool | None = None  # has the mouse until it is let go

    @property
    def screen_state(self) -> ScreenState | None:
        return self._screen

    @property
    def change(self) -> PictureChange | None:
        """What is done to every frame on the screen, None where frames are shown as they are."""
        return self._change

    def show_screen(self, screen: ScreenState) -> None:
        """Take a new state; painted at the next paint event."""
        new_frame = self._screen is None or screen.frame is not self._screen.frame
        self._screen = screen
        if new_frame:
            self._show_frame(screen.frame)
        self.update()

    def set_change(self, change: PictureChange | None) -> None:
        """Do this to every frame from now on; None shows them as they are."""
        if change is self._change:
            return
        self._change = change
        self._show_frame(self._screen.frame if self._screen else None)
        self.update()

    def set_window_level(self, window: WindowLevel) -> None:
        self.window_level = window
        self._render_grey()
        self.update()

    def set_mode(self, mode: OverlayMode) -> None:
        self.mode = mode
        self._overlay_changed()

    def set_opacity(self, opacity: float) -> None:
        self.opacity = min(max(opacity, _MIN_OPACITY), 1.0)
        self._overlay_changed()

    def invert(self) -> None:
        if self.window_level is not None:
            self.set_window_level(replace(self.window_level, inverted=not self.window_level.inverted))

    def zoom(self, factor: float, about: QPointF | None = None) -> None:
        size = QSizeF(self.size())
        centre = QPointF(size.width() / 2.0, size.height() / 2.0)
        self.viewport = self.viewport.zoomed(factor, about=about or centre, view=size)
        self.update()

    def reset(self) -> None:
        """Whole picture, its own window."""
        self.viewport = Viewport()
        if self._picture is not None:
            self.set_window_level(windowing.window_of(self._picture))
        self.update()

    @property
    def shown_frame(self) -> Frame | None:
        """The frame as shown: subtracted where a mask is set; None before the first."""
        return self._picture

    def shown_grey(self) -> UInt8[np.ndarray, "rows columns"] | None:
        """The picture as it is windowed; None before the first."""
        return self._grey

    def shown_image(self) -> QImage | None:
        """The same, as Qt paints it; to be looked at before the next frame is shown."""
        return self._image

    def view_from_frame(self) -> QTransform | None:
        """Frame pixel edges to view pixels; None before the first frame."""
        if self._picture is None:
            return None
        return self.viewport.view_from_frame(QSizeF(self.size()), self._picture.shape_px)

    def _show_frame(self, frame: Frame | None) -> None:
        if frame is None:
            self._picture = self._image = None
            return
        change = self._change
        self._picture = frame if change is None else change.shown(frame, self._field.of(frame))
        source = (frame.source_id, frame.kind, *(() if change is None else change.window_key(frame)))
        if self.window_level is None or source != self._windowed_source:
            inverted = self.window_level.inverted if self.window_level else False
            self.window_level = replace(windowing.window_of(self._picture), inverted=inverted)
            self._windowed_source = source
        self._render_grey()

    def _render_grey(self) -> None:
        if self._picture is None or self.window_level is None:
            return
        self._grey = windowing.grey_of(self._picture.pixels, self.window_level.lut())
        frame = self._screen.frame if self._screen is not None else None
        subtracts = frame is not None and self._change is not None and self._change.subtracts(frame)
        if frame is not None and (self.window_level.inverted or subtracts):
            field = self._field.of(frame)
            if field is not None and field.shape == self._grey.shape:
                self._grey[~field] = 0  # beside the open field there is nothing to see, and nothing may glare
        rows, columns = self._grey.shape
        self._image = QImage(self._grey.data, columns, rows, columns, QImage.Format.Format_Grayscale8)  # pyright: ignore[reportCallIssue, reportArgumentType] - any buffer will do

    def _overlay_changed(self) -> None:
        self.update()
        if self.on_overlay_changed is not None:
            self.on_overlay_changed()

    # Painting

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        started_ns = time.monotonic_ns()
        area = QRectF(self.rect())
        painter = QPainter(self)
        try:
            painter.fillRect(area, QColor(palette.ROOM))
            transform = self.view_from_frame()
            if self._image is not None and transform is not None:
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
                painter.drawImage(transform.mapRect(QRectF(self._image.rect())), self._image)
            if self._screen is not None:
                self._paint_overlay(painter, area, self._screen, transform)
                self._paint_tools(painter, area, transform)
            self.painted_texts = self._texts(area, transform)
            self._plates.paint(painter, self.painted_texts, self.devicePixelRatioF())
        finally:
            painter.end()
        self.painted_screen = self._screen
        self.painted_ns = time.monotonic_ns()
        self._painted_second = self._clock_ns() // 10**9
        self.paint_ms = (self.painted_ns - started_ns) / 1e6

    def _paint_overlay(
        self, painter: QPainter, area: QRectF, screen: ScreenState, transform: QTransform | None
    ) -> None:
        look = self._look(screen)
        if look is None or screen.overlay is None or transform is None:
            return
        # What lies beside the picture was not seen by X-rays.
        visible = self._picture_rect(transform).intersected(area)
        placing = Placing(view_from_frame=transform, clip=visible, pixel_ratio=self.devicePixelRatioF())
        self._overlay_painter.paint(
            painter, screen.overlay, look, placing=placing, mode=self.mode, opacity=self.opacity,
            show_unseen=self.show_unseen,
        )  # fmt: skip

    def _paint_tools(self, painter: QPainter, area: QRectF, transform: QTransform | None) -> None:
        if transform is None or self._picture is None or self._grey is None or self.raw:
            return
        visible = self._picture_rect(transform).intersected(area)
        picture = PaintedPicture(
            placing=Placing(view_from_frame=transform, clip=visible, pixel_ratio=self.devicePixelRatioF()),
            frame=self._picture, grey=self._grey, sizes=self.text_sizes(), takes_mouse=self.takes_mouse,
        )  # fmt: skip
        for tool in self.tools:
            painter.save()
            painter.setClipRect(visible)
            tool.paint(painter, picture)
            painter.restore()

    def _look(self, screen: ScreenState) -> OverlayLook | None:
        hidden = self.raw or self.overlay_held or any(tool.hides_overlay for tool in self.tools)
        return None if hidden else look_of(screen, now_ns=self._clock_ns())

    def _texts(self, area: QRectF, transform: QTransform | None) -> tuple[PlacedText, ...]:
        """All words, in their places."""
        picture = None if transform is None or self._picture is None else self._picture_rect(transform)
        screen, look = self._screen, None if self._screen is None else self._look(self._screen)
        label_at = None
        if screen is not None and screen.overlay is not None and look is not None and transform is not None:
            label_at = _beside(screen.overlay, transform)
        return placed_texts(area, picture, self._words(look), self.text_sizes(), label_at=label_at)

    def text_sizes(self) -> legibility.TextSizes:
        """Of the screen that the view is on."""
        screen = self.screen()
        if screen is None:
            return legibility.sizes_for(legibility.USUAL_MM_PER_PX, self.distance_mm)
        pixel_mm = legibility.mm_per_px(screen.geometry().width(), screen.physicalSize().width())
        return legibility.sizes_for(pixel_mm, self.distance_mm)

    def _words(self, look: OverlayLook | None) -> Annotations:
        screen, now_ns = self._screen, self._clock_ns()
        if screen is None:
            return Annotations()
        badge = badge_of(
            screen, held=self.overlay_held, raw=self.raw, frozen=self.frozen, opacity=self.opacity, now_ns=now_ns
        )
        if not (self.raw or self.frozen):
            badge = next((tool.badge for tool in reversed(self.tools) if tool.badge is not None), badge)
        always = Annotations(badge=badge, bar=tr(PATIENT_WORDS[screen.patient]), notes=self._notes())
        if self.raw:
            return always
        frame = self._picture
        corners = corners_of(
            screen, case_id=self.case_id, window=self.window_level, zoom=self.viewport.zoom, frozen=self.frozen,
            now_ns=now_ns,
        )  # fmt: skip
        lines = tuple(line for tool in self.tools for line in tool.lines)
        if self._change is not None and screen.frame is not None and (line := self._change.line(screen.frame)):
            lines = (line, *lines)
        if lines:
            corners = replace(corners, bottom_left=(*corners.bottom_left, *lines))
        return replace(
            always,
            message=message_of(screen),
            corners=corners,
            sides=None if frame is None else side_letters(frame.geometry, frame.patient_position),
            label="" if look is None else look.label,
            label_colour="" if look is None else look.colour,
        )  # fmt: skip

    def _notes(self) -> tuple[str, ...]:
        of_tools = () if self.raw else tuple(note for tool in self.tools for note in tool.notes)
        frame = None if self._screen is None else self._screen.frame
        done = "" if self._change is None or frame is None else self._change.note(frame)
        return (done, *of_tools) if done else of_tools

    def refresh_age(self) -> None:
        """Paint again where a second has passed over a held picture: its age is written on it."""
        second = self._clock_ns() // 10**9
        if self._screen is not None and second != self._painted_second:
            self.update()

    def _picture_rect(self, transform: QTransform) -> QRectF:
        rows, columns = self._picture.shape_px if self._picture is not None else (0, 0)
        return transform.mapRect(QRectF(0.0, 0.0, columns, rows))

    # Mouse: left drag window and level, middle drag pan, right drag zoom, wheel frames, Ctrl and wheel opacity

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None:
            return
        self._drag_from = a0.position()
        pointer = self._pointer(a0)
        if pointer is not None and self.takes_mouse and not self.raw:
            self._held_tool = next((tool for tool in reversed(self.tools) if tool.press(pointer)), None)
            self.update()

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:
        held, self._held_tool = self._held_tool, None
        if held is not None and a0 is not None and (pointer := self._pointer(a0)) is not None:
            held.release(pointer)
            self.update()

    def _pointer(self, event: QMouseEvent) -> Pointer | None:
        transform = self.view_from_frame()
        if transform is None:
            return None
        at = transform.inverted()[0].map(event.position())
        return Pointer(
            column=at.x() - 0.5, row=at.y() - 0.5, scale=transform.m11(), button=event.button(),
            modifiers=event.modifiers(),
        )  # fmt: skip

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None or self._picture is None:
            return
        if self._held_tool is not None and (pointer := self._pointer(a0)) is not None:
            self._held_tool.drag(pointer)
            self.update()
            return
        by = a0.position() - self._drag_from
        self._drag_from = a0.position()
        buttons = a0.buttons()
        windows = Qt.MouseButton.RightButton if self.right_drag_windows else Qt.MouseButton.LeftButton
        zooms = Qt.MouseButton.LeftButton if self.right_drag_windows else Qt.MouseButton.RightButton
        if buttons & Qt.MouseButton.MiddleButton:
            self.viewport = self.viewport.panned(by)
            self.update()
        elif buttons & windows and self.window_level is not None:
            self.set_window_level(
                self.window_level.dragged(
                    right=by.x() / max(self.width(), 1),
                    up=-by.y() / max(self.height(), 1),
                    value_range=windowing.value_range_of(self._picture),
                )
            )
        elif buttons & zooms:
            self.zoom(_ZOOM_PER_PX ** -by.y())

    def wheelEvent(self, a0: QWheelEvent | None) -> None:
        if a0 is None or a0.angleDelta().y() == 0:
            return
        steps = 1 if a0.angleDelta().y() > 0 else -1
        if a0.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.set_opacity(self.opacity + steps * OPACITY_STEP)
        elif self.on_frame_wheel is not None:
            self.on_frame_wheel(-steps)  # towards the hand: later frames
        a0.accept()


def _beside(overlay: Overlay, transform: QTransform) -> QPointF | None:
    """Where the overlay reaches furthest to the right."""
    points = [path.points_px[np.isfinite(path.points_px).all(axis=1)] for path in overlay.centerlines]
    points = [path for path in points if len(path)]
    if not points:
        return None
    rightmost = max((path[path[:, 0].argmax()] for path in points), key=lambda point: point[0])
    return transform.map(QPointF(float(rightmost[0]) + 0.5, float(rightmost[1]) + 0.5))
