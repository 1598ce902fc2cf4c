"""`train cmr-sdn`: the field that carries a CMR slice's wall onto the CT's, taught by the walls of both (cross-modal
supervision): pictures of two modalities cannot be compared, their walls can.

Both phases of one simulated heart are cut at one level, the CMR a little turned and moved, its contour a little wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from engines.cmr.fusion.learned_field import SIDE, STEP_MM, cmr_picture, distance_picture
from engines.cmr.heart.learned_heart import scaled
from engines.networks.cmr_deformation_network import DeformationNet, carried, displacement
from engines.simulation.cmr.heart_shape import HeartShape
from engines.simulation.cmr.patient import draw_patient
from engines.training.cmr.fit import FitPlan, fit

HELD_OUT_FROM = 900
PLAN = FitPlan(of="cmr-sdn", steps=1500, batch=8, rate=2e-3, patients=150, width=8)
_BENDING, _FOLDING = 3.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    ct: HeartShape
    cmr: HeartShape


def train_sdn(
    plan: FitPlan, folder: Path, *, say: Callable[[str], None], stepped: Callable[[int, float], None]
) -> tuple[DeformationNet, int]:
    say(f"{plan.patients} patients")
    pairs = [_pair(seed) for seed in range(plan.patients)]
    torch.manual_seed(plan.seed)
    net = DeformationNet(width=plan.width)

    def lesson(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        return field_lesson(random, pairs[int(random.integers(len(pairs)))])

    return fit(net, lesson, field_loss, plan, folder / f"{plan.of}.pt", progress=stepped)


def _pair(seed: int) -> _Pair:
    patient = draw_patient(seed)
    return _Pair(ct=patient.ct_heart, cmr=patient.cmr_heart)


def field_lesson(random: np.random.Generator, pair: _Pair) -> tuple[np.ndarray, ...]:
    """Inputs of the network, then wall and pool of CT and CMR."""
    level = random.uniform(0.15, 0.92)
    ct = _cut(pair.ct, level, np.zeros(2), 0.0)
    turn, shift = np.deg2rad(random.normal(0, 5.0)), random.normal(0, 1.5, 2)
    cmr = _cut(pair.cmr, float(np.clip(level + random.normal(0, 0.02), 0.12, 0.95)), shift, turn)
    wall = cmr["wall"]
    if random.random() < 0.7:  # contours of CMR are never quite right
        rough = ndimage.gaussian_filter(random.normal(size=wall.shape), 6.0)
        edge = distance_picture(wall) + 0.06 * rough / rough.std()
        wall = edge > random.normal(0, 0.02)
    inputs = np.stack([
        scaled(_ct_picture(random, ct)), distance_picture(ct["wall"]), cmr_picture(_cmr_picture(random, cmr)),
        distance_picture(wall),
    ])  # fmt: skip
    masks = np.stack([ct["wall"], ct["pool"], cmr["wall"], cmr["pool"]]).astype(np.float32)
    return inputs, ndimage.gaussian_filter(masks, (0, 0.7, 0.7)).astype(np.float32)


def _cut(shape: HeartShape, level: float, shift_mm: np.ndarray, turn: float) -> dict[str, np.ndarray]:
    side = (np.arange(SIDE) - 0.5 * (SIDE - 1)) * STEP_MM
    x, y = np.meshgrid(side, side, indexing="ij")
    c, s = np.cos(turn), np.sin(turn)
    a, b = c * x + s * y - shift_mm[0], -s * x + c * y - shift_mm[1]
    septum = 0.5 * sum(shape.insertions())
    mitral = shape.mitral_centre()
    z = level * mitral[2]
    c, s = np.cos(septum), np.sin(septum)
    points = np.stack([c * a - s * b + level * mitral[0], s * a + c * b + level * mitral[1], np.full_like(a, z)], -1)
    flat = points.reshape(-1, 3)
    pool, epi = shape.in_cavity(flat), shape.in_epicardium(flat)
    right = shape.in_right_ventricle(flat) & ~epi
    found = {"pool": pool, "wall": epi & ~pool, "right": right}
    return {name: value.reshape(x.shape) for name, value in found.items()}


def _ct_picture(random: np.random.Generator, cut: dict[str, np.ndarray]) -> Float[np.ndarray, "c r"]:
    heart = cut["pool"] | cut["wall"] | cut["right"]
    away = np.asarray(ndimage.distance_transform_edt(~heart)) * STEP_MM
    hu = np.where(away < random.uniform(3, 8), -95.0, random.choice([-830.0, 60.0]))
    for name, level in (("pool", random.uniform(250, 500)), ("wall", random.uniform(80, 140)),
                        ("right", random.uniform(90, 400))):  # fmt: skip
        hu[cut[name]] = level
    return ndimage.gaussian_filter(hu, 0.5) + random.normal(0, random.uniform(8, 30), hu.shape)


def _cmr_picture(random: np.random.Generator, cut: dict[str, np.ndarray]) -> Float[np.ndarray, "c r"]:
    heart = cut["pool"] | cut["wall"] | cut["right"]
    texture = ndimage.gaussian_filter(random.normal(size=heart.shape), 3.0)
    picture = np.where(heart, 0.0, random.uniform(0.05, 0.4)) * (1 + 0.3 * texture / texture.std())
    for name, level in (("pool", 1.0), ("wall", random.uniform(0.08, 0.5)), ("right", random.uniform(0.2, 1.2))):
        picture[cut[name]] = level
    u, v = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE), indexing="ij")
    picture = ndimage.gaussian_filter(picture, random.uniform(0.4, 1.0)) * np.exp(
        random.normal(0, 0.3) * u + random.normal(0, 0.3) * v
    )
    return np.abs(picture + random.normal(0, random.uniform(0.01, 0.08), picture.shape))


def field_loss(net: DeformationNet, drawn: tuple[Tensor, ...]) -> Tensor:
    inputs, masks = drawn
    velocity = net(inputs)
    back = displacement(velocity)
    moved = carried(masks[:, 2:], back)
    wall, pool = (1 - _dice(moved[:, k], masks[:, k]) for k in (0, 1))
    first = back[:, :, 1:] - back[:, :, :-1], back[..., 1:] - back[..., :-1]
    bent = sum((part[..., 1:, :] - part[..., :-1, :]).square().mean() for part in first) + sum(
        (part[..., 1:] - part[..., :-1]).square().mean() for part in first
    )
    a, b = first[0][..., :-1], first[1][:, :, :-1]
    jacobian = (1 + a[:, 0]) * (1 + b[:, 1]) - a[:, 1] * b[:, 0]
    return wall.mean() + 0.5 * pool.mean() + _BENDING * bent + _FOLDING * torch.relu(0.1 - jacobian).mean()


def _dice(a: Tensor, b: Tensor) -> Tensor:
    return (2 * (a * b).sum(dim=(1, 2)) + 1) / (a.square().sum(dim=(1, 2)) + b.square().sum(dim=(1, 2)) + 1)


def held_out_dice(net: DeformationNet, folder: Path, *, patients: int = 40) -> dict[str, float]:
    """Wall Dice before and after, and the share of pixels that fold, over patients that nothing learned from."""
    del folder
    before, after, folds = [], [], []
    for seed in range(HELD_OUT_FROM, HELD_OUT_FROM + patients):
        inputs, masks = field_lesson(np.random.default_rng([179_000, seed]), _pair(seed))
        with torch.inference_mode():
            back = displacement(net(torch.from_numpy(inputs)[None]))
            moved = carried(torch.from_numpy(masks[2:])[None], back)[0, 0].numpy() > 0.5
        ct, cmr = masks[0] > 0.5, masks[2] > 0.5
        before.append(2 * (ct & cmr).sum() / (ct.sum() + cmr.sum()))
        after.append(2 * (ct & moved).sum() / (ct.sum() + moved.sum()))
        field = back[0].numpy()
        xx, xy = np.gradient(field[0])
        yx, yy = np.gradient(field[1])
        folds.append(float(((1 + xx) * (1 + yy) - xy * yx <= 0).mean()))
    return {
        "wall_dice_before": float(np.median(before)), "wall_dice_after": float(np.median(after)),
        "folding_share": float(np.max(folds)),
    }  # fmt: skip
