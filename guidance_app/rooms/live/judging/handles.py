"""Six handles around the model's middle: three shifts, three turns. Where they are, and what a drag of each means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from guidance_app.views import palette
from guidance_app.views.annotation_layout import text_font

Handle = Literal["across", "up", "depth", "nod", "turn", "roll", "plane"]

_REACH_PX = 92.0  # from the middle; a hand's width of view, so that the vessel between stays free
_GRIP_PX = 17.0
_DEPTH_MM_PER_PX = 0.6
_TURN_RAD_PER_PX = math.radians(0.2)
_FINE = 0.2
_DIAGONAL = math.sqrt(0.5)
# Place (right, down) in reaches, and the sign on it. Shifts lie at the right and above, turns at the left and below.
_PLACES: dict[Handle, tuple[float, float, str]] = {
    "across": (1.0, 0.0, "\u2194"),
    "up": (0.0, -1.0, "\u2195"),
    "depth": (_DIAGONAL, -_DIAGONAL, "\u2299"),
    "turn": (-1.0, 0.0, "\u21cb"),
    "nod": (0.0, 1.0, "\u21c5"),
    "roll": (-_DIAGONAL, _DIAGONAL, "\u21bb"),
    "plane": (0.0, 0.0, "\u2725"),
}
WORDS: dict[Handle, str] = {
    "across": "shift left and right", "up": "shift up and down", "depth": "shift along the beam",
    "turn": "turn about the upright axis", "nod": "turn about the level axis", "roll": "turn in the picture's plane",
    "plane": "shift in the picture's plane",
}  # fmt: skip
_TURNS = ("turn", "nod", "roll")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudge:
    """As `engines.registration.hand_pose.moved_in_view` takes it."""

    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)


def place_of(handle: Handle, middle: QPointF) -> QPointF:
    """In view pixels, around the model's middle."""
    right, down, _ = _PLACES[handle]
    return middle + _REACH_PX * QPointF(right, down)


def handle_at(point: QPointF, middle: QPointF) -> Handle | None:
    """The grip under the mouse."""
    for handle in _PLACES:
        away = point - place_of(handle, middle)
        if math.hypot(away.x(), away.y()) <= 1.25 * _GRIP_PX:
            return handle
    return None


def kept_inside(middle: QPointF, area: QRectF) -> QPointF:
    """The middle of the handles, so that all of them can be reached."""
    room = min(_REACH_PX + _GRIP_PX, area.width() / 2.0, area.height() / 2.0)
    inside = area.adjusted(room, room, -room, -room)
    return QPointF(
        min(max(middle.x(), inside.left()), inside.right()), min(max(middle.y(), inside.top()), inside.bottom())
    )


def dragged(
    handle: Handle, start: QPointF, now: QPointF, middle: QPointF, mm_per_view_px: float, *, fine: bool
) -> Nudge:
    """What a drag from `start` to `now` (view pixels) means; `fine` moves a fifth of the way."""
    slow = _FINE if fine else 1.0
    right, down = slow * (now.x() - start.x()), slow * (now.y() - start.y())
    match handle:
        case "across":
            return Nudge(shift_mm=(right * mm_per_view_px, 0.0, 0.0))
        case "up":
            return Nudge(shift_mm=(0.0, -down * mm_per_view_px, 0.0))
        case "plane":
            return Nudge(shift_mm=(right * mm_per_view_px, -down * mm_per_view_px, 0.0))
        case "depth":
            return Nudge(shift_mm=(0.0, 0.0, -down * _DEPTH_MM_PER_PX))
        case "turn":
            return Nudge(turn_rad=(0.0, right * _TURN_RAD_PER_PX, 0.0))
        case "nod":
            return Nudge(turn_rad=(-down * _TURN_RAD_PER_PX, 0.0, 0.0))
        case "roll":
            before, after = (math.atan2(at.y() - middle.y(), at.x() - middle.x()) for at in (start, now))
            return Nudge(turn_rad=(0.0, 0.0, slow * math.remainder(after - before, 2.0 * math.pi)))


def paint_handles(painter: QPainter, middle: QPointF, held: Handle | None) -> None:
    """Rings for turns, squares for shifts: told apart without colour."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(text_font(1.2 * _GRIP_PX))
    for handle, (_, _, sign) in _PLACES.items():
        at = place_of(handle, middle)
        box = QRectF(at.x() - _GRIP_PX, at.y() - _GRIP_PX, 2 * _GRIP_PX, 2 * _GRIP_PX)
        painter.setPen(QPen(QColor(palette.BRIGHT_TEXT if handle == held else palette.UNVERIFIED), 2.0))
        painter.setBrush(QColor(*palette.PLATE))
        if handle in _TURNS:
            painter.drawEllipse(box)
        else:
            painter.drawRoundedRect(box, 4.0, 4.0)
        painter.setPen(QColor(palette.BRIGHT_TEXT))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), sign)
