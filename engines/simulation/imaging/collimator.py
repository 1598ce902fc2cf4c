"""The open field of a picture, and the text that some systems burn into it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opening:
    """The collimator's opening and the burned-in text.

    Args:
        blade: 1 in the open field, 0 behind the collimator, soft in between.
        text: lines burned in at the top left, () for none.
    """

    blade: Float32[np.ndarray, "rows columns"]
    text: tuple[str, ...] = ()

    @property
    def field_of_view(self) -> Bool[np.ndarray, "rows columns"]:
        return self.blade > 0.5

    def write_text(self, picture: UInt8[np.ndarray, "rows columns"], frame: int) -> UInt8[np.ndarray, "rows columns"]:
        if not self.text:
            return picture
        shown = np.ascontiguousarray(picture)
        for number, line in enumerate((*self.text, f"Fr {frame + 1}")):
            place = (10, 20 + 15 * number)
            cv2.putText(shown, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 235, 1, cv2.LINE_AA)
        return shown


def draw_opening(rng: np.random.Generator, shape_px: tuple[int, int], text: tuple[str, ...]) -> Opening:
    """Draw a full field with a thin frame, rectangular blades, a round intensifier, or cut corners."""
    rows, columns = shape_px
    row, column = np.mgrid[0:rows, 0:columns].astype(np.float32)
    kind = rng.choice(["frame", "blades", "round", "corners"], p=[0.4, 0.25, 0.2, 0.15])
    top, bottom, left, right = rng.uniform(2, 9, size=4)
    if kind == "blades":
        top, bottom, left, right = rng.uniform(6, 45, size=4)
    inside = np.minimum.reduce([row - top, rows - 1 - bottom - row, column - left, columns - 1 - right - column])
    if kind == "round":
        radius = 0.5 * min(rows, columns) * rng.uniform(1.0, 1.12)
        inside = np.minimum(inside, radius - np.hypot(row - rows / 2 + 0.5, column - columns / 2 + 0.5))
    if kind == "corners":
        cut = rng.uniform(0.06, 0.14) * (rows + columns)
        from_corner = np.minimum(row, rows - 1 - row) + np.minimum(column, columns - 1 - column)
        inside = np.minimum(inside, (from_corner - cut) / np.sqrt(2.0))
    softness = rng.uniform(1.0, 3.0)
    blade = np.clip(inside / softness + 0.5, 0.0, 1.0).astype(np.float32)
    return Opening(blade=blade, text=text if rng.uniform() < 0.35 else ())
