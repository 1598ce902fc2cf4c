"""A head: skin, skull with its sinuses and base, brain, and the vessels of the brain."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from engines.anatomy.vessel_model import Branch
from engines.simulation.anatomies.anatomy import Patient, TissueLayer, water_and_bone
from engines.simulation.anatomies.head_vessels import Skull, grow_head_vessels
from engines.simulation.shapes.curve import meander, smooth_path
from engines.simulation.shapes.voxels import (
    AIR_HU,
    FAT_HU,
    MUSCLE_HU,
    Grid,
    ellipsoid_level,
    inside_ellipsoid,
    paint_bone_tubes,
    smooth_noise,
    tube_distance_mm,
)

_BRAIN_HU = 36.0
_CSF_HU = 8.0
_NECK_VOXELS = 40


def make_head(rng: np.random.Generator, offset_mm: Float[np.ndarray, " 3"]) -> Patient:
    """Invent a patient for endovascular stroke treatment."""
    skull = Skull(
        semi_axes_mm=(rng.uniform(66, 74), rng.uniform(82, 92), rng.uniform(74, 82)),
        centre_mm=(0.0, 0.0, 12.0),
    )
    tree, groups, occluded = grow_head_vessels(rng, skull, offset_mm)
    grid = Grid.covering((-84.0, -108.0, -90.0), (84.0, 104.0, 104.0), 1.1)
    hu = _paint(rng, grid, skull)
    water, bone = water_and_bone(hu)
    return Patient(
        kind="evt",
        offset_mm=offset_mm,
        tree=tree,
        groups=groups,
        lobes=(),
        cta_grid=grid,
        cta_hu=hu,
        enhancement_hu={"artery": rng.uniform(300, 400), "vein": rng.uniform(120, 220)},
        layers=(_with_neck(water, bone, grid),),
        target_mm=offset_mm + np.array([0.0, -5.0, 8.0]) + rng.normal(scale=5.0, size=3),
        occluded=occluded,
    )


def _with_neck(water: Float32[np.ndarray, "i j k"], bone: Float32[np.ndarray, "i j k"], grid: Grid) -> TissueLayer:
    """Extend the head by a neck below the CTA's lower end."""
    below = ((0, 0), (0, 0), (_NECK_VOXELS, 0))
    first_mm = (grid.first_mm[0], grid.first_mm[1], grid.first_mm[2] - _NECK_VOXELS * grid.spacing_mm)
    longer = Grid(shape=(*grid.shape[:2], grid.shape[2] + _NECK_VOXELS), spacing_mm=grid.spacing_mm, first_mm=first_mm)
    return TissueLayer(water=np.pad(water, below, mode="edge"), bone=np.pad(bone, below, mode="edge"), grid=longer)


def _paint(rng: np.random.Generator, grid: Grid, skull: Skull) -> Float32[np.ndarray, "i j k"]:
    x, y, z = grid.axes_mm()
    sx, sy, sz = skull.semi_axes_mm
    grain = smooth_noise(rng, grid.shape, grain=9)
    swell = smooth_noise(rng, grid.shape, grain=36)
    level = ellipsoid_level(grid, skull.centre_mm, skull.semi_axes_mm)
    mean_axis = (sx + sy + sz) / 3.0
    depth_mm = (level - 1.0) * np.float32(mean_axis)  # above 0 outside the brain case
    floor = _base_height_mm(x, y)
    thickness = np.clip(rng.uniform(5.5, 7.5) + 0.9 * swell + 0.15 * grain, 3.0, 12.0)
    thickness = thickness + np.float32(2.5) * np.exp(-((x / 9.0) ** 2))  # crista and the ridge of the sagittal sinus
    above = z > floor

    hu = np.full(grid.shape, AIR_HU, dtype=np.float32)
    hu[_skin(grid, skull, depth_mm, thickness)] = MUSCLE_HU
    subcutaneous = (hu > -500) & above & (depth_mm > thickness + 2.0)
    hu[subcutaneous] = FAT_HU
    brain = (depth_mm < 0) & above
    hu[brain] = _BRAIN_HU + 3.0 * grain[brain]
    hu[brain & (depth_mm > -2.5)] = _CSF_HU
    for side in (-1, 1):  # lateral ventricles
        hu[brain & inside_ellipsoid(grid, (side * 12, 5, 20), (6, 30, 9))] = _CSF_HU

    within = np.clip(depth_mm / thickness, 0.0, 1.0)
    vault = (depth_mm >= 0) & (depth_mm < thickness) & (z > floor - 6.0)
    tables = np.abs(within - 0.5) * 2.0  # diploe between two tables
    hu[vault] = (450.0 + 900.0 * np.clip(tables * 1.5 - 0.5, 0.0, 1.0) + 70.0 * grain)[vault]
    base_thickness = 5.0 + 3.0 * np.clip(grain, -1, 2)
    base = (depth_mm < thickness) & (z <= floor) & (z > floor - base_thickness)
    hu[base] = np.maximum(hu, 700.0 + 150.0 * grain)[base]
    _paint_vault_marks(rng, grid, hu, skull)
    _paint_base(rng, grid, hu)
    _paint_face(rng, grid, hu)
    return hu


