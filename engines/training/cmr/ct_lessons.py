"""CT lessons at three millimetres: simulated chests with their chambers, turned, shifted and painted anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy import ndimage
from scipy.spatial.transform import Rotation

from calibration.store import write_atomically
from engines.cmr.heart.learned_heart import SPACING_MM, scaled
from engines.networks.cmr_heart_network import CLASSES
from engines.simulation.cmr.ct_picture import ct_picture
from engines.simulation.cmr.patient import draw_patient

_TURN_DEG = 12.0
_OUTSIDE_HU = (-900.0, 60.0)  # lung, or chest wall, beyond the simulated field


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtLesson:
    """Axes run along LPS.

    Args:
        labels: class of every voxel, in the order of the network's.
        middle_mm: LPS of the grid's middle.
        apex_mm, mitral_mm, right: of the heart.
    """

    hu: Float32[np.ndarray, "i j k"]
    labels: Int[np.ndarray, "i j k"]
    middle_mm: Float[np.ndarray, " 3"]
    apex_mm: Float[np.ndarray, " 3"]
    mitral_mm: Float[np.ndarray, " 3"]
    right: Float[np.ndarray, " 3"]


def prepared_ct(seed: int, folder: Path) -> CtLesson:
    """One patient's CT; made once and kept in a folder."""
    path = folder / f"ct-{seed}.npz"
    if not path.exists():
        made = _made(seed)
        arrays = {
            "hu": made.hu.astype(np.int16), "labels": made.labels.astype(np.uint8),
            "places": np.stack([made.middle_mm, made.apex_mm, made.mitral_mm, made.right]),
        }  # fmt: skip

        def store(beside: Path) -> None:
            with beside.open("wb") as file:
                np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]

        write_atomically(path, store)
    with np.load(path, allow_pickle=False) as kept:
        middle, apex, mitral, right = kept["places"]
        return CtLesson(
            hu=kept["hu"].astype(np.float32), labels=kept["labels"].astype(np.int64), middle_mm=middle,
            apex_mm=apex, mitral_mm=mitral, right=right,
        )  # fmt: skip


def _made(seed: int) -> CtLesson:
    patient = draw_patient(seed)
    picture = ct_picture(patient, np.random.default_rng([176_000, seed]), spacing_mm=SPACING_MM)
    flip = tuple(slice(None, None, int(np.sign(picture.lps_from_index[k, k]))) for k in range(3))
    labels = np.zeros(picture.hu.shape, dtype=np.int64)
    for number, name in enumerate(CLASSES):
        if number:
            labels[picture.masks[name]] = number
    count = picture.hu.shape[0]
    middle = picture.lps_from_index[:3, :3] @ np.full(3, (count - 1) / 2.0) + picture.lps_from_index[:3, 3]
    pose, shape = patient.lps_from_heart, patient.ct_heart
    mitral = shape.mitral_centre()
    axis = mitral / np.linalg.norm(mitral)
    septum = 0.5 * sum(shape.insertions())
    right = np.array([np.cos(septum), np.sin(septum), 0.0])
    right -= (right @ axis) * axis
    return CtLesson(
        hu=picture.hu[flip].astype(np.float32), labels=labels[flip], middle_mm=middle, apex_mm=pose[:3, 3].copy(),
        mitral_mm=pose[:3, :3] @ mitral + pose[:3, 3], right=pose[:3, :3] @ right / np.linalg.norm(right),
    )  # fmt: skip


def turned(
    random: np.random.Generator, lesson: CtLesson, side: int, *, turn_deg: float = _TURN_DEG, shift_mm: float = 18.0
) -> tuple[Float32[np.ndarray, "i j k"], np.ndarray, Float[np.ndarray, "4 4"]]:
    """HU as the network takes them and labels on a cube of `side`, turned and moved; and the move.

    The move maps LPS relative to the lesson's middle to LPS relative to the cube's middle.
    """
    turn = Rotation.from_rotvec(np.deg2rad(random.normal(0, turn_deg, 3))).as_matrix()
    size = random.uniform(0.9, 1.12)
    heart = 0.5 * (lesson.apex_mm + lesson.mitral_mm) - lesson.middle_mm
    shift = random.uniform(-shift_mm, shift_mm, 3)
    # Cube place y (mm from its middle) shows lesson place x = inverse(turn size) (y - shift) + heart.
    inverse = turn.T / size
    half = 0.5 * (np.array(lesson.hu.shape) - 1)
    offset = half + (inverse @ (-np.full(3, 0.5 * (side - 1)) * SPACING_MM - shift) + heart) / SPACING_MM
    outside = float(random.choice(_OUTSIDE_HU))
    hu = ndimage.affine_transform(
        lesson.hu, inverse, offset, output_shape=(side,) * 3, order=1, mode="constant", cval=outside
    )  # pyright: ignore[reportArgumentType]
    labels = ndimage.affine_transform(lesson.labels, inverse, offset, output_shape=(side,) * 3, order=0)  # pyright: ignore[reportArgumentType]
    hu = _painted(random, np.asarray(hu), np.asarray(labels))
    move = np.eye(4)
    move[:3, :3] = turn * size
    move[:3, 3] = shift - turn @ heart * size
    return scaled(hu), np.asarray(labels), move


def _painted(random: np.random.Generator, hu: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Another injection, another dose, another kernel."""
    hu = hu.copy()
    left = random.uniform(-110, 180)
    for name in ("lv_cavity", "la", "aorta"):
        hu[labels == CLASSES.index(name)] += left + random.normal(0, 15)
    right = random.uniform(-120, 200)
    for name in ("rv", "ra"):
        hu[labels == CLASSES.index(name)] += right + random.normal(0, 25)
    hu[labels == CLASSES.index("lv_wall")] += random.normal(0, 14)
    hu = ndimage.gaussian_filter(hu, random.uniform(0.0, 0.6))
    noise = ndimage.gaussian_filter(random.standard_normal(hu.shape), random.uniform(0.0, 0.6))
    return hu + random.uniform(0, 45) * noise / noise.std()
