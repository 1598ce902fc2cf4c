"""Arteries and veins of the brain, grown over the surface of a brain case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import CenterlineTree
from engines.simulation.shapes.curve import GrowingTree, meander, smooth_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Skull:
    """Inner surface of the brain case: an ellipsoid, body frame."""

    semi_axes_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float]

    def surface(self, direction: Float[np.ndarray, "n 3"], depth_mm: float) -> Float[np.ndarray, "n 3"]:
        """Points below the inner table in the given directions from the centre (not necessarily unit vectors)."""
        direction = np.atleast_2d(np.asarray(direction, dtype=np.float64))
        semi = np.asarray(self.semi_axes_mm) - depth_mm
        return np.asarray(self.centre_mm) + direction / np.linalg.norm(direction / semi, axis=1, keepdims=True)

    def over_surface(self, start: np.ndarray, end: np.ndarray, depth_mm: float, count: int = 8) -> np.ndarray:
        """A great-circle arc from one direction to another, below the inner table."""
        blend = np.linspace(0.0, 1.0, count)[:, None]
        return self.surface((1 - blend) * start + blend * end, depth_mm)


def grow_head_vessels(
    rng: np.random.Generator, skull: Skull, offset_mm: Float[np.ndarray, " 3"]
) -> tuple[CenterlineTree, tuple[str, ...], frozenset[int]]:
    """The tree, each branch's fill group, and the branches behind a clot (none in some patients)."""
    growing = GrowingTree()
    clot_side, clot = ("left", "right")[rng.integers(2)], rng.uniform() < 0.6
    behind: set[int] = set()
    for side, name in ((1.0, "left"), (-1.0, "right")):
        trunks = _carotid_side(rng, growing, skull, side, name)
        if clot and name == clot_side:
            behind.add(trunks[int(rng.integers(1, len(trunks)))])
    if rng.uniform() < 0.75:
        _vertebrobasilar(rng, growing, skull)
    _veins(rng, growing, skull)
    tree, groups = growing.build(offset_mm)
    closed = _descendants(growing, behind)
    occluded = frozenset(
        index
        for index, branch in enumerate(tree.branches)
        if any(branch.name == growing.shoots[k].name for k in closed)
    )
    return tree, groups, occluded


def _descendants(growing: GrowingTree, roots: set[int]) -> set[int]:
    closed = set(roots)
    for number, shoot in enumerate(growing.shoots):
        if shoot.parent in closed:
            closed.add(number)
    return closed


def _carotid_side(rng: np.random.Generator, growing: GrowingTree, skull: Skull, side: float, name: str) -> list[int]:
    def at(x: float, y: float, z: float, spread: float = 1.5) -> list[float]:
        dx, dy, dz = rng.normal(scale=spread, size=3)
        return [side * (x + dx), y + dy, z + dz]

    group = f"ICA-{name}"
    siphon = rng.uniform(0.8, 1.25)
    carotid = smooth_path(
        np.array(
            [
                at(26, 0, -100, 3), at(27, 4, -82, 3), at(25, 2, -62, 2), at(23, 0, -48), at(18, -6, -42),
                at(13, -14, -39), at(12, -24 * siphon, -36), at(12, -31 * siphon, -31), at(13, -28, -24),
                at(13, -20, -22), at(15, -17, -17),
            ]
        )
    )  # fmt: skip
    ica = growing.add(carotid, (2.6, 1.9), group, fill_group=group)
    terminus = growing.point(ica, 1.0)
    arch = rng.uniform(-3, 5)
    m1_end = np.array([side * rng.uniform(34, 40), terminus[1] + rng.uniform(-3, 5), terminus[2] + rng.uniform(-4, 4)])
    m1_path = smooth_path(np.array([terminus, 0.5 * (terminus + m1_end) + [0, -2, arch], m1_end]))
    m1 = growing.add(meander(rng, m1_path, amplitude_mm=0.6, wavelength_mm=18), (1.55, 1.3), f"M1-{name}",
                     parent=ica, fill_group=group)  # fmt: skip
    for number in range(rng.integers(2, 4)):  # lenticulostriates, at the limit of what is seen
        start = growing.point(m1, rng.uniform(0.25, 0.8))
        path = smooth_path(
            np.array([start, start + np.array([side * 2, 3, 8]), start + np.array([side * 5, 5, 18 + 4 * number])])
        )
        growing.add(meander(rng, path, amplitude_mm=0.7, wavelength_mm=12), (0.4, 0.3), f"LSA{number}-{name}",
                    parent=m1, fill_group=group)  # fmt: skip
    trunks = [m1]
    fans = [("sup", rng.uniform(0.15, 0.45), 0.75), ("inf", -0.05, -0.45)]
    if rng.uniform() < 0.3:
        fans.insert(1, ("mid", 0.05, 0.2))
    for trunk_name, rise, fan in fans:
        trunks.append(_m2(rng, growing, skull, side, name, m1, trunk_name, rise, fan, group))
    _anterior(rng, growing, skull, side, name, ica, group)
    return trunks


