"""Random tubes, grown in three dimensions and projected: vessel trees, aortas and devices as optical thickness.

Everything is drawn at twice the output size and averaged down, so that widths and edges are sub-pixel exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d

_OVERSAMPLING = 2
STEP_PX = 1.5
# Readers of coronary angiograms draw the border where two thirds of the middle's darkness are left (measured on a
# public set, github fercer/Coronary). This level gives such outlines; it is not 2/3, as `_readers_radius` approximates.
_READERS_LEVEL = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tube:
    """A projected tube.

    Args:
        points_px: (column, row) along its axis.
        radii_px: one per point.
        path_factor: length of a ray inside the tube relative to the tube's width (foreshortening), one per point.
    """

    points_px: Float[np.ndarray, "n 2"]
    radii_px: Float[np.ndarray, " n"]
    path_factor: Float[np.ndarray, " n"]


def grow_axis(
    random: np.random.Generator,
    start: Float[np.ndarray, " 3"],
    direction: Float[np.ndarray, " 3"],
    length_px: float,
    bend: float,
    tortuosity: float,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """A smooth random walk in space: points and directions, in steps of 1.5 px.

    `bend` is the slow change of direction (about rad per 100 px), `tortuosity` the fast one.
    """
    steps = max(int(length_px / STEP_PX), 4)
    slow = gaussian_filter1d(random.normal(size=(steps, 3)), max(steps / 6, 2), axis=0)
    fast = gaussian_filter1d(random.normal(size=(steps, 3)), random.uniform(4, 9), axis=0)
    slow *= bend / 65 / (np.std(slow) + 1e-9)
    fast *= tortuosity / 7 / (np.std(fast) + 1e-9)
    directions = direction / np.linalg.norm(direction) + np.cumsum(slow + fast, axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True) + 1e-9
    return start + np.cumsum(directions, axis=0) * STEP_PX, directions


def grow_tree(
    random: np.random.Generator,
    size_px: int,
    *,
    root_radius_px: tuple[float, float],
    smallest_radius_px: float,
    straight: bool = False,
) -> list[Tube]:
    """A branching tree whose first tube is the root; branches taper, wind, narrow and overlap."""
    angle = random.uniform(0, 2 * np.pi)
    centre = random.uniform(0.25, 0.75, 2) * size_px
    heading = np.array([np.cos(angle), np.sin(angle), random.normal(0, 0.4)])
    start = np.array([*(centre - heading[:2] * size_px * random.uniform(0.25, 0.6)), 0.0])
    reach_px = size_px * random.uniform(0.6, 1.4)
    tortuosity = 0.0 if straight else random.choice([0.1, 0.5, 1.2]) * random.uniform(0.3, 1.0)
    bend = random.uniform(0.0, 0.6) if straight else random.uniform(0.3, 2.2)
    spawn_every_px = random.uniform(14, 60)
    tubes: list[Tube] = []
    queue = [(start, heading, random.uniform(*root_radius_px), reach_px, 0)]
    while queue and len(tubes) < 18:
        position, direction, radius, length, depth = queue.pop(0)
        axis, directions = grow_axis(random, position, direction, length, bend, tortuosity)
        taper = 1.0 if straight else random.uniform(0.35, 0.9)
        radii = radius * np.linspace(1.0, taper, len(axis)) * irregular(random, len(axis), straight)
        across = np.hypot(directions[:, 0], directions[:, 1])
        tubes.append(
            Tube(points_px=axis[:, :2], radii_px=np.maximum(radii, 0.35), path_factor=1 / np.maximum(across, 0.35))
        )
        if depth >= 4:
            continue
        for at in range(int(random.uniform(0.1, 0.8) * spawn_every_px), len(axis) - 3, int(spawn_every_px)):
            at = int(np.clip(at + random.normal(0, 5), 1, len(axis) - 2))
            child_radius = radii[at] * random.uniform(0.45, 0.95)
            if child_radius < smallest_radius_px:
                continue
            turn = random.normal(size=3)
            turn -= directions[at] * turn.dot(directions[at])
            child = directions[at] + turn / (np.linalg.norm(turn) + 1e-9) * np.tan(random.uniform(0.3, 1.25))
            queue.append((axis[at], child, child_radius, length * random.uniform(0.35, 0.95), depth + 1))
    return tubes


def irregular(random: np.random.Generator, count: int, straight: bool = False) -> Float[np.ndarray, " n"]:
    """Wall irregularity and, sometimes, stenoses or an aneurysm."""
    if straight:
        return np.ones(count)
    factor = 1 + random.uniform(0, 0.12) * gaussian_filter1d(random.normal(size=count), 6) * 4
    along = np.arange(count)
    for _ in range(random.poisson(0.4)):
        depth = random.uniform(-0.5, 0.75)
        factor *= 1 - depth * np.exp(-(((along - random.uniform(0, count)) / random.uniform(2, 8)) ** 2))
    return np.clip(factor, 0.25, 1.8)


def thickness_px(
    tubes: list[Tube],
    size_px: int,
    fill: Float[np.ndarray, " n"] | None = None,
    *,
    merge_roots: bool = True,
    seen_through_blur_px: float | None = None,
    shown: Bool[np.ndarray, " n"] | None = None,
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """The ray's path length through all tubes (crossings add up), and the coverage 0..1 of their outlines.

    `fill` scales a tube's contrast. With `merge_roots` a tube fades in over its first radius, so that a branch
    does not darken the parent it starts in. With `seen_through_blur_px`, the detector's blur, the outline lies where a
    reader draws it (see `_readers_radius`) instead of at the geometric edge, which is not dark yet. Only tubes in
    `shown` get an outline.
    """
    fine = size_px * _OVERSAMPLING
    path = np.zeros((fine, fine), np.float32)
    cover = np.zeros((fine, fine), np.float32)
    for index, tube in enumerate(tubes):
        drawn = _draw(tube, fine, ramp=merge_roots and index > 0, blur_px=seen_through_blur_px)
        if drawn is None:
            continue
        rows, columns, way, inside = drawn
        path[rows, columns] += way * (1.0 if fill is None else fill[index])
        if shown is None or shown[index]:
            cover[rows, columns] = np.maximum(cover[rows, columns], inside)
    shrink = (size_px, size_px)
    return (
        cv2.resize(path, shrink, interpolation=cv2.INTER_AREA) / _OVERSAMPLING,
        cv2.resize(cover, shrink, interpolation=cv2.INTER_AREA),
    )


def _readers_radius(radius: np.ndarray, blur: float) -> np.ndarray:
    """The radius at which a cylinder's profile, blurred by a Gaussian, falls to the readers' level.

    Exact for a wide vessel (its chord) and for a thin one (the Gaussian alone); the quadratic sum of both in between.
    """
    chord = np.sqrt(1 - _READERS_LEVEL**2) * radius
    return np.hypot(chord, np.sqrt(-2 * np.log(_READERS_LEVEL)) * blur)


def _draw(tube: Tube, fine: int, *, ramp: bool, blur_px: float | None):
    points = (tube.points_px + 0.5) * _OVERSAMPLING - 0.5
    radii = tube.radii_px * _OVERSAMPLING
    reach = float(radii.max()) + 2
    low = np.maximum(np.floor(points.min(0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(points.max(0) + reach) + 1, fine).astype(int)
    if (high - low < 3).any():
        return None
    # One dense chain of pixels; each pixel stores its position along the tube.
    dense = np.linspace(0, len(points) - 1, len(points) * 4 * _OVERSAMPLING // 2)
    columns = np.interp(dense, np.arange(len(points)), points[:, 0]) - low[0]
    rows = np.interp(dense, np.arange(len(points)), points[:, 1]) - low[1]
    shape = (high[1] - low[1], high[0] - low[0])
    column, row = np.rint(columns).astype(int), np.rint(rows).astype(int)
    keep = (column >= 0) & (row >= 0) & (column < shape[1]) & (row < shape[0])
    if not keep.any():
        return None
    far = np.full(shape, 255, np.uint8)
    far[row[keep], column[keep]] = 0
    distance, label = cv2.distanceTransformWithLabels(far, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    label = np.asarray(label, dtype=np.intp)
    position_of_label = np.zeros(label.max() + 1, np.float32)
    position_of_label[label[row[keep], column[keep]]] = dense[keep]
    position = position_of_label[label]
    along = np.arange(len(points))
    radius = np.interp(position, along, radii).astype(np.float32)
    way = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0)) * np.interp(position, along, tube.path_factor)
    if ramp:
        way *= np.clip(position * STEP_PX / max(tube.radii_px[0] * 2, 1.0), 0, 1)
    border = radius if blur_px is None else _readers_radius(radius, blur_px * _OVERSAMPLING)
    inside = np.clip(border - distance + 0.5, 0, 1)
    return slice(low[1], high[1]), slice(low[0], high[0]), way.astype(np.float32), inside.astype(np.float32)
