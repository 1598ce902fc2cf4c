"""A pelvis and lower abdomen: skin, lumbar spine, sacrum, hip bones, femora, bowel gas.

Body frame: origin at the aortic bifurcation, in front of the fourth lumbar vertebra; axes as LPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from engines.anatomy.vessel_model import Branch
from engines.simulation.shapes.curve import smooth_path
from engines.simulation.shapes.voxels import AIR_HU, FAT_HU, MUSCLE_HU, Grid, inside_ellipsoid, paint_bone_tubes

_XRAY_GRID = ((-185.0, -125.0, -300.0), (185.0, 135.0, 175.0), 2.2)
_VERTEBRA_PITCH_MM, _DISC_MM = 36.0, 9.0
_SPINE_Y_MM = 48.0
_GAS_HU = -930.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pelvis:
    """A pelvis: drawn once per patient, painted on any grid.

    Args:
        width: scale relative to an average body, left to right.
        depth: scale relative to an average body, front to back.
        spine_bend: sideways bend of the spine: amplitude in mm, phase in rad.
        spine_phase_mm: height of a disc above the origin.
        bones: hip bones, sacrum, femora and the processes of the spine, as tubes.
        gas: bowel gas as ellipsoids: centre and semi-axes, mm.
    """

    width: float
    depth: float
    spine_bend: tuple[float, float]
    spine_phase_mm: float
    bones: tuple[Branch, ...]
    gas: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]


def pelvis_xray_grid() -> Grid:
    low, high, spacing = _XRAY_GRID
    return Grid.covering(low, high, spacing)


def draw_pelvis(rng: np.random.Generator) -> Pelvis:
    """Draw a patient's pelvis."""
    width, depth = rng.uniform(0.9, 1.08), rng.uniform(0.88, 1.1)
    bend = (float(rng.normal(scale=4.0)), float(rng.uniform(0, 2 * np.pi)))
    bones = [*_sacrum(width), *_spine_processes(bend)]
    for side in (-1, 1):
        bones += [*_hip_bone(rng, side, width), *_femur(side, width)]
    gas = tuple(
        (
            (rng.uniform(-95, 95) * width, rng.uniform(-75, -10) * depth, rng.uniform(-170, 150)),
            tuple(rng.uniform(7, 24, size=3)),
        )
        for _ in range(int(rng.integers(4, 16)))
    )
    return Pelvis(
        width=width, depth=depth, spine_bend=bend, spine_phase_mm=float(rng.uniform(0, _VERTEBRA_PITCH_MM)),
        bones=tuple(bones), gas=gas,
    )  # fmt: skip


def paint_pelvis(grid: Grid, pelvis: Pelvis) -> Float32[np.ndarray, "i j k"]:
    """Hounsfield units without contrast."""
    x, y, z = grid.axes_mm()
    hips = 1.0 + 0.1 * np.exp(-(((z + 120.0) / 70.0) ** 2))
    body = np.sqrt((x / (160.0 * pelvis.width * hips)) ** 2 + ((y - 8.0) / (112.0 * pelvis.depth)) ** 2)
    hu = np.full(grid.shape, AIR_HU, dtype=np.float32)
    hu[np.broadcast_to(body < 1.0, grid.shape)] = FAT_HU
    wall = (body > 0.78) & (body < 0.88)
    back = (y > 50.0) & (body < 0.9) & (np.abs(x) < 85.0)
    hu[np.broadcast_to(wall | back, grid.shape)] = MUSCLE_HU
    for side in (-1, 1):
        # Psoas and iliacus run from beside the spine to the front of the hip.
        centre = side * (38.0 + 0.32 * np.clip(-z, 0.0, 160.0))
        psoas = np.sqrt(((x - centre) / 21.0) ** 2 + ((y - 34.0 - 0.25 * np.clip(z, -160.0, 0.0)) / 19.0) ** 2) < 1.0
        hu[np.broadcast_to(psoas & (body < 0.95), grid.shape)] = MUSCLE_HU
        thigh = np.sqrt(((x - side * 92.0) / 62.0) ** 2 + ((y - 5.0) / 68.0) ** 2) < 1.0
        hu[np.broadcast_to(thigh & (z < -165.0) & (body < 0.93), grid.shape)] = MUSCLE_HU
    hu[inside_ellipsoid(grid, (0, -25 * pelvis.depth, -150), (42, 34, 36))] = 8.0  # the bladder
    for centre_mm, semi_axes_mm in pelvis.gas:
        hu[inside_ellipsoid(grid, centre_mm, semi_axes_mm) & (body < 0.76)] = _GAS_HU
    _paint_spine(grid, pelvis, hu)
    paint_bone_tubes(grid, hu, pelvis.bones, cortex_mm=3.0, cortex_hu=1000.0, marrow_hu=240.0)
    return hu