def _m2(
    rng: np.random.Generator, growing: GrowingTree, skull: Skull, side: float, name: str, m1: int, trunk: str,
    rise: float, fan: float, group: str,
) -> int:  # fmt: skip
    start = growing.point(m1, 1.0)
    insula = start + np.array([side * rng.uniform(2, 6), rng.uniform(10, 18), rng.uniform(6, 12) + 22 * rise])
    back = insula + np.array([side * rng.uniform(2, 6), rng.uniform(14, 22), 8 + 16 * rise])
    path = meander(rng, smooth_path(np.array([start, insula, back])), amplitude_mm=1.0, wavelength_mm=20)
    m2 = growing.add(path, (1.2, 0.95), f"M2-{trunk}-{name}", parent=m1, fill_group=group)
    count = int(rng.integers(4, 7))
    for number in range(count):
        spread = number / max(count - 1, 1)
        along = float(np.clip(0.25 + 0.75 * spread + rng.normal(scale=0.06), 0.15, 1.0))
        root = growing.point(m2, along)
        ahead = -0.75 + 1.6 * spread + rng.normal(scale=0.12)  # from frontal to parietal and occipital
        if trunk == "inf":
            ahead = -0.35 + 1.3 * spread + rng.normal(scale=0.12)
        height = fan * rng.uniform(0.7, 1.2) + 0.25 * np.sin(np.pi * spread)
        operculum = np.array([side * 1.0, 0.35 * ahead, 0.0 + 0.15 * fan])
        target = np.array([side * rng.uniform(0.35, 0.75), ahead, height + 0.2])
        surface = skull.over_surface(operculum, target, rng.uniform(3, 6), 6)
        between = 0.5 * (root + surface[0]) + rng.normal(scale=2.0, size=3)
        way = meander(rng, smooth_path(np.vstack([root, between, surface])), amplitude_mm=1.0, wavelength_mm=24)
        radius = growing.radius(m2, along)
        m3 = growing.add(way, (0.82 * radius, 0.5), f"M3-{trunk}{number}-{name}", parent=m2, fill_group=group)
        for twig in range(rng.integers(2, 5)):
            _twig(rng, growing, skull, m3, f"M4-{trunk}{number}{twig}-{name}", group)
    return m2


def _twig(rng: np.random.Generator, growing: GrowingTree, skull: Skull, parent: int, name: str, group: str) -> None:
    along = rng.uniform(0.5, 0.9)
    start = growing.point(parent, along)
    heading = growing.tangent(parent, along) + rng.normal(scale=0.55, size=3)
    length = rng.uniform(16, 42)
    centre = np.asarray(skull.centre_mm)
    steps = [start]
    for reach in (0.4, 0.7, 1.0):
        ahead = start + heading / np.linalg.norm(heading) * length * reach - centre
        level = np.linalg.norm(ahead / (np.asarray(skull.semi_axes_mm) - 4.0))
        own = np.linalg.norm((start - centre) / (np.asarray(skull.semi_axes_mm) - 4.0))
        steps.append(centre + ahead / level * min(own, 1.0))
    path = meander(rng, smooth_path(np.array(steps)), amplitude_mm=0.7, wavelength_mm=18)
    growing.add(path, (min(0.6, 0.8 * growing.radius(parent, along)), 0.35), name, parent=parent, fill_group=group)


