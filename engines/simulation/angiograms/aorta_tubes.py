"""Tubes of the aorta for training pictures: the root with the arch, and the bifurcation with the iliac arteries."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from engines.simulation.angiograms.vessel_trees import Tube, grow_axis


def upper_aorta(random: np.random.Generator, size: int) -> list[Tube]:
    """Root with sinuses, ascending aorta, arch and descending aorta, from almost any side."""
    radius = random.uniform(9, 28)
    bend = random.uniform(1.2, 3.5) * radius
    steps = np.linspace(0, 1, 120)
    turn = steps * random.uniform(0.3, 1.0) * np.pi
    arch = np.column_stack([-bend * np.cos(turn), -bend * np.sin(turn)])
    root = arch[0] + np.column_stack([_drift(random, 60, 6), np.linspace(random.uniform(0.8, 3) * radius, 0, 60)])
    line = np.vstack([root, arch[1:]])
    if random.random() < 0.6:
        down = arch[-1] + np.column_stack([_drift(random, 90, 8), np.linspace(0, size, 90)])
        line = np.vstack([line, down[1:]])
    line = line * np.array([random.uniform(0.15, 1.0) * random.choice([-1, 1]), 1.0])  # seen obliquely
    rotation = cv2.getRotationMatrix2D((0, 0), random.normal(0, 15), 1.0)[:, :2]
    line = line @ rotation.T + np.array([random.uniform(0.3, 0.7), random.uniform(0.3, 0.75)]) * size
    along = np.linspace(0, 1, len(line))
    radii = radius * (1 - random.uniform(0, 0.35) * along)
    tubes = [Tube(points_px=line, radii_px=radii, path_factor=np.ones(len(line)))]
    for _ in range(3):  # sinuses bulge at the annulus
        bulge = line[:6] + random.normal(0, radius * 0.3, 2) + np.array([0, random.uniform(0, 0.5) * radius])
        bulge_radii = np.full(len(bulge), radius * random.uniform(0.6, 0.95))
        tubes.append(Tube(points_px=bulge, radii_px=bulge_radii, path_factor=np.ones(len(bulge))))
    for at in random.integers(60, len(line), random.integers(0, 4)):  # arch branches
        heading = np.array([random.normal(0, 0.5), -1.0, 0.0])
        axis, _ = grow_axis(random, np.array([*line[at], 0.0]), heading, size * random.uniform(0.2, 0.6), 0.8, 0.2)
        radii = np.full(len(axis), radius * random.uniform(0.15, 0.4))
        tubes.append(Tube(points_px=axis[:, :2], radii_px=radii, path_factor=np.ones(len(axis))))
    return tubes


def lower_aorta(random: np.random.Generator, size: int) -> list[Tube]:
    """Abdominal aorta, bifurcation, iliac and femoral arteries; often only one side or one level is visible."""
    radius = random.uniform(5, 18)
    fork = np.array([random.uniform(0.2, 0.8), random.uniform(-0.2, 0.8)]) * size
    top, _ = grow_axis(random, np.array([*fork, 0.0]), np.array([random.normal(0, 0.2), -1, 0]), size, 0.5, 0.1)
    tubes = [Tube(points_px=top[:, :2], radii_px=np.full(len(top), radius), path_factor=np.ones(len(top)))]
    sides = [(-1,), (1,), (-1, 1), (-1, 1)][random.integers(4)]
    for side in sides:
        heading = np.array([side * random.uniform(0.2, 0.9), 1.0, random.normal(0, 0.3)])
        axis, _ = grow_axis(
            random, np.array([*fork, 0.0]), heading, 1.3 * size, random.uniform(0.3, 1.5), random.uniform(0, 0.5)
        )
        radii = radius * random.uniform(0.45, 0.7) * np.linspace(1, random.uniform(0.6, 1), len(axis))
        tubes.append(Tube(points_px=axis[:, :2], radii_px=radii, path_factor=np.ones(len(axis))))
        for at in random.integers(10, len(axis), random.integers(0, 4)):
            branch, _ = grow_axis(random, axis[at], np.array([*random.normal(0, 1, 2), 0]), size * 0.5, 1.0, 0.4)
            thin = np.linspace(radii[at] * 0.6, 0.8, len(branch))
            tubes.append(Tube(points_px=branch[:, :2], radii_px=thin, path_factor=np.ones(len(branch))))
    return tubes


def _drift(random: np.random.Generator, count: int, spread: float) -> Float[np.ndarray, " n"]:
    """A smooth sideways drift that starts at zero."""
    drift = np.cumsum(random.normal(0, spread / 10, count))
    return np.convolve(np.pad(drift, 10, mode="edge"), np.ones(21) / 21, mode="valid")[:count] - drift[0]
