"""The thrombosed part of a false lumen: as dark as muscle, so only the round outer wall of the aorta reveals it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from skimage.measure import label

from engines.anatomy.extraction.blood_level import SOFT_TISSUE_HU
from engines.anatomy.working_grid import WorkingGrid

_ANGLES = 48
_RIM_MM = 2.0  # the wall's edge is searched this far inside and outside the circle
_EDGE_HU = (-50.0, 150.0)
_EMPTY_HU = -30.0  # fat and lung are darker than any lumen
_RADIUS_STEPS = (0.94, 0.97, 1.0, 1.03, 1.06)
_SHIFT_PX = 3
_FILLED = 0.84
_FEWEST_SLICES = 6  # with both lumina visible, before a thrombosed part may be guessed
_LARGEST_TRUE_SHARE = 0.7  # share of the circle: a true lumen that fills it leaves no room for another


@dataclass(frozen=True, slots=True, kw_only=True)
class _Circle:
    row: float
    column: float
    radius_px: float


def thrombosed_lumen(
    grid: WorkingGrid,
    lumen: Bool[np.ndarray, "i j k"],
    false_lumen: Bool[np.ndarray, "i j k"],
    blood_hu: float,
    from_slice: int,
) -> Bool[np.ndarray, "i j k"]:
    """Follow the outer wall as a circle, downwards from the first round slice below `from_slice` with both lumina.

    The result is empty for an aorta without a visible false lumen, and for slices that are not axial.
    """
    found = np.zeros(lumen.shape, dtype=bool)
    both = np.flatnonzero(lumen.any(axis=(0, 1)) & (false_lumen.sum(axis=(0, 1)) > 30))
    rise = grid.lps_from_index[2, 2]
    if len(both) < _FEWEST_SLICES or abs(rise) < 0.9 * grid.spacing_mm[2]:
        return found
    step = -1 if rise > 0 else 1
    both = both[(both - from_slice) * step >= 0]
    begin = _roundest(lumen, false_lumen, both, step)
    if begin is None:
        return found
    first, circle = begin
    rows, columns = np.ogrid[: lumen.shape[0], : lumen.shape[1]]
    number = first + step
    while 0 <= number < lumen.shape[2]:
        true = _descending_part(lumen[:, :, number], circle)
        if not true.any():
            break
        circle = _best_circle(grid.hu[:, :, number], true, circle, blood_hu, float(grid.spacing_mm[:2].mean()))
        disc = (rows - circle.row) ** 2 + (columns - circle.column) ** 2 <= circle.radius_px**2
        if true.sum() < _LARGEST_TRUE_SHARE * disc.sum():
            found[:, :, number] = disc & ~lumen[:, :, number] & (grid.hu[:, :, number] > _EMPTY_HU)
        number += step
    return found


def _roundest(
    lumen: Bool[np.ndarray, "i j k"], false_lumen: Bool[np.ndarray, "i j k"], both: Int[np.ndarray, " n"], step: int
) -> tuple[int, _Circle] | None:
    """The uppermost of the slices whose two lumina together nearly fill a circle."""
    for number in both[::step].tolist():
        found = _circle_about(lumen[:, :, number], false_lumen[:, :, number])
        if found is not None and found[1] > _FILLED:
            return number, found[0]
    return None


def _descending_part(true: Bool[np.ndarray, "i j"], circle: _Circle) -> Bool[np.ndarray, "i j"]:
    rows, columns = np.ogrid[: true.shape[0], : true.shape[1]]
    near = (rows - circle.row) ** 2 + (columns - circle.column) ** 2 <= (1.3 * circle.radius_px) ** 2
    return true & near


def _circle_about(true: Bool[np.ndarray, "i j"], false: Bool[np.ndarray, "i j"]) -> tuple[_Circle, float] | None:
    """The circle with the area and centre of both lumina together, and the share of it that they fill."""
    near_false = np.asarray(ndimage.binary_dilation(false, iterations=4), dtype=bool)
    parts = np.asarray(label(true))
    touching = np.isin(parts, np.unique(parts[near_false & true])) & true
    both = np.asarray(ndimage.binary_closing(touching | false, iterations=3), dtype=bool)
    if not touching.any() or not false.any():
        return None
    row, column = np.argwhere(both).mean(axis=0).tolist()
    rows, columns = np.ogrid[: both.shape[0], : both.shape[1]]
    far = np.hypot(rows - row, columns - column)
    radius_px = float(np.sqrt(both.sum() / np.pi))
    filled = float(both[far <= radius_px].mean())
    return _Circle(row=row, column=column, radius_px=radius_px), filled


def _best_circle(
    hu: Float[np.ndarray, "i j"], true: Bool[np.ndarray, "i j"], last: _Circle, blood_hu: float, pixel_mm: float
) -> _Circle:
    """The circle near the last one that best has an edge all around, no fat within, and the true lumen inside."""
    best, best_score = last, -np.inf
    inside_true = np.argwhere(true)
    for radius in _RADIUS_STEPS:
        for down in range(-_SHIFT_PX, _SHIFT_PX + 1):
            for right in range(-_SHIFT_PX, _SHIFT_PX + 1):
                circle = _Circle(row=last.row + down, column=last.column + right, radius_px=last.radius_px * radius)
                score = _edge_score(hu, circle, blood_hu, pixel_mm)
                beyond = np.hypot(*(inside_true - [circle.row, circle.column]).T) > circle.radius_px + 0.5
                score -= 150.0 * float(beyond.mean()) + 1.0 * float(np.hypot(down, right)) + 60.0 * abs(radius - 1.0)
                if score > best_score:
                    best, best_score = circle, score
    return best


def _edge_score(hu: Float[np.ndarray, "i j"], circle: _Circle, blood_hu: float, pixel_mm: float) -> float:
    angle = np.linspace(0.0, 2.0 * np.pi, _ANGLES, endpoint=False)

    def ring(radius_px: float) -> Float[np.ndarray, " a"]:
        places = [circle.row + radius_px * np.sin(angle), circle.column + radius_px * np.cos(angle)]
        return np.asarray(ndimage.map_coordinates(hu, places, order=1, mode="nearest"))

    rim_px = _RIM_MM / pixel_mm
    inner, outer = ring(circle.radius_px - rim_px), ring(circle.radius_px + rim_px)
    # A bright neighbour (a vein, a vertebra) must not count as an edge of this wall.
    edge = np.where(
        outer > 0.5 * (blood_hu + SOFT_TISSUE_HU), 0.0, np.clip(np.minimum(inner, 150.0) - outer, *_EDGE_HU)
    )
    empty = np.concatenate([inner, ring(0.6 * circle.radius_px)]) < _EMPTY_HU
    return float(edge.mean()) - 200.0 * float(empty.mean())
