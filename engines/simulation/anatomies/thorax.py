"""A chest: skin, spine, ribs, sternum, lungs with their vessels, heart, diaphragm.

Body frame: origin at the base of the heart, in the middle from left to right; axes as LPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from engines.anatomy.vessel_model import Branch
from engines.simulation.anatomies.anatomy import HeartFrame
from engines.simulation.shapes.curve import meander, smooth_path
from engines.simulation.shapes.voxels import (
    AIR_HU,
    FAT_HU,
    MUSCLE_HU,
    Grid,
    inside_ellipsoid,
    paint_bone_tubes,
    tube_distance_mm,
)

_LUNG_HU = -830.0
_LIVER_HU = 60.0
_XRAY_GRID = ((-172.0, -108.0, -165.0), (172.0, 124.0, 140.0), 2.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chest:
    """A chest: drawn once per patient, painted on any grid.

    Args:
        width: scale relative to an average chest, left to right.
        depth: scale relative to an average chest, front to back.
        dome_mm: height of the right diaphragm.
        heart: frame of the heart, body frame.
        heart_radius_mm: at its base, along u and v.
        bones: ribs and the processes of the spine, as tubes.
        spine_x_mm: sideways bend of the spine over z (scoliosis), coefficients.
        lung_vessels: vessels of the lungs, as tubes.
    """

    width: float
    depth: float
    dome_mm: float
    heart: HeartFrame
    heart_radius_mm: tuple[float, float]
    bones: tuple[Branch, ...]
    spine_bend: tuple[float, float]
    lung_vessels: tuple[Branch, ...]


def xray_grid() -> Grid:
    low, high, spacing = _XRAY_GRID
    return Grid.covering(low, high, spacing)


def draw_chest(rng: np.random.Generator) -> Chest:
    """Draw a patient's chest and heart axes."""
    width, depth = rng.uniform(0.9, 1.08), rng.uniform(0.9, 1.08)
    long_axis = np.array([0.605, -0.50, -0.62]) + rng.normal(scale=0.06, size=3)
    long_axis /= np.linalg.norm(long_axis)
    u = np.array([0.16, -0.67, 0.70]) + rng.normal(scale=0.05, size=3)
    u -= (u @ long_axis) * long_axis
    u /= np.linalg.norm(u)
    axes = np.vstack([u, np.cross(long_axis, u), long_axis])
    heart = HeartFrame(
        base_mm=np.array([0.0, -4.0, 0.0]) + rng.normal(scale=2.0, size=3), axes=axes, length_mm=rng.uniform(84, 98)
    )
    bend = (rng.normal(scale=3.0), rng.uniform(0, 2 * np.pi))
    return Chest(
        width=width,
        depth=depth,
        dome_mm=rng.uniform(-72, -52),
        heart=heart,
        heart_radius_mm=(rng.uniform(40, 45), rng.uniform(44, 50)),
        bones=tuple(_ribs(rng, width, depth) + _spine_processes(bend)),
        spine_bend=bend,
        lung_vessels=tuple(_lung_vessels(rng, width)),
    )


def paint_chest(
    grid: Grid, chest: Chest, *, with_heart: bool = True, great_vessels: Sequence[Branch] = ()
) -> Float32[np.ndarray, "i j k"]:
    """Hounsfield units without contrast; `with_heart=False` omits the moving organs: heart, liver and diaphragm."""
    x, y, z = grid.axes_mm()
    taper = np.sqrt(np.clip(1.0 - (np.clip(z - 20.0, 0.0, None) / 175.0) ** 2, 0.2, 1.0))
    body = np.sqrt((x / (158.0 * chest.width)) ** 2 + ((y - 8.0) / (104.0 * chest.depth)) ** 2)
    cage = np.sqrt((x / (138.0 * chest.width * taper)) ** 2 + ((y - 8.0) / (90.0 * chest.depth * taper)) ** 2)
    hu = np.full(grid.shape, AIR_HU, dtype=np.float32)
    hu[np.broadcast_to(body < 1.0, grid.shape)] = FAT_HU
    hu[(cage < 1.12) & (body < 0.96)] = MUSCLE_HU
    narrow = 22.0 + 6.0 * np.tanh((40.0 - np.abs(z - 10.0)) / 30.0) + 2.0 * np.sin(z / 17.0) + 0.04 * np.abs(y)
    middle = np.sqrt((x / narrow) ** 2 + ((y - 2.0) / 86.0) ** 2) < 1.0
    behind = np.sqrt((x / 42.0) ** 2 + ((y - 74.0) / 34.0) ** 2) < 1.0
    lung = (cage < 0.95) & ~middle & ~behind & (z < 128.0)
    hu[lung] = _LUNG_HU
    hu[(cage < 0.95) & middle & (y < 45.0)] = 15.0  # mediastinal fat and vessels
    vessels = tube_distance_mm(grid, chest.lung_vessels, margin_mm=grid.spacing_mm)
    share = np.clip(0.5 - vessels / grid.spacing_mm, 0.0, 1.0) * (hu < -600)
    hu += share * (MUSCLE_HU - hu)
    soft = (*great_vessels, *_great_veins())
    hu[(tube_distance_mm(grid, soft, margin_mm=grid.spacing_mm) < 1.5) & (hu < 20.0)] = MUSCLE_HU
    if with_heart:
        _paint_heart(grid, chest, hu)
        _paint_below_diaphragm(grid, chest, hu, cage)
    airway = [
        Branch(points_mm=np.array([[0.0, 22, 130], [0, 24, 45]]), radius_mm=np.array([8.5, 8.0])),
        Branch(points_mm=np.array([[0.0, 24, 47], [-34, 22, 18]]), radius_mm=np.array([7.0, 5.0])),
        Branch(points_mm=np.array([[0.0, 24, 47], [40, 26, 12]]), radius_mm=np.array([6.5, 4.5])),
    ]
    hu[tube_distance_mm(grid, airway, margin_mm=grid.spacing_mm) < 0] = AIR_HU
    _paint_spine(grid, chest, hu)
    paint_bone_tubes(grid, hu, chest.bones, cortex_mm=2.2, cortex_hu=900.0, marrow_hu=200.0)
    return hu