def _paint_vault_marks(rng: np.random.Generator, grid: Grid, hu: Float32[np.ndarray, "i j k"], skull: Skull) -> None:
    """Paint grooves of meningeal vessels and the coronal and lambdoid sutures: thin lines in every skull radiograph."""
    marks: list[Branch] = []
    for side in (-1.0, 1.0):
        for start, end in (((0.95, -0.25, -0.1), (0.5, -0.45, 0.9)), ((0.95, -0.2, -0.1), (0.6, 0.5, 0.8)),
                           ((0.95, 0.1, 0.1), (0.7, 0.75, 0.45))):  # fmt: skip
            sign = np.array([side, 1.0, 1.0])
            way = skull.over_surface(np.array(start) * sign, np.array(end) * sign, -1.2, 10)
            path = meander(rng, smooth_path(way, 2.0), amplitude_mm=2.0, wavelength_mm=30)
            marks.append(Branch(points_mm=path, radius_mm=np.linspace(1.5, 0.9, len(path))))
        for start, end in (((0.95, -0.35, 0.0), (0.02, -0.3, 1.0)), ((0.8, 0.75, -0.1), (0.02, 0.75, 0.75))):
            sign = np.array([side, 1.0, 1.0])
            way = skull.over_surface(np.array(start) * sign, np.array(end) * sign, -3.5, 12)
            path = meander(rng, smooth_path(way, 2.0), amplitude_mm=1.3, wavelength_mm=7)
            marks.append(Branch(points_mm=path, radius_mm=np.full(len(path), 1.0)))
    thin = (tube_distance_mm(grid, marks, margin_mm=grid.spacing_mm) < 0.3) & (hu > 300)
    hu[thin] = 150.0


def _base_height_mm(x: np.ndarray, y: np.ndarray) -> Float32[np.ndarray, "i j 1"]:
    """Height of the floor of the three fossae, which descends in steps from front to back."""

    def stair(at: float, softness: float) -> np.ndarray:
        return 0.5 * (1.0 + np.tanh((y - at) / softness))

    front, middle, back = -8.0, -30.0, -46.0
    height = front + (middle - front) * stair(-34.0, 4.0) + (back - middle) * stair(8.0, 7.0)
    sella = 9.0 * np.exp(-((x / 13.0) ** 2) - (((y + 20.0) / 13.0) ** 2))
    return (height + sella).astype(np.float32)


