"""A heart with its coronary arteries, in a chest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

from engines.anatomy.vessel_model import Branch
from engines.simulation.anatomies.anatomy import HeartFrame, Patient, TissueLayer, water_and_bone
from engines.simulation.anatomies.thorax import Chest, draw_chest, heart_level, paint_chest, xray_grid
from engines.simulation.shapes.curve import GrowingTree, meander, smooth_path, wobble
from engines.simulation.shapes.voxels import Grid, tube_distance_mm

_CTA_MM = 0.8


def make_coronaries(rng: np.random.Generator, offset_mm: Float[np.ndarray, " 3"]) -> Patient:
    """Invent a patient for coronary intervention. The CTA and all models are of end-diastole."""
    chest = draw_chest(rng)
    surface = HeartSurface(chest)
    growing = GrowingTree()
    grow_left_coronary(rng, growing, surface)
    grow_right_coronary(rng, growing, surface)
    tree, groups = growing.build(offset_mm)
    points = tree.points_mm() - offset_mm
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    grid = Grid.covering(tuple(middle - 66.0), tuple(middle + 66.0), _CTA_MM)
    great = (_aorta_of(surface),)
    hu = paint_chest(grid, chest, great_vessels=great)
    _enhance_chambers(grid, chest, surface, hu, rng.uniform(320, 400))
    lca = np.concatenate(
        [branch.points_mm for branch, group in zip(tree.branches, groups, strict=True) if group == "LCA"]
    )
    heart = HeartFrame(base_mm=chest.heart.base_mm + offset_mm, axes=chest.heart.axes, length_mm=chest.heart.length_mm)
    return Patient(
        kind="coronary",
        offset_mm=offset_mm,
        tree=tree,
        groups=groups,
        lobes=(),
        cta_grid=grid,
        cta_hu=hu,
        enhancement_hu={"artery": rng.uniform(320, 400)},
        layers=chest_layers(chest, great),
        target_mm=0.5 * (lca.min(axis=0) + lca.max(axis=0)),
        heart=heart,
    )


def chest_layers(chest: Chest, great_vessels: Sequence[Branch]) -> tuple[TissueLayer, ...]:
    """The still tissue, and the moving tissue of heart and diaphragm added to it."""
    grid = xray_grid()
    still_water, still_bone = water_and_bone(paint_chest(grid, chest, with_heart=False, great_vessels=great_vessels))
    full_water, _ = water_and_bone(paint_chest(grid, chest, great_vessels=great_vessels))
    # Organs have no voxel steps; a soft edge also models the motion within an exposure.
    still_water, full_water = gaussian_filter(still_water, 0.8), gaussian_filter(full_water, 0.8)
    return (
        TissueLayer(water=still_water, bone=still_bone, grid=grid),
        TissueLayer(water=full_water - still_water, bone=np.zeros((1, 1, 1), np.float32), grid=grid, moves="heart"),
    )


class HeartSurface:
    """Epicardium by angle about the long axis (0 in the anterior groove, 90 degrees at the acute margin,
    -90 at the lateral wall, 180 in the posterior groove) and height (0 at the valves, 1 at the apex)."""

    def __init__(self, chest: Chest) -> None:
        self.chest, self.heart = chest, chest.heart

    def at(self, angle_deg: float, height: float, scale: float = 1.0) -> Float[np.ndarray, " 3"]:
        return self.along(np.array([angle_deg]), np.array([height]), scale)[0]

    def along(
        self, angle_deg: Float[np.ndarray, " n"], height: Float[np.ndarray, " n"], scale: float = 1.0
    ) -> Float[np.ndarray, "n 3"]:
        angle, height = np.deg2rad(angle_deg), np.asarray(height)
        slope = np.clip((height - 0.1) / 0.9, 0.0, 0.999)
        girth = scale * 1.03 * np.sqrt(1.0 - slope**2)
        local = np.column_stack(
            [
                self.chest.heart_radius_mm[0] * girth * np.cos(angle),
                self.chest.heart_radius_mm[1] * girth * np.sin(angle),
                height * self.heart.length_mm,
            ]
        )
        return local @ self.heart.axes + self.heart.base_mm

    def local(self, u: float, v: float, w: float) -> Float[np.ndarray, " 3"]:
        return np.array([u, v, w]) @ self.heart.axes + self.heart.base_mm

    def course(
        self, rng: np.random.Generator, stations: list[tuple[float, float]], *, sway_deg: float, waves: float = 2.0
    ) -> Float[np.ndarray, "n 3"]:
        """A path over the surface through (angle, height) stations, with random deviations."""
        fine = smooth_path(np.array([(angle, 100.0 * height, 0.0) for angle, height in stations]), 2.0)
        angle = fine[:, 0] + wobble(rng, len(fine), amplitude=sway_deg, waves=waves)
        height = fine[:, 1] / 100.0 + wobble(rng, len(fine), amplitude=0.004 * sway_deg, waves=waves)
        return self.along(angle, height)


def grow_left_coronary(
    rng: np.random.Generator, growing: GrowingTree, surface: HeartSurface, group: str = "LCA"
) -> None:
    """Left main, LAD with diagonals and septals, circumflex with marginals."""
    ostium = surface.local(21, -7, -3) + rng.normal(scale=1.0, size=3)
    fork = surface.local(rng.uniform(27, 32), rng.uniform(-17, -12), rng.uniform(-3, 4))
    main = growing.add(smooth_path(np.array([ostium, 0.5 * (ostium + fork) + [0, 0, 1.0], fork])),
                       (rng.uniform(2.1, 2.5), 2.0), "LM", fill_group=group)  # fmt: skip
    end = rng.uniform(0.9, 0.985)
    lad_way = surface.course(
        rng, [(-14, 0.09), (-4, 0.22), (2, 0.45), (rng.uniform(0, 8), 0.7), (rng.uniform(2, 12), end)], sway_deg=3.0
    )
    lad = growing.add(_joined(fork, lad_way), _taper(1.85, 0.65), "LAD", parent=main, fill_group=group)
    for number in range(rng.integers(2, 4)):
        along = 0.16 + 0.2 * number + rng.uniform(-0.03, 0.05)
        root = growing.point(lad, along)
        height, angle = surface_height(surface, root), -5.0
        reach = rng.uniform(0.25, 0.45)
        way = surface.course(
            rng,
            [(angle - 12, height + 0.07), (angle - rng.uniform(26, 36), height + 0.5 * reach),
             (angle - rng.uniform(38, 62), min(height + reach, 0.93))],
            sway_deg=2.5, waves=2.5,
        )  # fmt: skip
        start = rng.uniform(0.9, 1.2) * (1.0 - 0.12 * number)
        diagonal = growing.add(_joined(root, way), _taper(start, 0.45), f"D{number + 1}", parent=lad, fill_group=group)
        if rng.uniform() < 0.5:
            _twig(rng, growing, surface, diagonal, f"D{number + 1}b", group, -18.0)
    for number in range(rng.integers(3, 6)):
        root = growing.point(lad, 0.14 + 0.13 * number)
        height = surface_height(surface, root)
        deep = np.array([root, surface.at(2, height + 0.1, 0.82), surface.at(15, height + 0.24, 0.55)])
        way = meander(rng, smooth_path(deep), amplitude_mm=0.8, wavelength_mm=18)
        growing.add(way, _taper(0.6, 0.3), f"S{number + 1}", parent=lad, fill_group=group)
    _circumflex(rng, growing, surface, main, fork, group)


def _circumflex(
    rng: np.random.Generator, growing: GrowingTree, surface: HeartSurface, main: int, fork: np.ndarray, group: str
) -> None:
    last = rng.uniform(-150, -118)
    stations = [(-42, 0.04), (-66, 0.02), (-95, 0.03), (last, rng.uniform(0.02, 0.1))]
    way = surface.course(rng, stations, sway_deg=2.5)
    lcx = growing.add(_joined(fork, way), _taper(1.6, 0.8), "LCx", parent=main, fill_group=group)
    count = int(rng.integers(2, 4))
    for number in range(count):
        along = 0.3 + 0.6 * number / count + rng.uniform(0, 0.1)
        root = growing.point(lcx, along)
        angle = -55.0 - 30.0 * number - rng.uniform(0, 12)
        reach = rng.uniform(0.4, 0.7)
        way = surface.course(
            rng, [(angle - 2, 0.15), (angle - rng.uniform(0, 10), 0.5 * reach), (angle - rng.uniform(2, 22), reach)],
            sway_deg=3.2, waves=3.0,
        )  # fmt: skip
        start = rng.uniform(0.95, 1.3)
        marginal = growing.add(_joined(root, way), _taper(start, 0.45), f"OM{number + 1}", parent=lcx, fill_group=group)
        if rng.uniform() < 0.6:
            _twig(rng, growing, surface, marginal, f"OM{number + 1}b", group, -16.0)


def grow_right_coronary(
    rng: np.random.Generator, growing: GrowingTree, surface: HeartSurface, group: str = "RCA"
) -> None:
    """Right coronary with conus, marginals, posterior descending and posterolateral branches."""
    ostium = surface.local(22, 12, -5) + rng.normal(scale=1.0, size=3)
    way = surface.course(
        rng, [(42, 0.03), (66, 0.02), (92, 0.05), (122, 0.04), (150, 0.02), (172, 0.03)], sway_deg=2.5, waves=2.5
    )
    rca = growing.add(_joined(ostium, way), _taper(rng.uniform(1.7, 2.1), 1.25), "RCA", fill_group=group)
    crux = growing.point(rca, 1.0)
    reach = rng.uniform(0.55, 0.8)
    way = surface.course(rng, [(178, 0.12), (182, 0.3), (178, reach)], sway_deg=2.5, waves=2.5)
    growing.add(_joined(crux, way), _taper(1.05, 0.5), "PDA", parent=rca, fill_group=group)
    far = rng.uniform(-150, -128)
    way = surface.course(rng, [(184, 0.04), (200, 0.08), (360 + far, rng.uniform(0.25, 0.4))], sway_deg=2.5, waves=2.5)
    posterior = growing.add(_joined(crux, way), _taper(1.1, 0.5), "PLV", parent=rca, fill_group=group)
    _twig(rng, growing, surface, posterior, "PLVb", group, 20.0)
    for number in range(rng.integers(1, 4)):
        along = 0.35 + 0.17 * number
        root = growing.point(rca, along)
        angle = 62.0 + 22.0 * number
        way = surface.course(
            rng, [(angle - 6, 0.18), (angle - 16, 0.38), (angle - rng.uniform(18, 34), rng.uniform(0.5, 0.7))],
            sway_deg=2.5, waves=2.5,
        )  # fmt: skip
        growing.add(_joined(root, way), _taper(rng.uniform(0.6, 0.9), 0.35), f"RV{number + 1}", parent=rca,
                    fill_group=group)  # fmt: skip
    root = growing.point(rca, 0.1)
    way = surface.course(rng, [(34, 0.12), (24, 0.24)], sway_deg=2.0)
    growing.add(_joined(root, way), _taper(0.6, 0.35), "conus", parent=rca, fill_group=group)


def _twig(
    rng: np.random.Generator, growing: GrowingTree, surface: HeartSurface, parent: int, name: str, group: str,
    turn_deg: float,
) -> None:  # fmt: skip
    along = rng.uniform(0.35, 0.6)
    root, far = growing.point(parent, along), growing.point(parent, 1.0)
    local = (far - surface.heart.base_mm) @ surface.heart.axes.T
    turn = np.deg2rad(turn_deg)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.array([cos * local[0] - sin * local[1], sin * local[0] + cos * local[1], 0.95 * local[2]])
    end = turned @ surface.heart.axes + surface.heart.base_mm
    centre = surface.heart.base_mm + 0.3 * surface.heart.length_mm * surface.heart.axes[2]
    bow = 0.5 * (root + end)
    bow = bow + 0.06 * (bow - centre)
    path = meander(rng, smooth_path(np.array([root, bow, end])), amplitude_mm=1.0, wavelength_mm=18)
    growing.add(path, _taper(0.75 * growing.radius(parent, along), 0.35), name, parent=parent, fill_group=group)


def surface_height(surface: HeartSurface, point_mm: Float[np.ndarray, " 3"]) -> float:
    return float((point_mm - surface.heart.base_mm) @ surface.heart.axes[2] / surface.heart.length_mm)


def _taper(start_mm: float, end_mm: float) -> tuple[float, float]:
    return start_mm, end_mm


def _joined(start: Float[np.ndarray, " 3"], way: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
    # A spline through every fifth point rounds the corner where the branch comes up to the surface.
    keep = way[2::6] if len(way) > 14 else way[1::2]
    return smooth_path(
        np.vstack([start, keep, way[-1]]) if np.linalg.norm(keep[-1] - way[-1]) > 1 else np.vstack([start, keep])
    )


def _enhance_chambers(
    grid: Grid, chest: Chest, surface: HeartSurface, hu: Float32[np.ndarray, "i j k"], contrast_hu: float
) -> None:
    """Paint contrast as in a coronary CTA: left heart and aorta filled, right heart washed out."""
    x, y, z = grid.axes_mm()
    centre = surface.local(4, -9, 0.42 * chest.heart.length_mm)
    axes = chest.heart.axes
    local = [axis[0] * (x - centre[0]) + axis[1] * (y - centre[1]) + axis[2] * (z - centre[2]) for axis in axes]
    lv = (local[0] / 20.0) ** 2 + (local[1] / 20.0) ** 2 + (local[2] / (0.4 * chest.heart.length_mm)) ** 2 < 1.0
    hu[lv] = contrast_hu
    wall = heart_level(grid, chest) < 0.93
    rv_side = (local[1] > 22.0) & wall & (local[2] < 0.25 * chest.heart.length_mm)
    hu[rv_side] = 110.0
    atrium = Branch(
        points_mm=np.array([surface.local(-14, -16, -14), surface.local(-18, 6, -14)]), radius_mm=np.full(2, 17.0)
    )
    aorta = Branch(points_mm=ascending_path(surface), radius_mm=np.full(len(ascending_path(surface)), 14.0))
    hu[tube_distance_mm(grid, [atrium, aorta], margin_mm=1.0) < 0] = contrast_hu


def _aorta_of(surface: HeartSurface) -> Branch:
    """The whole aorta, for its shadow."""
    up = ascending_path(surface)
    way = smooth_path(np.array([*up[::8], [18, 26, 86], [26, 44, 60], [25, 48, 10], [18, 46, -150]]), 3.0)
    return Branch(points_mm=way, radius_mm=np.full(len(way), 12.5))


def ascending_path(surface: HeartSurface) -> Float[np.ndarray, "n 3"]:
    root = surface.local(13, 3, 2)
    return smooth_path(
        np.array([root, root + np.array([-8, -4, 26]), root + np.array([-12, -2, 52]), root + np.array([-4, 12, 82])]),
        2.0,
    )
