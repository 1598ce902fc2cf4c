"""One invented patient: heart in two phases, coronaries, territories, flow in the wall, and where CT and CMR lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from scipy.spatial.transform import Rotation

from engines.simulation.cmr.coronary_tree import Artery, Lesion, downstream, draw_tree, narrowed
from engines.simulation.cmr.heart_shape import HeartShape, draw_shape, other_phase
from engines.simulation.cmr.supply import ANGLES, LEVELS, grown_territories, level_grid

DEPTHS = 5
_TEST_FROM, _SHIFT_FROM = 1000, 2000


def split_of(seed: int) -> str:
    """train below 1000, test from 1000, shift (other physics) from 2000."""
    return "shift" if seed >= _SHIFT_FROM else "test" if seed >= _TEST_FROM else "train"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """Everything that is true of one patient.

    Args:
        ct_heart, cmr_heart: the heart in the phase of each examination.
        lps_from_heart: 4x4, where the heart lies in the CT.
        cmr_from_heart: 4x4, where it lies in the CMR's LPS.
        territory: vessel a place (level, angle).
        stress_flow, rest_flow: ml/min/g a place and depth.
        culprits: lesions that starve their wall.
    """

    seed: int
    split: str
    ct_heart: HeartShape
    cmr_heart: HeartShape
    lps_from_heart: Float[np.ndarray, "4 4"]
    cmr_from_heart: Float[np.ndarray, "4 4"]
    arteries: tuple[Artery, ...]
    dominance: str
    lesions: tuple[Lesion, ...]
    culprits: tuple[bool, ...]
    fed_beyond: Float[np.ndarray, "lesions l a"]
    territory: Int[np.ndarray, "l a"]
    stress_flow: Float[np.ndarray, "l a d"]
    rest_flow: Float[np.ndarray, "l a d"]


def draw_patient(seed: int) -> Patient:
    random = np.random.default_rng([170_000, seed])
    ct_heart = draw_shape(random)
    cmr_heart = other_phase(ct_heart, random)
    arteries, dominance = draw_tree(ct_heart, random)
    arteries, lesions = narrowed(arteries, random)
    territory, artery_of, point_of = grown_territories(ct_heart, arteries, random)
    fed = np.zeros((len(lesions), LEVELS, ANGLES))
    for index, lesion in enumerate(lesions):
        for artery, beyond in downstream(arteries, lesion):
            fed[index] += (artery_of == artery) & beyond[np.minimum(point_of, len(beyond) - 1)]
    chance = [0.95 if lesion.percent >= 70 else 0.45 if lesion.percent >= 50 else 0.0 for lesion in lesions]
    culprits = tuple(bool(random.random() < p) for p in chance)
    stress, rest = _flow(random, fed, lesions, culprits)
    lps_from_heart = _pose(random)
    turn = Rotation.from_rotvec(np.deg2rad(random.normal(0, 4.0, 3).clip(-8, 8))).as_matrix()
    moved = np.eye(4)
    moved[:3, :3] = turn
    centre = (lps_from_heart @ [0, 0, 0.5 * ct_heart.length_mm, 1.0])[:3]
    moved[:3, 3] = centre + random.uniform(-90, 90, 3) - turn @ centre
    return Patient(
        seed=seed,
        split=split_of(seed),
        ct_heart=ct_heart,
        cmr_heart=cmr_heart,
        lps_from_heart=lps_from_heart,
        cmr_from_heart=moved @ lps_from_heart,
        arteries=tuple(arteries),
        dominance=dominance,
        lesions=tuple(lesions),
        culprits=culprits,
        fed_beyond=fed,
        territory=territory,
        stress_flow=stress,
        rest_flow=rest,
    )


def _pose(random: np.random.Generator) -> Float[np.ndarray, "4 4"]:
    base = np.array([-0.62, 0.60, 0.50])
    right = np.array([-0.64, -0.76, 0.10])
    axes = _axes(base, right)
    turn = Rotation.from_rotvec(np.deg2rad(random.normal(0, 8.0, 3))).as_matrix()
    pose = np.eye(4)
    pose[:3, :3] = turn @ axes
    pose[:3, 3] = random.uniform(-40, 40, 3) - pose[:3, :3] @ [0, 0, 45.0]
    return pose


def _axes(base: np.ndarray, right: np.ndarray) -> Float[np.ndarray, "3 3"]:
    z = base / np.linalg.norm(base)
    x = right - (right @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _flow(
    random: np.random.Generator, fed: np.ndarray, lesions: list[Lesion], culprits: tuple[bool, ...]
) -> tuple[np.ndarray, np.ndarray]:
    noise = ndimage.gaussian_filter(random.normal(size=(LEVELS, ANGLES)), (5, 10), mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
    uneven = 1.0 + 0.07 * noise / noise.std()
    depth = np.linspace(0, 1, DEPTHS)
    stress = random.uniform(2.2, 3.4) * uneven[..., None] * (0.95 + 0.10 * depth)
    rest = random.uniform(0.8, 1.2) * uneven[..., None] * (1.05 - 0.10 * depth)
    for index, lesion in enumerate(lesions):
        if culprits[index]:
            # Collaterals soften the border over a few millimetres.
            mask = ndimage.gaussian_filter(fed[index], (1.6, 1.8), mode=("nearest", "wrap"))[..., None]  # pyright: ignore[reportArgumentType]
            lost = random.uniform(0.50, 0.72) * (1.0 if lesion.percent >= 70 else 0.75)
            stress = stress * (1.0 - lost * mask * (1.1 - 0.35 * depth))
    if random.random() < 0.08:  # microvascular: everywhere, worst inside
        stress = stress * (0.62 + 0.25 * depth)
    return stress, rest


def wall_value(shape: HeartShape, table: np.ndarray, points: Float[np.ndarray, "n 3"], depth: np.ndarray) -> np.ndarray:
    """A table over (level, angle[, depth]) at points in the wall of a heart; whole numbers stay whole."""
    levels, _ = level_grid()
    _, theta, z = shape.polar(points)
    row = np.clip(z / shape.length_mm, 0, 1) * (len(levels) - 1)
    column = (theta + np.pi) / (2 * np.pi) * ANGLES
    if table.ndim == 2:
        return table[np.rint(row).astype(int), np.rint(column).astype(int) % ANGLES]
    padded = np.concatenate([table, table[:, :1]], axis=1)
    return ndimage.map_coordinates(
        padded, [row, np.clip(column, 0, ANGLES), depth * (DEPTHS - 1)], order=1, mode="nearest"
    )
