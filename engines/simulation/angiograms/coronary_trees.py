"""Coronary-like trees for training pictures: main vessels in the grooves of an ellipsoidal heart, seen from any angle.

Only the topology of every anatomy book is fixed: a right artery around the right atrioventricular groove with its
posterior descending branch, and a left main that divides into the anterior descending and the circumflex. All courses,
calibres, side branches and angles are drawn from wider ranges than those of patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from engines.simulation.angiograms.vessel_trees import STEP_PX, Tube, grow_axis, irregular

Points = Float[np.ndarray, "n 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heart:
    """Semi-axes in px, deviation (rad) and tortuosity of courses, and the calibre of the first segment."""

    axes_px: Float[np.ndarray, " 3"]
    wander_rad: float
    tortuosity: float
    root_radius_px: float


def grow_coronaries(random: np.random.Generator, size_px: int) -> list[Tube]:
    """A right or a left coronary tree (seldom both) as projected tubes; the first one starts at the ostium."""
    size = random.uniform(55, 150)
    heart = _Heart(
        axes_px=size * random.uniform(0.8, 1.2, 3) * np.array([1.0, 0.9, 1.25]),
        wander_rad=random.uniform(0.02, 0.14),
        tortuosity=random.choice([0.0, 0.4, 1.2, 2.2]) * random.uniform(0.3, 1.0),
        root_radius_px=size * np.exp(random.uniform(np.log(0.02), np.log(0.055))),
    )
    sides = [(_right,), (_left,), (_right, _left)][random.choice(3, p=[0.45, 0.5, 0.05])]
    branches = [branch for grow in sides for branch in grow(random, heart)]
    view = _view(random)
    branches = [(points @ view.T, radii) for points, radii in branches]
    everything = np.vstack([points for points, _ in branches])
    # Put one point of the tree anywhere in the picture, so that crops show whole trees, parts and ends.
    anchor = everything[random.integers(len(everything))] if random.random() < 0.6 else everything.mean(0)
    shift = random.uniform(0.25, 0.75, 2) * size_px - anchor[:2]
    magnification = 1 + random.uniform(0, 0.15) * everything[:, 2] / size
    starts = np.cumsum([0, *[len(points) for points, _ in branches]])
    return [
        _tube(random, points, radii, magnification[first : first + len(points)], shift)
        for (points, radii), first in zip(branches, starts[:-1], strict=True)
    ]


def _tube(random: np.random.Generator, points: Points, radii: np.ndarray, magnification: np.ndarray, shift) -> Tube:
    flat = points[:, :2] * magnification[:, None] + shift
    directions = np.gradient(points, axis=0)
    across = np.hypot(directions[:, 0], directions[:, 1]) / (np.linalg.norm(directions, axis=1) + 1e-9)
    wall = irregular(random, len(points))
    return Tube(points_px=flat, radii_px=np.maximum(radii * wall, 0.4), path_factor=1 / np.maximum(across, 0.35))


def _right(random: np.random.Generator, heart: _Heart) -> list[tuple[Points, np.ndarray]]:
    """A right tree. Azimuth 0 is anterior, positive to the patient's right; latitude 0: valve plane, -90: apex."""
    turn = np.deg2rad(random.uniform(130, 190))
    first = np.deg2rad(random.uniform(5, 35))
    sag = np.deg2rad(random.uniform(-25, 10))
    groove = _course(
        random, heart, [(first, 0.6), (first + 0.35, 0.25), (0.5 * turn, sag), (0.8 * turn, sag * 0.8), (turn, 0.0)]
    )
    taper = random.uniform(0.6, 0.95)
    main = _branch(groove, heart.root_radius_px * random.uniform(0.8, 1.15), taper)
    branches = [main]
    end = main[1][-1]
    descending = [(turn, 0.0), (turn + random.normal(0, 0.2), -0.6), (turn + random.normal(0, 0.3), _deep(random))]
    branches.append(_branch(_course(random, heart, descending), end * random.uniform(0.5, 0.9), 0.4))
    for _ in range(random.integers(0, 4)):  # posterolateral
        out = turn + random.uniform(0.1, 0.8)
        way = [(turn, 0.0), (0.5 * (turn + out), -0.05), (out, -random.uniform(0.3, 1.1))]
        branches.append(_branch(_course(random, heart, way), end * random.uniform(0.4, 0.85), 0.4))
    for _ in range(random.integers(0, 5)):  # marginal, conus and atrial branches
        branches.append(_side(random, heart, main, aside=random.normal(-0.3, 0.4), down=random.normal(-0.5, 0.5)))
    return branches + _twigs(random, branches)


def _left(random: np.random.Generator, heart: _Heart) -> list[tuple[Points, np.ndarray]]:
    fork = (-random.uniform(0.3, 0.7), random.uniform(0.15, 0.45))
    stem = _branch(_course(random, heart, [(-0.15, 0.7), fork]), heart.root_radius_px, 0.95)
    branches = [stem]
    end = stem[1][-1]
    along = random.normal(0, 0.12, 3)
    anterior = [fork, (-0.35 + along[0], -0.2), (-0.2 + along[1], -0.8), (-0.1 + along[2], _deep(random))]
    lad = _branch(_course(random, heart, anterior), end * random.uniform(0.65, 0.95), random.uniform(0.3, 0.6))
    turn = -np.deg2rad(random.uniform(80, 175))
    around = [fork, (0.5 * (fork[0] + turn), random.uniform(-0.1, 0.2)), (turn, random.uniform(-0.5, 0.05))]
    lcx = _branch(_course(random, heart, around), end * random.uniform(0.55, 0.95), random.uniform(0.35, 0.8))
    branches += [lad, lcx]
    for _ in range(random.integers(1, 5)):  # diagonal branches
        branches.append(_side(random, heart, lad, aside=-random.uniform(0.2, 1.0), down=-random.uniform(0.2, 1.0)))
    for _ in range(random.integers(0, 6)):  # septal branches run inwards
        branches.append(_septal(random, heart, lad))
    for _ in range(random.integers(1, 5)):  # obtuse marginals
        branches.append(_side(random, heart, lcx, aside=random.normal(-0.1, 0.3), down=-random.uniform(0.4, 1.2)))
    if random.random() < 0.25:  # ramus
        way = [fork, (fork[0] - 0.4, -0.3), (fork[0] - random.uniform(0.4, 0.9), -random.uniform(0.6, 1.1))]
        branches.append(_branch(_course(random, heart, way), end * random.uniform(0.4, 0.8), 0.45))
    return branches + _twigs(random, branches)