def _anterior(
    rng: np.random.Generator, growing: GrowingTree, skull: Skull, side: float, name: str, ica: int, group: str
) -> None:
    start = growing.point(ica, 1.0)
    if rng.uniform() < 0.12:  # a missing A1 is a common variant
        return
    near = np.array([side * rng.uniform(1.5, 3.0), -30 + rng.normal(), -12 + rng.normal()])
    a1 = growing.add(smooth_path(np.array([start, 0.5 * (start + near) + [0, -2, 1], near])), (1.15, 1.05),
                     f"A1-{name}", parent=ica, fill_group=group)  # fmt: skip
    knee = rng.uniform(-46, -40)
    around = np.array(
        [near, [side * 2, -38, 0], [side * 2, knee, 14], [side * 2, -30, 33], [side * 2.2, 0, 42], [side * 2.2, 30, 40]]
    ) + rng.normal(scale=1.0, size=(6, 3)) * [0.4, 1.0, 1.0]
    a2 = growing.add(meander(rng, smooth_path(around), amplitude_mm=0.8, wavelength_mm=25), (1.05, 0.6), f"A2-{name}",
                     parent=a1, fill_group=group)  # fmt: skip
    count = int(rng.integers(3, 6))
    for number in range(count):
        along = 0.2 + 0.7 * number / count + rng.uniform(0, 0.08)
        root = growing.point(a2, along)
        direction = np.array([side * 0.04, -0.9 + 1.5 * number / count + rng.normal(scale=0.1), 0.9])
        tip = skull.surface(direction, 5.0)[0]
        tip[0] = side * rng.uniform(2.5, 5.0)
        over = skull.surface(direction + np.array([side * 0.3, 0.25, 0.0]), 4.0)[0]
        path = smooth_path(np.array([root, 0.5 * (root + tip) + rng.normal(scale=3, size=3) * [0.2, 1, 1], tip, over]))
        growing.add(meander(rng, path, amplitude_mm=1.4, wavelength_mm=20), (0.7, 0.4), f"A3-{number}-{name}",
                    parent=a2, fill_group=group)  # fmt: skip


def _vertebrobasilar(rng: np.random.Generator, growing: GrowingTree, skull: Skull) -> None:
    join, top = np.array([0.0, 4.0, -46.0]), np.array([rng.normal(), -6.0, -18.0])
    basilar = growing.add(
        meander(rng, smooth_path(np.array([join, [rng.normal(scale=2), -6, -34], top])), amplitude_mm=0.6,
                wavelength_mm=20), (1.7, 1.5), "basilar", fill_group="VA")  # fmt: skip
    for side, name in ((1.0, "left"), (-1.0, "right")):
        vertebral = np.array(
            [join, [side * 6, 8, -58], [side * 16, 22, -66], [side * 22, 14, -72], [side * 20, 8, -98]], dtype=float
        )
        growing.add(smooth_path(vertebral), (1.4, 1.6), f"VA-{name}", parent=basilar, fill_group="VA")
        around = np.array([top, [side * 12, -4, -15], [side * 24, 10, -10], [side * 22, 34, -2], [side * 12, 62, 8]])
        around = around + np.vstack([np.zeros(3), rng.normal(scale=2.0, size=(4, 3))])
        p1 = growing.add(meander(rng, smooth_path(around), amplitude_mm=1.0, wavelength_mm=24), (1.1, 0.6),
                         f"PCA-{name}", parent=basilar, fill_group="VA")  # fmt: skip
        for twig in range(2):
            _twig(rng, growing, skull, p1, f"PCA{twig}-{name}", "VA")
        cerebellar = np.array([growing.point(basilar, 0.85), [side * 14, 4, -22], [side * 30, 30, -28]], dtype=float)
        growing.add(meander(rng, smooth_path(cerebellar), amplitude_mm=1.2, wavelength_mm=18), (0.7, 0.4),
                    f"SCA-{name}", parent=basilar, fill_group="VA")  # fmt: skip


