"""Lengths, areas and arcs by hand, in a frame or its cross-section. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

Kind = Literal["length", "area", "arc"]
KINDS: tuple[Kind, ...] = ("length", "area", "arc")
_CLOSED_MM = 0.35  # a click as near as this to the first point closes an area
_WORDS = {
    "length": "click two places in a picture",
    "area": "click around it, and the first point again to close it",
    "arc": "click both ends of the arc, clockwise; it is seen from the middle of the lumen",
}
_NAMES = {"length": "length_mm", "area": "area_mm2", "arc": "arc_deg"}
_UNITS = {"length": " mm", "area": " mm\u00b2", "arc": "\u00b0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Args:
    points_mm: places from the catheter along u and v.
    middle_mm: what an arc is seen from.
    """

    frame: int
    kind: Kind
    points_mm: tuple[tuple[float, float], ...]
    middle_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def value(self) -> float:
        """mm, mm2 or degrees."""
        points = np.array(self.points_mm)
        if self.kind == "length":
            return float(np.linalg.norm(points[1] - points[0]))
        if self.kind == "area":
            following = np.roll(points, -1, axis=0)
            return 0.5 * abs(float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum()))
        first, last = (np.arctan2(*(point - self.middle_mm)[::-1]) for point in points)
        return float(np.rad2deg(np.mod(last - first, 2.0 * np.pi)))

    @property
    def words(self) -> str:
        return f"{self.value:.0f}{_UNITS['arc']}" if self.kind == "arc" else f"{self.value:.2f}{_UNITS[self.kind]}"

    def outline_mm(self) -> Float[np.ndarray, "n 2"]:
        """What is drawn over the picture."""
        points = np.array(self.points_mm)
        if self.kind != "arc":
            return points
        middle = np.array(self.middle_mm)
        first = float(np.arctan2(*(points[0] - middle)[::-1]))
        turn = first + np.linspace(0.0, np.deg2rad(self.value), 24)
        near, far = np.linalg.norm(points - middle, axis=1)
        radius = np.linspace(float(near), float(far), 24)
        return middle + radius[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])

    def as_json(self) -> dict[str, Any]:
        return {"frame": self.frame, "kind": self.kind, "points_mm": [list(point) for point in self.points_mm],
                _NAMES[self.kind]: round(self.value, 3)}  # fmt: skip


class Ruler:
    """Clicks become measurements of the kind that is chosen; none is chosen at first."""

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self.points_mm: tuple[tuple[float, float], ...] = ()
        self._frame = -1

    def next_kind(self) -> str:
        """Length, area, arc, off; what to do then, in words."""
        chosen = 0 if self.kind is None else KINDS.index(self.kind) + 1
        self.kind = KINDS[chosen] if chosen < len(KINDS) else None
        self.points_mm = ()
        return "measuring is off" if self.kind is None else f"{self.kind}: {_WORDS[self.kind]}"

    def click(self, frame: int, x_mm: float, y_mm: float, middle_mm: tuple[float, float]) -> Measurement | None:
        """A place in a frame; the measurement that it completes, if it does. Another frame begins anew."""
        if self.kind is None:
            return None
        if frame != self._frame:
            self.points_mm, self._frame = (), frame
        closes = len(self.points_mm) > 2 and float(np.hypot(x_mm - self.points_mm[0][0],
                                                             y_mm - self.points_mm[0][1])) < _CLOSED_MM  # fmt: skip
        if not (self.kind == "area" and closes):
            self.points_mm = (*self.points_mm, (x_mm, y_mm))
        if (len(self.points_mm) < 2) if self.kind != "area" else not closes:
            return None
        found = Measurement(frame=frame, kind=self.kind, points_mm=self.points_mm, middle_mm=middle_mm)
        self.points_mm = ()
        return found
