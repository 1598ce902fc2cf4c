"""An aorta from the valve to the descending part, in a chest."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from engines.anatomy.vessel_model import Branch
from engines.simulation.anatomies.anatomy import HeartFrame, Lobe, Patient
from engines.simulation.anatomies.coronaries import HeartSurface, chest_layers
from engines.simulation.anatomies.thorax import Chest, draw_chest, heart_level, paint_chest
from engines.simulation.shapes.curve import GrowingTree, arc_length_mm, even_steps, meander, smooth_path
from engines.simulation.shapes.voxels import Grid, tube_distance_mm

_CTA_MM = 1.15


def make_aorta(rng: np.random.Generator, offset_mm: Float[np.ndarray, " 3"]) -> Patient:
    """Invent a patient for transcatheter valve replacement."""
    chest = draw_chest(rng)
    growing = GrowingTree()
    lobes = grow_aorta(rng, growing, HeartSurface(chest))
    tree, groups = growing.build(offset_mm)
    root = tree.branches[0].points_mm[0] - offset_mm
    low, high = (-76.0, -96.0, root[2] - 66.0), (76.0, 96.0, root[2] + 134.0)
    grid = Grid.covering(low, high, _CTA_MM)
    great = tuple(
        Branch(points_mm=branch.points_mm - offset_mm, radius_mm=branch.radius_mm)
        for branch in tree.branches
        if branch.vessel_class == "aorta"
    )
    hu = paint_chest(grid, chest, great_vessels=great)
    _enhance_left_heart(grid, chest, hu, rng.uniform(280, 360))
    _calcify(rng, grid, hu, lobes)
    heart = HeartFrame(base_mm=chest.heart.base_mm + offset_mm, axes=chest.heart.axes, length_mm=chest.heart.length_mm)
    return Patient(
        kind="tavi",
        offset_mm=offset_mm,
        tree=tree,
        groups=groups,
        lobes=lobes,
        cta_grid=grid,
        cta_hu=hu,
        enhancement_hu={"aorta": rng.uniform(300, 400), "artery": rng.uniform(300, 380)},
        layers=chest_layers(chest, great),
        target_mm=root + offset_mm + np.array([0.0, 0.0, 28.0]) + rng.normal(scale=4.0, size=3),
        heart=heart,
    )


def grow_aorta(rng: np.random.Generator, growing: GrowingTree, surface: HeartSurface) -> tuple[Lobe, ...]:
    """Grow aorta, arch branches and the first centimetres of the coronaries; returns the sinuses of Valsalva."""
    valve = surface.local(12, 4, -2) + rng.normal(scale=2.0, size=3)
    # The root leans to the right and forward: 40 to 60 degrees from the horizontal valve plane of a young heart.
    lean = np.array([rng.uniform(-0.62, -0.3), rng.uniform(-0.3, -0.05), 1.0])
    lean /= np.linalg.norm(lean)
    height = rng.uniform(62, 84)
    span = rng.uniform(30, 44)
    way = np.array(
        [
            valve + 2.0 * lean, valve + 14.0 * lean, valve + 28.0 * lean,
            valve + 44.0 * lean + [0.5, 2.0, 2.0],
            [valve[0] - 8, valve[1] + 4, valve[2] + 0.9 * height],
            [valve[0] + 0.35 * span, valve[1] + 20, valve[2] + 1.12 * height],
            [valve[0] + 0.8 * span, valve[1] + 42, valve[2] + height],
            [26, 48, valve[2] + 0.62 * height], [24 + rng.normal(scale=3), 50, valve[2]],
            [18 + rng.normal(scale=5), 48, valve[2] - 70], [12 + rng.normal(scale=5), 46, valve[2] - 150],
        ]
    )  # fmt: skip
    path = meander(rng, smooth_path(way), amplitude_mm=1.0, wavelength_mm=90)
    size = rng.uniform(0.9, 1.12)
    wide = size * rng.uniform(0.95, 1.25)  # an ascending aorta of an old patient is often widened
    arc_mm = arc_length_mm(path)
    radius = np.interp(
        arc_mm,
        [0, 4, 10, 20, 34, 60, 95, 125, 170, 300],
        np.array([4.5, 9.5, 12.6, 13.8, 14.6 * wide, 15.6 * wide, 14.2 * wide, 12.8, 11.8, 11.0]) * size,
    )
    aorta = growing.add(path, radius, "aorta", "aorta", fill_group="aorta")
    lobes = _sinuses(rng, valve, lean, size)
    _arch_branches(rng, growing, aorta, path)
    for name, lobe, turn in (("LCA", lobes[0], np.array([16, -10, 2])), ("RCA", lobes[1], np.array([-12, -14, 0]))):
        _coronary_stub(rng, growing, aorta, name, lobe, turn, lean)
    return lobes


def _sinuses(
    rng: np.random.Generator, valve: Float[np.ndarray, " 3"], lean: Float[np.ndarray, " 3"], size: float
) -> tuple[Lobe, ...]:
    """Left, right and non-coronary sinus of Valsalva."""
    left = np.array([0.86, 0.2, 0.3]) - (np.array([0.86, 0.2, 0.3]) @ lean) * lean
    left /= np.linalg.norm(left)
    across = np.cross(lean, left)
    spin = rng.normal(scale=0.15)
    lobes = []
    for number in range(3):
        # Seen from above the left sinus is left-posterior, the right anterior, the non-coronary right-posterior.
        angle = spin - number * 2 * np.pi / 3
        outwards = np.cos(angle) * left + np.sin(angle) * across
        sideways = np.cross(lean, outwards)
        bulge = size * rng.uniform(0.93, 1.07)
        centre = valve + rng.uniform(9.0, 11.0) * size * lean + 7.6 * bulge * outwards
        lobes.append(
            Lobe(
                centre_mm=tuple(centre),  # pyright: ignore[reportArgumentType]
                axes=(tuple(outwards), tuple(sideways), tuple(lean)),  # pyright: ignore[reportArgumentType]
                semi_axes_mm=(9.2 * bulge, 10.4 * bulge, 11.2 * size),
            )
        )
    return tuple(lobes)


def _arch_branches(rng: np.random.Generator, growing: GrowingTree, aorta: int, path: Float[np.ndarray, "n 3"]) -> None:
    top = int(np.argmax(path[:, 2]))
    arc_mm = arc_length_mm(path)
    bovine = rng.uniform() < 0.15
    plan = (
        ("brachiocephalic", -16.0, (-26, -4, 46), 6.2), ("carotid-left", 1.0, (4, -8, 60), 3.7),
        ("subclavian-left", 15.0, (30, 10, 44), 4.6),
    )  # fmt: skip
    first = -1
    for name, along, reach, size in plan:
        at = int(np.argmin(np.abs(arc_mm - arc_mm[top] - along - rng.normal(scale=2.0))))
        start, parent = path[at], aorta
        if bovine and name == "carotid-left":
            start, parent = growing.point(first, 0.3), first
        end = start + np.array(reach) + rng.normal(scale=4.0, size=3)
        bow = 0.5 * (start + end) + np.array([0, 0, 5.0]) + rng.normal(scale=3.0, size=3)
        points = meander(rng, smooth_path(np.array([start, bow, end])), amplitude_mm=1.2, wavelength_mm=45)
        number = growing.add(points, (size, 0.8 * size), name, "aorta", parent=parent, fill_group="aorta")
        if name == "brachiocephalic":
            first = number
            for twig, course in (("carotid-right", (-2, -8, 34)), ("subclavian-right", (-40, 8, 10))):
                root = growing.point(number, 1.0)
                tip = root + np.array(course) + rng.normal(scale=3.0, size=3)
                middle = 0.5 * (root + tip) + rng.normal(scale=2.0, size=3)
                growing.add(smooth_path(np.array([root, middle, tip])), (3.8, 3.2), twig, "aorta", parent=number,
                            fill_group="aorta")  # fmt: skip


def _coronary_stub(
    rng: np.random.Generator,
    growing: GrowingTree,
    aorta: int,
    name: str,
    lobe: Lobe,
    turn: np.ndarray,
    lean: np.ndarray,
) -> None:
    centre, outwards = np.asarray(lobe.centre_mm), np.asarray(lobe.axes[0])
    ostium = centre + 0.6 * lobe.semi_axes_mm[0] * outwards + 4.0 * lean
    axis = growing.point(aorta, 0.0) + 12.0 * lean
    ahead = ostium + 10.0 * outwards
    way = np.array(
        [axis, ostium, ahead, ahead + turn, ahead + 2.2 * turn - [0, 0, 14], ahead + 2.6 * turn - [0, 0, 34]]
    )
    path = even_steps(meander(rng, smooth_path(way), amplitude_mm=0.8, wavelength_mm=25), 0.5)
    growing.add(path, (1.9, 1.0), name, "artery", parent=aorta, fill_group=name)


def _enhance_left_heart(grid: Grid, chest: Chest, hu: Float32[np.ndarray, "i j k"], contrast_hu: float) -> None:
    surface = HeartSurface(chest)
    x, y, z = grid.axes_mm()
    centre = surface.local(4, -9, 0.42 * chest.heart.length_mm)
    axes = chest.heart.axes
    local = [axis[0] * (x - centre[0]) + axis[1] * (y - centre[1]) + axis[2] * (z - centre[2]) for axis in axes]
    cavity = (local[0] / 20.0) ** 2 + (local[1] / 20.0) ** 2 + (local[2] / (0.4 * chest.heart.length_mm)) ** 2 < 1.0
    hu[cavity & (heart_level(grid, chest) < 1.0)] = contrast_hu
    atrium = Branch(
        points_mm=np.array([surface.local(-16, -18, -14), surface.local(-20, 4, -14)]), radius_mm=np.full(2, 15.0)
    )
    hu[tube_distance_mm(grid, [atrium], margin_mm=1.0) < 0] = contrast_hu


def _calcify(rng: np.random.Generator, grid: Grid, hu: Float32[np.ndarray, "i j k"], lobes: tuple[Lobe, ...]) -> None:
    """Paint specks of calcium on the cusps, the reason for the procedure. The lumen is painted around them."""
    specks = []
    for lobe in lobes:
        for _ in range(rng.integers(1, 4)):
            centre = np.asarray(lobe.centre_mm) - np.asarray(lobe.axes[2]) * lobe.semi_axes_mm[2] * rng.uniform(
                0.8, 1.05
            )
            first = centre + rng.normal(scale=2.5, size=3)
            ends = np.array([first, first + rng.normal(scale=2.0, size=3)])
            specks.append(Branch(points_mm=ends, radius_mm=np.full(2, rng.uniform(0.8, 1.8))))
    hu[tube_distance_mm(grid, specks, margin_mm=1.0) < 0] = 900.0
