"""A bank of rendered pictures with their derivatives by the pose, so that training needs no renderer in its graph.

The gradient of a similarity S by the pose is J^T dS/dI, where J is the derivative of the moving picture by six small
motions. J depends on volume and pose alone, so it is rendered once by central differences. Any picture of the same
scene at a known pose can then serve as the fixed picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from calibration.errors import InputError
from calibration.store import write_atomically
from engines.simulation.training_patients.small_volumes import Scene

TRANSLATION_SCALE_MM = 100.0  # this much movement counts as much as one radian
NEAREST, FARTHEST = 0.02, 1.6  # range of pose distances: from where evolution takes over to beyond most starts
_STEP = 0.01  # step of the central differences: 0.6 degrees or 1 mm, a quarter of a pixel
_TURN_RAD, _MOVE_MM = np.deg2rad(15.0), (25.0, 25.0, 45.0)  # spread of the moving poses about the nominal pose
_FAR_TURN_RAD, _FAR_MOVE_MM = np.deg2rad(20.0), (30.0, 30.0, 60.0)  # shape of a pair's displacement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bank:
    """Moving pictures with their derivatives, and for each of them near and far fixed pictures.

    Poses are those of the scene's pivot: rotations of the camera's axes, and positions in camera mm.

    Args:
        moving: values of the DRR.
        jacobian: derivative of `moving` per radian and per 100 mm along the camera's axes.
        fixed: `per_moving` pictures for each moving one, in the same order.
        scene: number of the scene of each moving picture.
        plan: the plan by which the bank was rendered, in words; a bank of another plan is refused.
    """

    moving: Float[np.ndarray, "m r c"]
    jacobian: Float[np.ndarray, "m 6 r c"]
    moving_turn: Float[np.ndarray, "m 3 3"]
    moving_place_mm: Float[np.ndarray, "m 3"]
    fixed: Float[np.ndarray, "f r c"]
    fixed_turn: Float[np.ndarray, "f 3 3"]
    fixed_place_mm: Float[np.ndarray, "f 3"]
    scene: Int[np.ndarray, " m"]
    plan: str = ""

    @property
    def per_moving(self) -> int:
        return len(self.fixed) // len(self.moving)

    def displacement(self, moving: Int[np.ndarray, " n"], fixed: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 6"]:
        """Displacement from moving to fixed poses: rotation vector in rad and movement in 100 mm, in camera axes."""
        turn = self.fixed_turn[fixed] @ self.moving_turn[moving].transpose(0, 2, 1)
        move = self.fixed_place_mm[fixed] - self.moving_place_mm[moving]
        return np.column_stack([Rotation.from_matrix(turn).as_rotvec(), move / TRANSLATION_SCALE_MM])

    def save(self, path: Path) -> None:
        """Write the complete bank, or nothing."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}

        def write(beside: Path) -> None:
            with beside.open("wb") as file:
                np.savez(file, **arrays)

        write_atomically(path, write)

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read a bank. Raises InputError if the file holds none."""
        try:
            with np.load(path) as content:
                arrays = {field.name: content[field.name] for field in fields(cls) if field.name != "plan"}
                return cls(**arrays, plan=str(content["plan"]))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{path}: no bank of pictures ({error}); remove it to render it again") from error


def make_bank(
    scenes: Sequence[Callable[[], Scene]],
    *,
    moving: int,
    per_moving: int,
    seed: int,
    plan: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> Bank:
    """Render `moving` entries of every scene; scenes are made one after the other, to hold one volume at a time."""
    parts = []
    for number, make in enumerate(scenes):
        scene = make()
        parts.append(_scene_bank(scene, number, np.random.default_rng([seed, number, 41]), moving, per_moving))
        progress(f"{scene.name}: {moving} poses, {moving * (13 + per_moving)} pictures")
    arrays = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Bank) if f.name != "plan"
    }
    return Bank(**arrays, plan=plan)


def _scene_bank(scene: Scene, number: int, rng: np.random.Generator, moving: int, per_moving: int) -> Bank:
    nominal_turn = scene.camera_from_lps[:3, :3]
    nominal_mm = nominal_turn @ scene.pivot_lps_mm + scene.camera_from_lps[:3, 3]
    turn = _turned(nominal_turn, rng.normal(0.0, _TURN_RAD, (moving, 3)))
    place_mm = nominal_mm + rng.normal(size=(moving, 3)) * _MOVE_MM
    offset = drawn_displacements(rng, moving * per_moving)
    fixed_turn = _turned(np.repeat(turn, per_moving, axis=0), offset[:, :3])
    fixed_mm = np.repeat(place_mm, per_moving, axis=0) + TRANSLATION_SCALE_MM * offset[:, 3:]
    pictures, jacobians = [], []
    for one_turn, one_mm in zip(turn, place_mm, strict=True):
        picture, jacobian = picture_and_jacobian(scene, one_turn, one_mm)
        pictures.append(picture)
        jacobians.append(jacobian)
    return Bank(
        moving=np.stack(pictures),
        jacobian=np.stack(jacobians),
        moving_turn=turn,
        moving_place_mm=place_mm,
        fixed=scene.picture(scene.fixed, _cameras(scene, fixed_turn, fixed_mm)),
        fixed_turn=fixed_turn,
        fixed_place_mm=fixed_mm,
        scene=np.full(moving, number),
    )


def picture_and_jacobian(
    scene: Scene, turn: Float[np.ndarray, "3 3"], place_mm: Float[np.ndarray, " 3"]
) -> tuple[Float[np.ndarray, "r c"], Float[np.ndarray, "6 r c"]]:
    """The moving picture at a pose, and its derivatives by three turns and three moves (central differences)."""
    steps = np.concatenate([np.zeros((1, 6)), _STEP * np.eye(6), -_STEP * np.eye(6)])
    turns = _turned(np.repeat(turn[None], len(steps), axis=0), steps[:, :3])
    places = place_mm + TRANSLATION_SCALE_MM * steps[:, 3:]
    shown = scene.picture(scene.moving, _cameras(scene, turns, places))
    return shown[0], (shown[1:7] - shown[7:]) / (2.0 * _STEP)


def drawn_displacements(rng: np.random.Generator, count: int) -> Float[np.ndarray, "n 6"]:
    """Displacements with the directions of registration starts and log-uniform lengths, to include small errors."""
    raw = rng.normal(size=(count, 6)) * [*[_FAR_TURN_RAD] * 3, *(np.array(_FAR_MOVE_MM) / TRANSLATION_SCALE_MM)]
    length = np.exp(rng.uniform(np.log(NEAREST), np.log(FARTHEST), count))
    return raw / np.linalg.norm(raw, axis=1, keepdims=True) * length[:, None]


def _turned(turn: Float[np.ndarray, "*n 3 3"], rotation_rad: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    return Rotation.from_rotvec(rotation_rad).as_matrix() @ turn


def _cameras(
    scene: Scene, turn: Float[np.ndarray, "n 3 3"], place_mm: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 4 4"]:
    cameras = np.tile(np.eye(4), (len(turn), 1, 1))
    cameras[:, :3, :3] = turn
    cameras[:, :3, 3] = place_mm - turn @ scene.pivot_lps_mm
    return cameras
