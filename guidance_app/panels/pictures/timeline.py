"""The time of a recorded run below its picture: what each frame showed, where it is, and a hand on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QBuffer, QByteArray, QEvent, QIODevice, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PyQt6.QtWidgets import QToolTip, QWidget

from guidance_app.live.guidance import GuidanceResult, ScreenState, length_px
from guidance_app.live.run_log import Event
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.views.overlay_look import look_of

_HEIGHT_PX = 46
_MARGIN_PX = 12
_BAND = (26.0, 14.0)  # top and height
_THUMB_PX = 96
_MOST_THUMBS = 600
# Height of a frame's bar beside its colour, so that colour is not the only cue.
_SHARE_OF_LINE = {"solid": 1.0, "long dashes": 0.75, "dash dot": 0.5, "dashed": 0.4, "dotted": 0.25}
_WORDS_OF_LINE = {
    "solid": "vessels confirm the overlay", "long dashes": "bones hold the overlay", "dash dot": "overlay carried",
    "dashed": "overlay unverified", "dotted": "overlay not current",
}  # fmt: skip


@dataclass(slots=True)
class _Seen:
    """Of one frame of the run: what was last on the screen with it."""

    colour: str = ""
    line: str = ""
    vessel: float | None = None  # length of the vessels' borders, px; None where no answer came


class Timeline(QWidget):
    """Shows itself for recordings alone; a live source has no time to go back to.

    Args:
        go_to: called with a frame, from 0, as the mouse is pressed and dragged.

    Attributes:
        stretch: first and last frame of the stretch that is repeated; None for the whole run.
    """

    def __init__(self, parent: QWidget, go_to: Callable[[int], object]) -> None:
        super().__init__(parent)
        self.setFixedHeight(_HEIGHT_PX)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(tr("Timeline"))
        self._go_to = go_to
        self._total, self._at = 0, 0
        self._seen: dict[int, _Seen] = {}
        self._frame_of: dict[int, int] = {}  # running number to frame of the run
        self._marks: dict[int, str] = {}
        self._thumbs: dict[int, QPixmap] = {}
        self._told: Event | None = None
        self._counted: GuidanceResult | None = None  # its vessels were measured
        self.stretch: tuple[int, int | None] | None = None
        self._speed = 1.0
        self.hide()

    def begin(self) -> None:
        """Another run is shown from now on."""
        self._total, self._at, self._told = 0, 0, None
        self._seen, self._frame_of, self._marks, self._thumbs = {}, {}, {}, {}
        self.stretch, self._speed = None, 1.0
        self.hide()

    def show_pace(self, stretch: tuple[int, int | None] | None, speed: float) -> None:
        """`stretch` without an end is being marked."""
        self.stretch, self._speed = stretch, speed
        self.update()

    def see(self, screen: ScreenState, event: Event | None, picture: QImage | None) -> None:
        """Note what is on the screen; `picture` is the frame as it is windowed."""
        frame = screen.frame
        if screen.frames_total is None or frame is None:
            self.setVisible(False)
            return
        self._total, self._at = screen.frames_total, frame.source_frame
        self._frame_of[frame.index] = frame.source_frame
        self._frame_of.pop(frame.index - 4 * _MOST_THUMBS, None)
        seen = self._seen.setdefault(frame.source_frame, _Seen())
        look = look_of(screen)
        seen.colour, seen.line = ("", "") if look is None else (look.colour, look.line)
        result = screen.result
        if result is not None and result is not self._counted:
            self._counted = result
            if (answered := self._frame_of.get(result.frame_index)) is not None:
                self._seen[answered].vessel = length_px(result.vessel_outline)
        if event is not None and event is not self._told:
            self._told = event
            if event.frame is not None and (at := self._frame_of.get(event.frame)) is not None:
                self._marks[at] = event.text
        self._keep_thumb(frame.source_frame, picture)
        self.setVisible(True)
        self.update()

    def fill(
        self, screens: Sequence[ScreenState], vessels_px: Sequence[float | None], marks: Mapping[int, str]
    ) -> None:
        """Another run is shown, of which everything is known already: one screen and length of seen vessel a frame."""
        self.begin()
        self._total, self._marks = len(screens), dict(marks)
        for frame, (screen, vessel_px) in enumerate(zip(screens, vessels_px, strict=True)):
            look = look_of(screen)
            colour, line = ("", "") if look is None else (look.colour, look.line)
            self._seen[frame] = _Seen(colour=colour, line=line, vessel=vessel_px)
        self.setVisible(self._total > 0)
        self.update()

    def stand_at(self, frame: int, picture: QImage | None) -> None:
        """This frame of a run that was filled in is on the screen; `picture` as it is windowed."""
        self._at = frame
        self._keep_thumb(frame, picture)
        self.update()

    def frame_at(self, x: float) -> int:
        """The frame that this place of the widget stands for."""
        share = (x - _MARGIN_PX) / max(self.width() - 2 * _MARGIN_PX, 1)
        return min(max(int(share * self._total), 0), max(self._total - 1, 0))

    def words_at(self, frame: int) -> str:
        """What is known of a frame, in a line."""
        seen = self._seen.get(frame)
        parts = [tr("Frame {number} of {total}").format(number=frame + 1, total=self._total)]
        if seen is None:
            parts.append(tr("not played yet"))
        else:
            parts.append(tr(_WORDS_OF_LINE[seen.line]) if seen.line else tr("no overlay"))
        if frame in self._marks:
            parts.append(self._marks[frame])
        return ": ".join(parts[:2]) + (f"\n{parts[2]}" if len(parts) > 2 else "")

    # Mouse

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self._go_to(self.frame_at(a0.position().x()))

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is None:
            return
        frame = self.frame_at(a0.position().x())
        if a0.buttons() & Qt.MouseButton.LeftButton:
            if frame != self._at:
                self._go_to(frame)
            return
        QToolTip.showText(a0.globalPosition().toPoint(), self._hover(frame), self)

    def leaveEvent(self, a0: QEvent | None) -> None:
        QToolTip.hideText()
        super().leaveEvent(a0)

    # Painting

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002 - Qt's signature
        painter = QPainter(self)
        try:
            painter.fillRect(self.rect(), QColor(palette.ROOM))
            if self._total:
                self._paint_stretch(painter)
                self._paint_band(painter)
                self._paint_contrast(painter)
                self._paint_marks(painter)
                self._paint_place(painter)
        finally:
            painter.end()

    def _x(self, frame: float) -> float:
        return _MARGIN_PX + frame * (self.width() - 2 * _MARGIN_PX) / self._total

    def _paint_band(self, painter: QPainter) -> None:
        top, height = _BAND
        painter.fillRect(QRectF(self._x(0), top + height, self._x(self._total) - self._x(0), 1.0), QColor(palette.LINE))
        for frame, seen in self._seen.items():
            bar = height * _SHARE_OF_LINE.get(seen.line, 0.1)
            area = QRectF(self._x(frame), top + height - bar, self._x(1) - self._x(0), bar)
            painter.fillRect(area, QColor(seen.colour or palette.QUIET_TEXT))

    def _paint_contrast(self, painter: QPainter) -> None:
        """Length of vessel that was seen, against the most of this run."""
        known = sorted((frame, seen.vessel) for frame, seen in self._seen.items() if seen.vessel is not None)
        most = max((length for _, length in known), default=0.0)
        if most <= 0.0:
            return
        line = QPolygonF([QPointF(self._x(frame + 0.5), 22.0 - 18.0 * length / most) for frame, length in known])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.TEXT), 1.4))
        painter.drawPolyline(line)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)

    def _paint_marks(self, painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.BRIGHT_TEXT))
        for frame in self._marks:
            x = self._x(frame + 0.5)
            painter.drawPolygon(QPolygonF([QPointF(x - 4, 0.0), QPointF(x + 4, 0.0), QPointF(x, 6.0)]))

    def _paint_stretch(self, painter: QPainter) -> None:
        if self.stretch is None:
            return
        first, last = self.stretch
        end = self._x(first) + 2.0 if last is None else self._x(last + 1)
        painter.fillRect(QRectF(self._x(first), 0.0, end - self._x(first), float(_HEIGHT_PX)), QColor("#26303a"))

    def _paint_place(self, painter: QPainter) -> None:
        x = self._x(self._at + 0.5)
        painter.fillRect(QRectF(x - 1.0, 0.0, 2.0, float(_HEIGHT_PX - 4)), QColor(palette.BRIGHT_TEXT))
        words = "" if self._speed == 1.0 else f"{self._speed:g}x"
        if words:
            painter.setPen(QColor(palette.TEXT))
            area = QRectF(0.0, 0.0, self.width() - _MARGIN_PX, 18.0)
            painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, words)

    # Thumbnails

    def _keep_thumb(self, frame: int, picture: QImage | None) -> None:
        if picture is None or frame in self._thumbs or len(self._thumbs) >= _MOST_THUMBS:
            return
        small = picture.scaled(
            _THUMB_PX, _THUMB_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
        )
        self._thumbs[frame] = QPixmap.fromImage(small)

    def _hover(self, frame: int) -> str:
        words = self.words_at(frame).replace("\n", "<br>")
        thumb = self._thumbs.get(frame)
        if thumb is None:
            return words
        held = QByteArray()
        buffer = QBuffer(held)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        thumb.save(buffer, "PNG")
        return f'<img src="data:image/png;base64,{bytes(held.toBase64().data()).decode()}"><br>{words}'