def spine_x_mm(z: Float[np.ndarray, ...], bend: tuple[float, float]) -> Float[np.ndarray, ...]:
    return bend[0] * np.sin(z / 80.0 + bend[1])


def _paint_spine(grid: Grid, pelvis: Pelvis, hu: Float32[np.ndarray, "i j k"]) -> None:
    x, y, z = grid.axes_mm()
    local_z = np.mod(z + pelvis.spine_phase_mm, _VERTEBRA_PITCH_MM)
    side = x - spine_x_mm(z, pelvis.spine_bend)
    waist = 1.0 - 0.09 * np.cos(2 * np.pi * (local_z - 0.5 * _DISC_MM) / _VERTEBRA_PITCH_MM + np.pi)
    level = np.sqrt((side / (24.0 * waist)) ** 2 + ((y - _SPINE_Y_MM) / (17.5 * waist)) ** 2)
    present = z > -50.0
    body = (level < 1.0) & (local_z > _DISC_MM) & present
    plate = (local_z < _DISC_MM + 3.0) | (local_z > _VERTEBRA_PITCH_MM - 3.0)
    hu[body] = 220.0
    hu[body & ((level > 0.88) | plate)] = 780.0
    hu[(level < 1.0) & (local_z <= _DISC_MM) & present] = 85.0


def _spine_processes(bend: tuple[float, float]) -> list[Branch]:
    bones: list[Branch] = []
    for level in range(-1, 5):
        z = _VERTEBRA_PITCH_MM * level + 12.0
        x = float(spine_x_mm(np.array(z), bend))
        for side in (-1, 1):
            for points, radius in (
                ([[x + side * 13, 62, z], [x + side * 15, 80, z]], 5.0),
                ([[x + side * 15, 74, z], [x + side * 44, 76, z + 2]], 3.8),
                ([[x + side * 15, 80, z], [x, 94, z - 8]], 4.0),
            ):
                bones.append(_tube(points, (radius, radius)))
        bones.append(_tube([[x, 90, z - 6], [x, 112, z - 12]], (4.5, 4.0)))
    return bones


def _sacrum(width: float) -> list[Branch]:
    columns = []
    for across in (-34.0, -20.0, -7.0, 7.0, 20.0, 34.0):
        top = np.array([across * width, 56.0 + 0.25 * abs(across), -52.0])
        way = np.array([top, [0.8 * across * width, 84, -95], [0.35 * across * width, 96, -140], [0, 86, -170]])
        columns.append(Branch(points_mm=smooth_path(way, 4.0), radius_mm=np.full(len(smooth_path(way, 4.0)), 8.5)))
    return columns


def _hip_bone(rng: np.random.Generator, side: int, width: float) -> list[Branch]:
    """A hip bone: the wing as a sheet of tubes from socket to crest; crest, rami and ischium as thicker tubes."""
    socket = np.array([side * 92.0 * width, 22.0, -150.0])
    crest_way = np.array([[128.0, -38, -62], [138, -2, -14], [118, 40, 6], [78, 76, -14], [48, 86, -48]])
    crest_way = crest_way * [side * width, 1.0, 1.0] + rng.normal(scale=2.5, size=3)
    crest = smooth_path(crest_way, 3.0)
    bones = [Branch(points_mm=crest, radius_mm=np.full(len(crest), 6.0))]
    for rim in crest[:: max(1, len(crest) // 44)]:
        middle = 0.55 * rim + 0.45 * socket + np.array([side * -7.0, 5.0, 0.0])
        sheet = smooth_path(np.array([rim, middle, socket]), 4.0)
        bones.append(Branch(points_mm=sheet, radius_mm=np.linspace(3.2, 8.0, len(sheet))))
    symphysis = np.array([side * 9.0, -36.0, -188.0])
    ischium = np.array([side * 62.0 * width, 42.0, -222.0])
    for points, radii in (
        ([socket, 0.5 * (socket + symphysis) + [0, -14, 4], symphysis], (11.0, 7.5)),
        ([symphysis, [side * 30.0, -8.0, -222.0], ischium], (6.5, 8.5)),
        ([socket, ischium], (14.0, 13.0)),
    ):
        path = smooth_path(np.array(points), 4.0)
        bones.append(Branch(points_mm=path, radius_mm=np.linspace(*radii, len(path))))
    return bones


def _femur(side: int, width: float) -> list[Branch]:
    head, trochanter = np.array([side * 96.0 * width, 14.0, -156.0]), np.array([side * 134.0 * width, 24.0, -178.0])
    knee = np.array([side * 120.0 * width, 16.0, -330.0])
    return [
        _tube([head, head + np.array([0.0, 0.0, 1.0])], (24.0, 24.0)),
        _tube([head, trochanter], (15.0, 17.0)),
        _tube([trochanter, knee], (16.0, 14.5)),
    ]


def _tube(points: list, radii: tuple[float, float]) -> Branch:
    return Branch(points_mm=np.array(points, dtype=np.float64), radius_mm=np.array(radii))
