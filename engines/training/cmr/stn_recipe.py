"""`train cmr-stn`: how a heart lies in a CT, at a stated fraction of the published network's width.

Three losses as the publication names them, as far as its abstract tells: the true pose (which a simulation knows), and
the agreement of the CT's wall, read where the network says that the CMR's slices lie, with the CMR's own wall.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from calibration.store import write_atomically
from engines.cmr.heart.learned_frame import SIDE, USUAL_LENGTH_MM, usual_pose
from engines.cmr.heart.learned_heart import SPACING_MM
from engines.networks.cmr_heart_network import CLASSES
from engines.networks.cmr_reorientation_network import ReorientationNet, read_at, rotation_of
from engines.simulation.cmr.patient import draw_patient
from engines.training.cmr.ct_lessons import CtLesson, prepared_ct, turned
from engines.training.cmr.fit import FitPlan, fit

HELD_OUT_FROM = 900
PLAN = FitPlan(of="cmr-stn", steps=2000, batch=8, rate=2e-3, patients=240, width=8)
_FIRST_LOOK, _NEXT_LOOK = (14.0, 9.0), (4.0, 3.0)  # degrees (standard deviation) and mm (at most) off the usual place
_LEVELS = (0.80, 0.52, 0.25)
_PLANE = np.arange(-54.0, 55.0, 4.0)


def train_stn(
    plan: FitPlan, folder: Path, *, say: Callable[[str], None], stepped: Callable[[int, float], None]
) -> tuple[ReorientationNet, int]:
    cases = []
    for seed in range(plan.patients):
        if seed % 20 == 0:
            say(f"patient {seed + 1} of {plan.patients}")
        cases.append((prepared_ct(seed, folder), _prepared_wall(seed, folder)))
    torch.manual_seed(plan.seed)
    net = ReorientationNet(width=plan.width)
    usual = torch.from_numpy(usual_pose()).float()

    def lesson(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        case, wall = cases[int(random.integers(len(cases)))]
        turn, shift = _FIRST_LOOK if random.random() < 0.5 else _NEXT_LOOK
        hu, labels, move = turned(random, case, SIDE, turn_deg=turn, shift_mm=shift)
        rotation, middle, length = true_pose(case, move)
        own = (labels == CLASSES.index("lv_wall")).astype(np.float32)
        return hu[None], own[None], rotation, middle, length, wall

    def loss_of(net: ReorientationNet, drawn: tuple[Tensor, ...]) -> Tensor:
        hu, own, rotation, middle, length, wall = drawn
        told = net(hu)
        found = rotation_of(told[:, :6], usual)
        off = middle - told[:, 6:9]
        turn = (2 - 2 * (found * rotation).sum(dim=1)[:, [0, 2]]).clamp(min=1e-6)
        scale = USUAL_LENGTH_MM * torch.exp(told[:, 9])
        points = _stack_points().to(hu)[None] * torch.stack([torch.ones_like(scale)] * 2 + [scale], dim=1)[:, None]
        seen = read_at(own, points @ found.transpose(1, 2) + 10 * told[:, None, 6:9], SPACING_MM)
        dice = (2 * (seen * wall).sum(dim=1) + 1) / (seen.sum(dim=1) + wall.sum(dim=1) + 1)
        return (
            turn.sqrt().mean() + torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off))
            + (told[:, 9] - length).abs().mean() + 0.3 * (1 - dice).mean()
        )  # fmt: skip

    return fit(net, lesson, loss_of, plan, folder / f"{plan.of}.pt", progress=stepped)


def true_pose(case: CtLesson, move: Float[np.ndarray, "4 4"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation, middle in units of 10 mm about the cube's, and logarithm of the length, as the network tells them."""
    apex, mitral = (move[:3, :3] @ (p - case.middle_mm) + move[:3, 3] for p in (case.apex_mm, case.mitral_mm))
    axis = (mitral - apex) / np.linalg.norm(mitral - apex)
    right = move[:3, :3] @ case.right
    right -= (right @ axis) * axis
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(axis, right), axis], axis=1)
    length = np.log(np.linalg.norm(mitral - apex) / USUAL_LENGTH_MM)
    return rotation.astype(np.float32), (0.05 * (apex + mitral)).astype(np.float32), np.array(length, dtype=np.float32)


def _stack_points() -> Tensor:
    """Places of three slices about the ventricle's middle: mm along septum and ahead, share of the length along."""
    x, y = np.meshgrid(_PLANE, _PLANE, indexing="ij")
    return torch.from_numpy(
        np.concatenate([np.stack([x, y, np.full_like(x, level - 0.5)], axis=-1).reshape(-1, 3) for level in _LEVELS])
    ).float()


def _prepared_wall(seed: int, folder: Path) -> np.ndarray:
    """Made once and kept in a folder."""
    path = folder / f"cmr-wall-{seed}.npy"
    if not path.exists():
        wall = _cmr_wall(seed)

        def store(beside: Path) -> None:
            with beside.open("wb") as file:
                np.save(file, wall)

        write_atomically(path, store)
    return np.load(path, allow_pickle=False)


def _cmr_wall(seed: int) -> np.ndarray:
    """The wall that the CMR sees at those places, in its own phase."""
    shape = draw_patient(seed).cmr_heart
    mitral = shape.mitral_centre()
    length = float(np.linalg.norm(mitral))
    axis = mitral / length
    septum = 0.5 * sum(shape.insertions())
    right = np.array([np.cos(septum), np.sin(septum), 0.0])
    right -= (right @ axis) * axis
    right /= np.linalg.norm(right)
    places = _stack_points().numpy().astype(np.float64)
    points = places[:, :1] * right + places[:, 1:2] * np.cross(axis, right) + (places[:, 2:] + 0.5) * length * axis
    return (shape.in_epicardium(points) & ~shape.in_cavity(points)).astype(np.float32)


def held_out_degrees(net: ReorientationNet, folder: Path, *, patients: int = 20) -> dict[str, float]:
    """Median errors over patients that nothing learned from, at the first look and at one after it."""
    first, after = _errors(net, folder, (8.0, 6.0), patients), _errors(net, folder, (2.0, 2.0), patients)
    return {**first, **{f"{name}_looking_again": value for name, value in after.items()}}


def _errors(net: ReorientationNet, folder: Path, off: tuple[float, float], patients: int) -> dict[str, float]:
    usual = torch.from_numpy(usual_pose()).float()
    axes, septa, middles = [], [], []
    for seed in range(HELD_OUT_FROM, HELD_OUT_FROM + patients):
        case = prepared_ct(seed, folder)
        random = np.random.default_rng([178_000, seed])
        hu, _, move = turned(random, case, SIDE, turn_deg=off[0], shift_mm=off[1])
        rotation, middle, _ = true_pose(case, move)
        with torch.inference_mode():
            told = net(torch.from_numpy(hu)[None, None])
        found = rotation_of(told[:, :6], usual)[0].numpy()
        axes.append(np.rad2deg(np.arccos(np.clip(found[:, 2] @ rotation[:, 2], -1, 1))))
        septa.append(np.rad2deg(np.arccos(np.clip(found[:, 0] @ rotation[:, 0], -1, 1))))
        middles.append(10 * np.linalg.norm(told[0, 6:9].numpy() - middle))
    return {
        "axis_deg": float(np.median(axes)),
        "septum_deg": float(np.median(septa)),
        "middle_mm": float(np.median(middles)),
    }