def _deep(random: np.random.Generator) -> float:
    """Latitude at which a descending artery ends, at or before the apex."""
    return -random.uniform(0.9, 1.5)


def _course(random: np.random.Generator, heart: _Heart, waypoints: list[tuple[float, float]]) -> Points:
    """A smooth path over the heart's surface through (azimuth, latitude) in radians, in steps of about 1.5 px."""
    knots = np.array(waypoints)
    t = np.linspace(0, 1, len(knots))
    fine = np.linspace(0, 1, 400)
    azimuth, latitude = (PchipInterpolator(t, knots[:, axis])(fine) for axis in (0, 1))
    wander = [_smooth(random, 400, 60) * heart.wander_rad * np.sin(np.pi * fine) for _ in range(2)]
    wind = [_smooth(random, 400, random.uniform(6, 14)) * heart.tortuosity * 0.035 * np.sqrt(fine) for _ in range(3)]
    azimuth, latitude = azimuth + wander[0] + wind[0], latitude + wander[1] + wind[1]
    level = 1 + wind[2]
    points = heart.axes_px * np.column_stack(
        [
            np.cos(latitude) * np.sin(azimuth) * level,
            np.cos(latitude) * np.cos(azimuth) * level,
            np.sin(latitude) * level,
        ]
    )
    return _resampled(points)


def _resampled(points: Points) -> Points:
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    steps = max(int(along[-1] / STEP_PX), 4)
    even = np.linspace(0, along[-1], steps)
    return np.column_stack([np.interp(even, along, points[:, axis]) for axis in range(3)])


def _branch(points: Points, radius_px: float, taper: float) -> tuple[Points, np.ndarray]:
    return points, radius_px * np.linspace(1.0, taper, len(points))


def _side(random: np.random.Generator, heart: _Heart, parent, *, aside: float, down: float):
    """A branch over the surface from a random point of its parent; angles in radians, relative to that point."""
    points, radii = parent
    at = random.integers(int(0.08 * len(points)), max(int(0.9 * len(points)), 2))
    unit = points[at] / heart.axes_px
    unit = unit / np.linalg.norm(unit)
    azimuth, latitude = np.arctan2(unit[0], unit[1]), np.arcsin(np.clip(unit[2], -1, 1))
    bow = random.normal(0, 0.12, 2)
    way = [
        (azimuth, latitude),
        (azimuth + 0.55 * aside + bow[0], latitude + 0.4 * down + bow[1]),
        (azimuth + aside, np.clip(latitude + down, -1.5, 1.2)),
    ]
    course = _course(random, heart, way)
    course = course + (points[at] - course[0])
    return _branch(course, max(radii[at] * random.uniform(0.35, 0.8), 0.5), random.uniform(0.35, 0.8))


def _septal(random: np.random.Generator, heart: _Heart, parent):
    points, radii = parent
    at = random.integers(int(0.1 * len(points)), max(int(0.7 * len(points)), 2))
    inwards = -points[at] + random.normal(0, 0.3, 3) * heart.axes_px
    length = heart.axes_px[0] * random.uniform(0.2, 0.6)
    axis, _ = grow_axis(random, points[at], inwards, length, 0.5, heart.tortuosity * 0.3)
    return _branch(axis, max(radii[at] * random.uniform(0.25, 0.5), 0.45), 0.6)


def _twigs(random: np.random.Generator, branches: list) -> list:
    """Thin last branches from any branch."""
    twigs = []
    for _ in range(random.poisson(3)):
        points, radii = branches[random.integers(len(branches))]
        at = random.integers(len(points) // 3, len(points))
        axis, _ = grow_axis(
            random, points[at], random.normal(size=3), random.uniform(12, 60), random.uniform(0.3, 1.5), 0.4
        )
        twigs.append(_branch(axis, max(radii[at] * random.uniform(0.3, 0.7), 0.4), 0.7))
    return twigs


def _view(random: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """A view rotation (columns to the patient's left, rows to the feet): C-arm angles and a tilted heart."""
    front = np.array([[-1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    tilt = Rotation.from_euler("zxy", random.normal(0, [25, 20, 35]), degrees=True).as_matrix()
    angles = (
        [random.uniform(-65, 65), random.uniform(-45, 45)] if random.random() < 0.8 else random.uniform(-180, 180, 2)
    )
    return Rotation.from_euler("yx", angles, degrees=True).as_matrix() @ front @ tilt


def _smooth(random: np.random.Generator, count: int, grain: float) -> Float[np.ndarray, " n"]:
    noise = gaussian_filter1d(random.normal(size=count), grain, mode="nearest")
    return noise / (np.std(noise) + 1e-9)