def heart_level(grid: Grid, chest: Chest, scale: float = 1.0) -> Float32[np.ndarray, "i j k"]:
    """A level function that is 1 on the heart's surface; rounder than an ellipsoid at the base."""
    x, y, z = (axis - np.float32(origin) for axis, origin in zip(grid.axes_mm(), chest.heart.base_mm, strict=True))
    local = [(axis[0] * x + axis[1] * y + axis[2] * z).astype(np.float32) for axis in chest.heart.axes]
    u, v = (local[k] / np.float32(scale * chest.heart_radius_mm[k]) for k in range(2))
    w = local[2] / np.float32(chest.heart.length_mm) - 0.1
    w = np.where(w > 0, w / np.float32(0.9 * scale), w / 0.32)
    return np.sqrt(u * u + v * v + w * w)


def _great_veins() -> tuple[Branch, ...]:
    cava = np.array([[-27.0, 2, 105], [-29, 4, 60], [-28, 6, 10]])
    lower = np.array([[-24.0, 16, -50], [-25, 20, -120]])
    pulmonary = np.array([[6.0, -30, 28], [14, -8, 44], [40, 14, 22]])
    return (
        Branch(points_mm=cava, radius_mm=np.full(3, 10.0)),
        Branch(points_mm=lower, radius_mm=np.full(2, 12.0)),
        Branch(points_mm=pulmonary, radius_mm=np.array([14.0, 13.0, 9.0])),
        Branch(points_mm=pulmonary * [-0.9, 1, 1] + [4, 0, 0], radius_mm=np.array([12.0, 11.0, 9.0])),
    )


def _paint_heart(grid: Grid, chest: Chest, hu: Float32[np.ndarray, "i j k"]) -> None:
    level = heart_level(grid, chest)
    hu[(level < 1.12) & (hu < 0)] = FAT_HU
    hu[level < 1.0] = MUSCLE_HU


def _paint_below_diaphragm(
    grid: Grid, chest: Chest, hu: Float32[np.ndarray, "i j k"], cage: Float32[np.ndarray, "i j k"]
) -> None:
    x, y, z = grid.axes_mm()
    right = np.exp(-(((x + 62.0) / 62.0) ** 2) - (((y + 5.0) / 75.0) ** 2))
    left = np.exp(-(((x - 66.0) / 62.0) ** 2) - (((y + 5.0) / 75.0) ** 2))
    height = chest.dome_mm - 62.0 + 62.0 * np.maximum(right, 0.85 * left)
    below = (z < height) & (cage < 0.95)
    hu[below & (hu < 0)] = _LIVER_HU
    stomach = inside_ellipsoid(grid, (58, -20, chest.dome_mm - 34), (26, 22, 16))
    hu[stomach & below] = -950.0


def _spine_x_mm(z: np.ndarray, bend: tuple[float, float]) -> np.ndarray:
    return bend[0] * np.sin(z / 70.0 + bend[1])


