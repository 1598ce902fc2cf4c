"""The vessels of a transfemoral access: abdominal aorta, iliac and femoral arteries, in a pelvis."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

from engines.anatomy.vessel_model import Branch
from engines.simulation.anatomies.anatomy import Patient, TissueLayer, water_and_bone
from engines.simulation.anatomies.pelvis import draw_pelvis, paint_pelvis, pelvis_xray_grid
from engines.simulation.shapes.curve import GrowingTree, arc_length_mm, meander, smooth_path
from engines.simulation.shapes.voxels import Grid, tube_distance_mm

_CTA_MM = 1.3
_CTA_LOW_MM, _CTA_HIGH_MM = (-150.0, -88.0, -232.0), (150.0, 116.0, 150.0)


def make_iliac(rng: np.random.Generator, offset_mm: Float[np.ndarray, " 3"]) -> Patient:
    """Invent the access vessels of a patient for transcatheter valve replacement."""
    pelvis = draw_pelvis(rng)
    growing = GrowingTree()
    _grow_aorta(rng, growing, pelvis.width)
    tree, groups = growing.build(offset_mm)
    grid = Grid.covering(_CTA_LOW_MM, _CTA_HIGH_MM, _CTA_MM)
    hu = paint_pelvis(grid, pelvis)
    wall = [Branch(points_mm=b.points_mm - offset_mm, radius_mm=b.radius_mm) for b in tree.branches]
    hu[(tube_distance_mm(grid, wall, margin_mm=2.0) < 1.2) & (hu < 40.0)] = 40.0
    _calcify(rng, grid, hu, wall)
    water, bone = water_and_bone(paint_pelvis(pelvis_xray_grid(), pelvis))
    layer = TissueLayer(water=gaussian_filter(water, 0.6), bone=bone, grid=pelvis_xray_grid())
    return Patient(
        kind="tavi",
        offset_mm=offset_mm,
        tree=tree,
        groups=groups,
        lobes=(),
        cta_grid=grid,
        cta_hu=hu,
        enhancement_hu={"aorta": rng.uniform(260, 400)},
        layers=(layer,),
        target_mm=offset_mm + np.array([0.0, 20.0, -15.0]) + rng.normal(scale=6.0, size=3),
    )


def _grow_aorta(rng: np.random.Generator, growing: GrowingTree, width: float) -> None:
    fork = np.array([0.0, 22.0, 0.0]) + rng.normal(scale=3.0, size=3)
    way = np.array([[6.0, 34.0, 190.0], [5.0, 32.0, 120.0], [2.0, 25.0, 50.0], fork])
    path = meander(rng, smooth_path(way), amplitude_mm=rng.uniform(1.0, 4.0), wavelength_mm=110)
    size = rng.uniform(0.85, 1.15)
    arc = arc_length_mm(path) / arc_length_mm(path)[-1]
    radius = size * np.interp(arc, [0.0, 0.5, 1.0], [11.0, 9.2, 8.2])
    if rng.uniform() < 0.15:  # an aneurysm below the renal arteries
        radius = radius + rng.uniform(3, 12) * np.exp(-(((arc - rng.uniform(0.6, 0.8)) / 0.1) ** 2))
    aorta = growing.add(path, radius, "aorta", "aorta", fill_group="aorta")
    for side, name in ((1, "left"), (-1, "right")):
        renal = growing.point(aorta, rng.uniform(0.42, 0.52))
        tip = renal + np.array([side * rng.uniform(50, 72), rng.uniform(8, 28), rng.uniform(-22, 8)])
        bow = 0.5 * (renal + tip) + rng.normal(scale=5.0, size=3) + [0.0, -4.0, 4.0]
        growing.add(smooth_path(np.array([renal, bow, tip])), (2.9 * size, 2.1 * size), f"renal-{name}", "aorta",
                    parent=aorta, fill_group="aorta")  # fmt: skip
        _grow_leg(rng, growing, aorta, side, name, size, width)
    mesenteric = growing.point(aorta, rng.uniform(0.72, 0.8))
    tip = mesenteric + np.array([rng.uniform(18, 40), rng.uniform(-22, -8), rng.uniform(-85, -55)])
    growing.add(smooth_path(np.array([mesenteric, 0.5 * (mesenteric + tip) + [0, -14, 8], tip])), (1.8, 1.1),
                "inferior-mesenteric", "aorta", parent=aorta, fill_group="aorta")  # fmt: skip


def _grow_leg(
    rng: np.random.Generator, growing: GrowingTree, aorta: int, side: int, name: str, size: float, width: float
) -> None:
    winding = rng.uniform(1.0, 4.5)  # iliac arteries of the old are often tortuous
    fork, across = growing.point(aorta, 1.0), side * width
    parting = np.array([across * rng.uniform(34, 46), rng.uniform(34, 48), rng.uniform(-70, -48)])
    common = meander(
        rng, smooth_path(np.array([fork, 0.5 * (fork + parting) + [0, -3, 2], parting])), amplitude_mm=0.5 * winding,
        wavelength_mm=45,
    )  # fmt: skip
    trunk = growing.add(common, (5.6 * size, 5.0 * size), f"common-iliac-{name}", "aorta", parent=aorta,
                        fill_group="aorta")  # fmt: skip
    parting = growing.point(trunk, 1.0)
    groin = np.array([across * rng.uniform(82, 94), rng.uniform(-46, -34), -168.0])
    way = np.array([parting, [across * 68, 22, -100], [across * 80, -14, -138], groin])
    external = growing.add(
        meander(rng, smooth_path(way), amplitude_mm=winding, wavelength_mm=70), (4.4 * size, 4.0 * size),
        f"external-iliac-{name}", "aorta", parent=trunk, fill_group="aorta",
    )  # fmt: skip
    groin = growing.point(external, 1.0)
    split = groin + np.array([across * 2.0, 2.0, -rng.uniform(28, 48)])
    femoral = growing.add(smooth_path(np.array([groin, 0.5 * (groin + split), split])), (4.0 * size, 3.9 * size),
                          f"common-femoral-{name}", "aorta", parent=external, fill_group="aorta")  # fmt: skip
    for artery, reach, radii in (
        ("superficial-femoral", (-3.0, 10.0, -105.0), (3.1, 2.7)),
        ("deep-femoral", (14.0, 22.0, -80.0), (2.6, 1.6)),
    ):
        tip = split + np.array(reach) * [across, 1.0, 1.0] + rng.normal(scale=4.0, size=3)
        bow = 0.5 * (split + tip) + rng.normal(scale=3.0, size=3)
        growing.add(smooth_path(np.array([split, bow, tip])), (radii[0] * size, radii[1] * size), f"{artery}-{name}",
                    "aorta", parent=femoral, fill_group="aorta")  # fmt: skip
    inner = parting + np.array([across * rng.uniform(-4, 8), 32.0, -52.0])
    internal = growing.add(smooth_path(np.array([parting, 0.5 * (parting + inner) + [0, 10, 4], inner])),
                           (3.2 * size, 2.2 * size), f"internal-iliac-{name}", "aorta", parent=trunk,
                           fill_group="aorta")  # fmt: skip
    for number in range(int(rng.integers(2, 4))):
        start = growing.point(internal, rng.uniform(0.5, 1.0))
        tip = start + rng.normal(scale=12.0, size=3) + [across * 10.0 * (number - 1), 14.0, -48.0]
        growing.add(smooth_path(np.array([start, 0.5 * (start + tip) + rng.normal(scale=5, size=3), tip])), (1.9, 0.9),
                    f"internal-iliac-{name}-{number + 1}", "aorta", parent=internal, fill_group="aorta")  # fmt: skip


def _calcify(rng: np.random.Generator, grid: Grid, hu: Float32[np.ndarray, "i j k"], vessels: list[Branch]) -> None:
    """Paint plaques in the walls, which hinder every access. The lumen is painted around them."""
    plaques = []
    for branch in vessels:
        for _ in range(int(rng.poisson(1.5))):
            at = int(rng.integers(len(branch.points_mm)))
            outwards = rng.normal(size=3)
            place = branch.points_mm[at] + branch.radius_mm[at] * outwards / np.linalg.norm(outwards)
            ends = np.array([place, place + rng.normal(scale=2.5, size=3)])
            plaques.append(Branch(points_mm=ends, radius_mm=np.full(2, rng.uniform(0.7, 1.6))))
    hu[tube_distance_mm(grid, plaques, margin_mm=1.0) < 0] = 800.0