def _veins(rng: np.random.Generator, growing: GrowingTree, skull: Skull) -> None:
    """Grow the veins from the jugular upwards, so that the tree's root is where the blood leaves the head."""
    dominant = 1.0 if rng.uniform() < 0.4 else -1.0
    torcula = skull.surface(np.array([[0.0, 1.0, -0.12]]), 0.0)[0]
    crown = np.array([[0.0, 1.0, -0.12], [0, 0.8, 0.6], [0, 0.15, 1.0], [0, -0.6, 0.8], [0, -1.0, 0.3]])
    drift = np.array([0, 1.5, 2.0, 1.0, 0])[:, None] * rng.normal(size=(5, 1)) * [1.0, 0, 0]
    sagittal_path = smooth_path(np.vstack([skull.surface(direction, 0.5) for direction in crown]) + drift)
    sinuses: dict[float, int] = {}
    for side, name in ((dominant, "dominant"), (-dominant, "small")):
        size = 1.0 if side == dominant else rng.uniform(0.5, 0.85)
        bend = skull.surface(np.array([side * 0.88, 0.55, -0.38]), 1.0)[0]
        path = smooth_path(
            np.array(
                [[side * 26, 2, -92], [side * 28, 8, -66], [side * 40, 24, -48], bend,
                 skull.surface(np.array([side * 0.55, 0.9, -0.2]), 0.0)[0], torcula]
            )
        )  # fmt: skip
        label = "left" if side > 0 else "right"
        sinuses[side] = growing.add(path, (4.2 * size, 3.6 * size), f"transverse-{label}", "vein", fill_group="veins")
        del name
    sagittal = growing.add(sagittal_path, (3.8, 1.6), "sagittal", "vein", parent=sinuses[dominant], fill_group="veins")
    galen = np.array([torcula, [0, 48, 4], [0, 34, 14], [0, 24, 16]])
    straight = growing.add(smooth_path(galen), (2.4, 2.0), "straight", "vein", parent=sinuses[dominant],
                           fill_group="veins")  # fmt: skip
    for side, name in ((1.0, "left"), (-1.0, "right")):
        start = growing.point(straight, 1.0)
        inner = np.array([start, [side * 3, 8, 19], [side * 4, -10, 14], [side * 12, -18, 20]])
        growing.add(smooth_path(inner), (1.1, 0.7), f"internal-{name}", "vein", parent=straight,
                    fill_group=f"veins-{name}")  # fmt: skip
        for number in range(rng.integers(5, 9)):
            ahead = -0.8 + 1.5 * number / 7 + rng.normal(scale=0.08)
            top = np.array([0.03 * side, ahead - 0.12, 0.95 - 0.25 * ahead**2])
            low = np.array([side * rng.uniform(0.75, 1.0), ahead + rng.uniform(0.1, 0.4), rng.uniform(-0.1, 0.4)])
            path = skull.over_surface(top, low, rng.uniform(1.5, 3.5), 9)
            vein = growing.add(meander(rng, smooth_path(path), amplitude_mm=1.6, wavelength_mm=38),
                               (rng.uniform(1.0, 1.5), 0.6), f"cortical{number}-{name}", "vein", parent=sagittal,
                               fill_group=f"veins-{name}")  # fmt: skip
            if rng.uniform() < 0.6:
                _vein_twig(rng, growing, skull, vein, f"cortical{number}b-{name}", f"veins-{name}")
        labbe = skull.over_surface(np.array([side * 0.8, 0.62, -0.3]), np.array([side * 1.0, -0.3, 0.05]), 2.5)
        growing.add(meander(rng, smooth_path(labbe), amplitude_mm=1.8, wavelength_mm=30), (1.5, 0.8), f"labbe-{name}",
                    "vein", parent=sinuses[side], fill_group=f"veins-{name}")  # fmt: skip


def _vein_twig(
    rng: np.random.Generator, growing: GrowingTree, skull: Skull, parent: int, name: str, group: str
) -> None:
    start = growing.point(parent, rng.uniform(0.4, 0.7))
    direction = (start - skull.centre_mm) / skull.semi_axes_mm
    low = direction + np.array([0.0, rng.uniform(0.25, 0.5) * rng.choice([-1, 1]), -0.45])
    path = skull.over_surface(direction, low, 2.5, 6)
    path[0] = start
    growing.add(meander(rng, smooth_path(path), amplitude_mm=1.2, wavelength_mm=24), (0.9, 0.5), name, "vein",
                parent=parent, fill_group=group)  # fmt: skip