def _paint_spine(grid: Grid, chest: Chest, hu: Float32[np.ndarray, "i j k"]) -> None:
    x, y, z = grid.axes_mm()
    pitch, disc = 24.5, 5.0
    local_z = np.mod(z, pitch)
    side = x - _spine_x_mm(z, chest.spine_bend)
    waist = 1.0 - 0.1 * np.cos(2 * np.pi * (local_z - 0.5 * disc) / pitch + np.pi)
    level = np.sqrt((side / (18.5 * waist)) ** 2 + ((y - 63.0) / (15.5 * waist)) ** 2)
    body = (level < 1.0) & (local_z > disc)
    near_plate = (local_z < disc + 2.5) | (local_z > pitch - 2.5)
    shell = (level > 0.87) | near_plate
    hu[body] = 250.0
    hu[body & shell] = 850.0
    hu[(level < 1.0) & (local_z <= disc)] = 80.0
    canal = np.sqrt((side / 9.0) ** 2 + ((y - 86.0) / 8.0) ** 2) < 1.0
    hu[np.broadcast_to(canal, hu.shape)] = 20.0


def _spine_processes(bend: tuple[float, float]) -> list[Branch]:
    bones: list[Branch] = []
    for level in range(-7, 7):
        z = 24.5 * level + 15.0
        x = float(_spine_x_mm(np.array(z), bend))
        for side in (-1, 1):
            pedicle = np.array([[x + side * 9, 76, z], [x + side * 11, 92, z]])
            transverse = np.array([[x + side * 11, 92, z], [x + side * 30, 100, z + 3]])
            lamina = np.array([[x + side * 11, 92, z], [x, 102, z - 6]])
            for points, radius in ((pedicle, 4.0), (transverse, 3.6), (lamina, 3.2)):
                bones.append(Branch(points_mm=points, radius_mm=np.full(2, radius)))
        spinous = np.array([[x, 100, z - 4], [x, 114, z - 20]])
        bones.append(Branch(points_mm=spinous, radius_mm=np.array([3.5, 3.0])))
    return bones


def _ribs(rng: np.random.Generator, width: float, depth: float) -> list[Branch]:
    bones: list[Branch] = []
    drop = rng.uniform(45, 70)
    for level in range(-5, 7):
        z = 24.5 * level - 2.0
        narrow = np.sqrt(np.clip(1.0 - (max(z - 20.0, 0.0) / 175.0) ** 2, 0.2, 1.0))
        for side in (-1, 1):
            angle = np.linspace(0.18, 2.55 if level > -3 else 2.0, 60)
            x = side * 139.0 * width * narrow * np.sin(angle)
            y = 8.0 + 90.0 * depth * narrow * np.cos(angle) - 6.0 * np.exp(-((angle / 0.25) ** 2))
            height = z - drop * (1 - np.cos(angle)) / 2 + rng.normal(scale=1.0)
            path = np.column_stack([x, y, height])
            bones.append(Branch(points_mm=path, radius_mm=np.interp(angle, [0.2, 0.6, 2.5], [3.6, 5.0, 5.6])))
    for side in (-1, 1):
        sternum = np.array(
            [[side * 7.0, 8 - 88 * depth, 78], [side * 9, 8 - 92 * depth, 30], [side * 6, 8 - 94 * depth, -48]]
        )
        bones.append(Branch(points_mm=sternum, radius_mm=np.array([7.0, 6.0, 4.5])))
        clavicle = np.array([[side * 10.0, -72 * depth, 92], [side * 70, -60, 108], [side * 140, -20, 122]])
        bones.append(Branch(points_mm=clavicle, radius_mm=np.array([7.0, 5.0, 6.0])))
    return bones


def _lung_vessels(rng: np.random.Generator, width: float) -> list[Branch]:
    tubes: list[Branch] = []
    for side in (-1, 1):
        hilum = np.array([side * 34.0, 18.0, 8.0])
        for _ in range(16):
            far = np.array([side * rng.uniform(75, 128) * width, rng.uniform(-60, 75), rng.uniform(-80, 100)])
            bow = 0.5 * (hilum + far) + rng.normal(scale=8, size=3)
            path = meander(rng, smooth_path(np.array([hilum, bow, far]), 3.0), amplitude_mm=2.0, wavelength_mm=40)
            size = rng.uniform(2.2, 4.2)
            tubes.append(Branch(points_mm=path, radius_mm=np.linspace(size, 0.7, len(path))))
            for _ in range(3):
                start = path[int(rng.uniform(0.25, 0.75) * len(path))]
                end = start + 0.45 * (far - hilum) + rng.normal(scale=18, size=3)
                tubes.append(
                    Branch(points_mm=np.array([start, 0.5 * (start + end) + rng.normal(scale=3, size=3), end]),
                           radius_mm=np.array([0.45 * size, 1.0, 0.5]))
                )  # fmt: skip
    return tubes
