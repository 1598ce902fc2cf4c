"""Coronary arteries on the epicardium of a simulated heart, with lumen radii, stenoses and dominance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from engines.simulation.cmr.heart_shape import HeartShape

_STEP_MM = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artery:
    """One branch from origin to tip, in the heart's frame.

    Args:
        vessel: LAD, LCx or RCA, whose territory it feeds; "" for the left main.
        feeds: which points lie on the LV and feed it.
        parent: name of the branch that it springs from, "" for none.
    """

    name: str
    vessel: str
    points: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    feeds: np.ndarray
    parent: str = ""

    @property
    def along_mm(self) -> Float[np.ndarray, " n"]:
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesion:
    branch: str
    vessel: str
    percent: float
    index: int


def draw_tree(shape: HeartShape, random: np.random.Generator) -> tuple[list[Artery], str]:
    """Arteries and the dominance (right, left or balanced)."""
    anterior, inferior = shape.insertions()
    dominance = str(random.choice(["right", "left", "balanced"], p=[0.74, 0.13, 0.13]))
    length = shape.length_mm
    fat = random.uniform(1.0, 2.5)

    def on_wall(levels: list[float], degrees: list[float]) -> Float[np.ndarray, "n 3"]:
        """A smooth line through (share of the length, angle against the x axis), a little tortuous."""
        t = np.linspace(0, 1, len(levels))
        fine = np.linspace(0, 1, 220)
        wiggle = sum(random.normal(0, 1.6) * np.sin(np.pi * k * fine) / k for k in (2, 3, 5))
        z = CubicSpline(t, np.array(levels) * length)(fine)
        theta = np.deg2rad(CubicSpline(t, degrees)(fine) + wiggle)
        return shape.surface(np.clip(z, -0.6 * shape.apex_wall_mm, None), theta, off_mm=fat)

    ant, inf = float(np.rad2deg(anterior)), float(np.rad2deg(inferior))
    root = np.array([6.0, 14.0, length + 16.0])  # left coronary sinus
    split = shape.surface(np.array(length * 1.02), np.deg2rad(ant + 28.0), off_mm=3.0)
    trees: list[Artery] = []

    def add(
        name: str, vessel: str, points: np.ndarray, start: float, end: float, parent: str, feeds_from: float = 0.0
    ) -> None:
        spaced = _spaced(points)
        t = np.linspace(0, 1, len(spaced))
        noise = sum(random.normal(0, 0.02) * np.sin(2 * np.pi * k * t + random.uniform(0, 6)) for k in (2, 4, 7))
        radius = (start * (1 - t) + end * t) * (1 + noise)
        trees.append(
            Artery(name=name, vessel=vessel, points=spaced, radius_mm=radius, feeds=t >= feeds_from, parent=parent)
        )

    left_main = random.uniform(2.0, 2.5)
    lad, lcx, rca = (random.uniform(low, high) for low, high in ((1.6, 2.0), (1.4, 1.9), (1.5, 2.1)))
    add("LM", "", np.stack([root, 0.5 * (root + split) + [2.0, 3.0, 0.0], split]), left_main, 0.95 * left_main, "", 2.0)
    tip = random.choice([0.12, 0.03, -0.03])
    main = on_wall([0.98, 0.75, 0.5, 0.28, tip], [ant + 18, ant + 2, ant - 2, ant - 4, ant - 6 - random.uniform(0, 15)])
    add("LAD", "LAD", np.concatenate([split[None], main]), lad, 0.7, "LM", 0.06)
    for index in range(int(random.integers(1, 4))):
        at = 0.86 - 0.17 * index
        begin = _nearest(main, at * length)
        reach = random.uniform(28, 62)
        line = on_wall([at, at - 0.12, at - 0.30], [begin[1], begin[1] + 0.55 * reach, begin[1] + reach])
        add(f"D{index + 1}", "LAD", np.concatenate([begin[0][None], line[8:]]), random.uniform(0.8, 1.15), 0.5, "LAD")
    end = {"right": random.uniform(215, 255), "balanced": 275.0, "left": 360.0 + inf + 8}[dominance]
    groove = on_wall([0.99, 0.98, 0.985, 0.98], [ant + 34, ant + 70, 0.5 * (ant + 60 + end), end])
    add("LCx", "LCx", np.concatenate([split[None], groove]), lcx, 0.75, "LM", 0.10)
    for index in range(int(random.integers(1, 4))):
        begin = groove[min(int((0.25 + 0.25 * index) * len(groove)), len(groove) - 10)]
        angle = float(np.rad2deg(np.arctan2(begin[1], begin[0]))) % 360
        reach, down = random.uniform(6, 26), random.uniform(0.25, 0.5)
        line = on_wall([0.96, 0.5 * (0.96 + down), down], [angle, angle + 0.7 * reach, angle + reach])
        add(f"OM{index + 1}", "LCx", np.concatenate([begin[None], line[4:]]), random.uniform(0.8, 1.2), 0.5, "LCx")
    groove_rv = np.stack(
        [
            [14.0, 10.0, length + 18.0],
            [36.0, 30.0, length + 10.0],
            [64.0, 14.0, length + 6.0],
            [66.0, -14.0, length + 4.0],
            [44.0, -38.0, length + 3.0],
        ]
    )
    crux = shape.surface(np.array(0.985 * length), np.deg2rad(inf - 2.0), off_mm=fat)
    feeder = "LCx" if dominance == "left" else "RCA"
    stop = groove_rv[-2] if dominance == "left" else crux
    right = np.concatenate([groove_rv if dominance != "left" else groove_rv[:3], stop[None]])
    add("RCA", "RCA", right, rca, 0.6 * rca, "", 0.97 if dominance != "left" else 2.0)
    down = random.uniform(0.12, 0.35)
    pda = on_wall([0.97, 0.7, 0.4, down], [inf - 1, inf + 2, inf + 3, inf + 6])
    start = crux if dominance != "left" else trees[[a.name for a in trees].index("LCx")].points[-1]
    add("PDA", feeder, np.concatenate([start[None], pda]), random.uniform(0.9, 1.2), 0.5, feeder)
    if dominance == "right":
        reach = random.uniform(22, 48)
        line = on_wall([0.97, 0.92, 0.62], [inf - 4, inf - 0.6 * reach, inf - reach])
        add("PL", "RCA", np.concatenate([crux[None], line[4:]]), random.uniform(0.8, 1.1), 0.5, "RCA")
    return trees, dominance


def _nearest(line: np.ndarray, z: float) -> tuple[np.ndarray, float]:
    point = line[int(np.argmin(np.abs(line[:, 2] - z)))]
    return point, float(np.rad2deg(np.arctan2(point[1], point[0])))


def _spaced(points: np.ndarray) -> np.ndarray:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(along) > 1e-6])
    spline = CubicSpline(along[keep], points[keep]) if keep.sum() > 3 else None
    where = np.arange(0.0, along[-1] + 0.5 * _STEP_MM, _STEP_MM)
    where = where[where <= along[-1]]
    if spline is not None and len(points) < 12:
        return np.asarray(spline(where))
    return np.stack([np.interp(where, along, points[:, axis]) for axis in range(3)], axis=1)


def narrowed(arteries: list[Artery], random: np.random.Generator) -> tuple[list[Artery], list[Lesion]]:
    """The arteries with none to two stenoses."""
    lesions: list[Lesion] = []
    count = int(random.choice([0, 1, 2], p=[0.15, 0.6, 0.25]))
    for vessel in random.choice(["LAD", "LCx", "RCA"], size=count, replace=False, p=[0.45, 0.25, 0.3]):
        index = next(k for k, artery in enumerate(arteries) if artery.name == vessel)
        artery = arteries[index]
        along = artery.along_mm
        at = random.uniform(12.0, min(45.0, 0.55 * along[-1])) if vessel != "RCA" else random.uniform(15.0, 70.0)
        at = min(at, 0.6 * along[-1])
        percent, half = random.uniform(35, 88), random.uniform(2.5, 6.0)
        dip = (percent / 100.0) * np.exp(-0.5 * ((along - at) / (0.6 * half)) ** 2)
        arteries[index] = replace(artery, radius_mm=artery.radius_mm * (1.0 - dip))
        lesions.append(
            Lesion(
                branch=artery.name,
                vessel=artery.vessel,
                percent=float(percent),
                index=int(np.argmin(np.abs(along - at))),
            )
        )
    return arteries, lesions


def downstream(arteries: list[Artery], lesion: Lesion) -> list[tuple[int, np.ndarray]]:
    """For each artery that hangs on the lesion's: which of its points lie beyond the lesion."""
    found: list[tuple[int, np.ndarray]] = []
    names = [artery.name for artery in arteries]
    at = names.index(lesion.branch)
    beyond = np.arange(len(arteries[at].points)) >= lesion.index
    found.append((at, beyond))
    queue = [(at, beyond)]
    while queue:
        parent, open_points = queue.pop()
        for index, artery in enumerate(arteries):
            if artery.parent == names[parent]:
                origin = np.linalg.norm(arteries[parent].points - artery.points[0], axis=1).argmin()
                if open_points[origin]:
                    found.append((index, np.ones(len(artery.points), dtype=bool)))
                    queue.append(found[-1])
    return found
