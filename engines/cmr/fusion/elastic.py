"""The elastic step of one slice: the CMR's wall carried onto the CT's by a smooth radial field that cannot fold.

Along each ray of the heart's frame the inner and the outer border move by low harmonics of what separates them from
the CT's, and what lies between moves in proportion. So a point keeps its wall coordinates (level, angle, depth),
while the field stays as smooth as a deforming heart: details of the CMR's contour remain its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.cmr.fusion.rigid import StackPlace, contour_points
from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.radial_model import ANGLES, RadialModel
from engines.cmr.series import PerfusionSlice
from engines.cmr.wall.slice_wall import SliceWall

_HARMONICS = 4
_LONGEST_MM = 9.0  # of the elastic step
_THINNEST_MM = 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceLink:
    """One slice tied to the CT.

    Args:
        cmr_from_ct: rigid, breath-hold included.
        inner_mm, outer_mm: (72,) the CMR's borders in the CT heart's frame after the rigid move, by angle.
        inner_moved_mm, outer_moved_mm: where the elastic step brings them.
        level: mean level of the slice in the CT's frame.
    """

    part: PerfusionSlice
    wall: SliceWall
    cmr_from_ct: Float[np.ndarray, "4 4"]
    inner_mm: Float[np.ndarray, " 72"]
    outer_mm: Float[np.ndarray, " 72"]
    inner_moved_mm: Float[np.ndarray, " 72"]
    outer_moved_mm: Float[np.ndarray, " 72"]
    level: float

    def pixel(self, cmr_mm: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
        """Column, row, and distance from the plane in slice thicknesses."""
        inverse = np.linalg.inv(self.part.lps_from_index)
        return cmr_mm @ inverse[:3, :3].T + inverse[:3, 3]

    def sees(self, ct_mm: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Which CT points lie inside the slice."""
        cmr = ct_mm @ self.cmr_from_ct[:3, :3].T + self.cmr_from_ct[:3, 3]
        return np.abs(self.pixel(cmr)[..., 2]) <= 0.5

    def elastic_back(self, radius_mm: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Radius before the elastic step of points at a radius after it."""
        return _stretched(radius_mm, angle, self.inner_moved_mm, self.outer_moved_mm, self.inner_mm, self.outer_mm)

    def elastic_forth(self, radius_mm: np.ndarray, angle: np.ndarray) -> np.ndarray:
        return _stretched(radius_mm, angle, self.inner_mm, self.outer_mm, self.inner_moved_mm, self.outer_moved_mm)


def around(values: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Values by 72 angles, at any angle."""
    at = (angle % (2 * np.pi)) / (2 * np.pi) * ANGLES
    return np.interp(at, np.arange(ANGLES + 1), np.append(values, values[0]))


def _stretched(
    radius: np.ndarray,
    angle: np.ndarray,
    inner: np.ndarray,
    outer: np.ndarray,
    new_inner: np.ndarray,
    new_outer: np.ndarray,
) -> np.ndarray:
    a, b = around(inner, angle), around(outer, angle)
    c, d = around(new_inner, angle), around(new_outer, angle)
    share = (radius - a) / np.maximum(b - a, 0.5)
    inside = radius * c / np.maximum(a, 0.5)
    return np.where(share < 0, inside, np.where(share > 1, radius + d - b, c + share * (d - c)))


def link_slices(
    model: RadialModel, slices: tuple[PerfusionSlice, ...], walls: tuple[SliceWall, ...], place: StackPlace
) -> tuple[SliceLink, ...]:
    return tuple(
        _link(model, part, wall, place.of_slice(index))
        for index, (part, wall) in enumerate(zip(slices, walls, strict=True))
    )


def _link(model: RadialModel, part: PerfusionSlice, wall: SliceWall, ct_from_cmr: np.ndarray) -> SliceLink:
    frame = model.frame
    grid = 2 * np.pi * np.arange(ANGLES) / ANGLES
    borders, levels = [], []
    for radius in (wall.inner_mm, wall.outer_mm):
        points = contour_points(part, wall, radius) @ ct_from_cmr[:3, :3].T + ct_from_cmr[:3, 3]
        level, distance, angle = frame.local(points)
        order = np.argsort(angle)
        borders.append(np.interp(grid, angle[order], distance[order], period=2 * np.pi))
        levels.append(np.interp(grid, angle[order], level[order], period=2 * np.pi))
    (inner, outer), (level_in, level_out) = borders, levels
    outer = np.maximum(outer, inner + _THINNEST_MM)
    inner_moved = inner + _low_pass(model.inner(level_in, grid) - inner)
    outer_moved = outer + _low_pass(model.outer(level_out, grid) - outer)
    return SliceLink(
        part=part,
        wall=wall,
        cmr_from_ct=np.linalg.inv(ct_from_cmr),
        inner_mm=inner,
        outer_mm=outer,
        inner_moved_mm=np.maximum(inner_moved, 0.5),
        outer_moved_mm=np.maximum(outer_moved, np.maximum(inner_moved, 0.5) + _THINNEST_MM),
        level=float(0.5 * (level_in + level_out).mean()),
    )


def _low_pass(difference: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(difference)
    spectrum[_HARMONICS + 1 :] = 0.0
    return np.clip(np.fft.irfft(spectrum, ANGLES), -_LONGEST_MM, _LONGEST_MM)


def wall_dice(
    heart: CtHeart, model: RadialModel, link: SliceLink, ct_from_cmr: Float[np.ndarray, "4 4"], *, elastic: bool
) -> float:
    """2-D Dice of the CMR's wall and the CT's in the slice's plane, with or without the elastic step."""
    points = link.part.points_mm() @ ct_from_cmr[:3, :3].T + ct_from_cmr[:3, 3]
    if elastic:
        level, radius, angle = model.frame.local(points)
        points = model.frame.point(level, link.elastic_forth(radius, angle), angle)
    there = heart.sampled(heart.masks["lv_wall"], points) >= 0.5
    total = int(there.sum()) + int(link.wall.wall.sum())
    return 2.0 * int((there & link.wall.wall).sum()) / total if total else 0.0


def carried_wall(
    model: RadialModel, links: tuple[SliceLink, ...], ct_mm: Float[np.ndarray, "n 3"]
) -> Bool[np.ndarray, " n"]:
    """Which CT points the CMR's own wall covers once it is carried over; only points that a slice sees."""
    level, radius, angle = model.frame.local(ct_mm)
    covered = np.zeros(len(ct_mm), dtype=bool)
    for link in links:
        seen = np.flatnonzero(link.sees(ct_mm))
        if not len(seen):
            continue
        back = model.frame.point(level[seen], link.elastic_back(radius[seen], angle[seen]), angle[seen])
        index = link.pixel(back @ link.cmr_from_ct[:3, :3].T + link.cmr_from_ct[:3, 3])
        wall = ndimage.map_coordinates(link.wall.wall.astype(np.float32), index[:, :2].T, order=1, mode="constant")
        covered[seen[wall >= 0.5]] = True
    return covered


def folding_share(link: SliceLink) -> float:
    """Share of angles at which the field would turn the wall inside out; the construction leaves none."""
    return float((link.outer_moved_mm - link.inner_moved_mm <= 0).mean())