def _skin(grid: Grid, skull: Skull, depth_mm: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    scalp = (depth_mm < thickness + 7.0) & (grid.axes_mm()[2] > -20.0)
    _, y, z = grid.axes_mm()
    face = inside_ellipsoid(grid, (0, -38, -52), (62, 56, 66))
    neck = (ellipsoid_level(grid, (0, 12, 0), (60, 68, 1e6)) < 1.0) & (z < -15.0)
    nape = inside_ellipsoid(grid, (0, 30, -28), (64, 62, 52))
    del y, skull
    return scalp | face | neck | nape


def _paint_base(rng: np.random.Generator, grid: Grid, hu: Float32[np.ndarray, "i j k"]) -> None:
    bones: list[Branch] = []
    for side in (-1, 1):
        ridge = np.array([[side * 58, 22, -36], [side * 36, 6, -36], [side * 14, -10, -36]], dtype=float)
        bones.append(Branch(points_mm=ridge, radius_mm=np.array([10.0, 8.0, 6.0])))
        wing = np.array([[side * 8, -34, -12], [side * 30, -38, -8], [side * 56, -30, 6]], dtype=float)
        bones.append(Branch(points_mm=wing, radius_mm=np.array([3.0, 3.0, 2.5])))
    clivus = np.array([[0, -14, -32], [0, 2, -56]], dtype=float)
    bones.append(Branch(points_mm=clivus, radius_mm=np.array([8.0, 6.0])))
    for level in range(2):  # atlas and axis
        z = -68.0 - 17.0 * level
        body = np.array([[0, 14, z + 5], [0, 14, z - 5]], dtype=float)
        bones.append(Branch(points_mm=body, radius_mm=np.array([8.0, 8.0])))
        angle = np.linspace(-2.4, 2.4, 24)
        arch = np.column_stack([25 * np.sin(angle), 32 - 20 * np.cos(angle), np.full_like(angle, z)])
        bones.append(Branch(points_mm=arch, radius_mm=np.full(24, 4.5)))
    paint_bone_tubes(grid, hu, bones, cortex_mm=2.5, cortex_hu=1250.0, marrow_hu=420.0)
    for side in (-1, 1):  # mastoid: bone full of air cells
        mastoid = inside_ellipsoid(grid, (side * 55, 30, -48), (11, 14, 18))
        cells = smooth_noise(rng, grid.shape, grain=4)[mastoid]
        hu[mastoid] = np.where(cells > 0.1, 650.0, -350.0)


def _paint_face(rng: np.random.Generator, grid: Grid, hu: Float32[np.ndarray, "i j k"]) -> None:
    bones: list[Branch] = []
    angle = np.linspace(0, 2 * np.pi, 32)
    for side in (-1, 1):
        rim = np.column_stack(
            [side * 33 + 20 * np.cos(angle), -76 + 7 * np.abs(np.cos(angle)), -26 + 18 * np.sin(angle)]
        )
        bones.append(Branch(points_mm=rim, radius_mm=np.full(32, 3.0)))
        zygoma = np.array([[side * 50, -68, -42], [side * 62, -40, -40], [side * 64, -8, -38]], dtype=float)
        bones.append(Branch(points_mm=zygoma, radius_mm=np.array([4.5, 2.5, 3.0])))
        jaw = np.array([[side * 50, -2, -45], [side * 48, -8, -78], [side * 36, -44, -88], [0, -76, -94]], dtype=float)
        bones.append(Branch(points_mm=jaw, radius_mm=np.array([4.0, 6.0, 6.5, 7.5])))
    teeth_angle = np.linspace(-1.2, 1.2, 20)
    teeth = np.column_stack([26 * np.sin(teeth_angle), -46 - 28 * np.cos(teeth_angle), np.full(20, -74.0)])
    bones.append(Branch(points_mm=teeth, radius_mm=np.full(20, 4.5)))
    paint_bone_tubes(grid, hu, bones, cortex_mm=2.0, cortex_hu=1150.0, marrow_hu=450.0)
    palate = inside_ellipsoid(grid, (0, -58, -66), (24, 26, 3))
    hu[palate] = np.maximum(hu[palate], 550.0)
    cavities = [
        ((0.0, -74.0, -46.0), (13.0, 24.0, 17.0)),  # nose
        ((0.0, -34.0, -32.0), (11.0, 10.0, 8.0)),  # sphenoid
        ((0.0, -20.0, -66.0), (14.0, 12.0, 24.0)),  # pharynx
    ]
    wide = rng.uniform(0.6, 1.4)
    for side in (-1, 1):
        cavities.append(((side * 29.0, -62.0, -52.0), (13.0, 15.0, 13.0)))  # maxillary
        cavities.append(((side * 12.0 * wide, -82.0, 2.0), (11.0 * wide, 4.0, 11.0 * wide)))  # frontal
        hu[inside_ellipsoid(grid, (side * 33, -66, -26), (17, 17, 15)) & (hu < 200)] = FAT_HU
        hu[inside_ellipsoid(grid, (side * 33, -74, -26), (12, 12, 12)) & (hu < 200)] = 20.0  # eye
    for number, (centre, semi) in enumerate(cavities):
        level = ellipsoid_level(grid, centre, semi)
        wall = (level >= 1.0) & (level < 1.0 + 2.0 / min(semi)) & (hu > -500)
        if number != 2:
            hu[wall] = np.maximum(hu[wall], 420.0)
        hu[level < 1.0] = AIR_HU
    septum = inside_ellipsoid(grid, (0, -72, -46), (1.2, 24, 17))
    hu[septum] = 300.0
