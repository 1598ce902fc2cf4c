"""`train cmr-wall`: the network that reads a slice's whole first pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.cmr.wall.first_pass_maps import MAPS
from engines.networks.cmr_wall_network import CLASSES, WallNet
from engines.training.cmr.fit import FitPlan, class_dice, class_loss, fit
from engines.training.cmr.wall_lessons import prepared_slices, wall_lesson

HELD_OUT_FROM = 900  # of the split train; nothing learns from them
PLAN = FitPlan(of="cmr-wall", steps=1800, batch=8, rate=3e-3, patients=120, width=16)


def train_wall(
    plan: FitPlan, folder: Path, *, say: Callable[[str], None], stepped: Callable[[int, float], None]
) -> tuple[WallNet, int]:
    slices = []
    for seed in range(plan.patients):
        if seed % 20 == 0:
            say(f"patient {seed + 1} of {plan.patients}")
        slices += prepared_slices(seed, folder)
    torch.manual_seed(plan.seed)
    net = WallNet(len(MAPS), width=plan.width)

    def lesson(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        return wall_lesson(random, slices[int(random.integers(len(slices)))])

    def loss_of(net: WallNet, drawn: tuple[Tensor, ...]) -> Tensor:
        maps, labels = drawn
        return class_loss(net(maps), labels)

    return fit(net, lesson, loss_of, plan, folder / f"{plan.of}.pt", progress=stepped)


def held_out_dice(net: WallNet, folder: Path, *, patients: int = 12) -> dict[str, float]:
    """Mean Dice of each class over lessons of patients that nothing learned from."""
    pairs = []
    for seed in range(HELD_OUT_FROM, HELD_OUT_FROM + patients):
        for number, part in enumerate(prepared_slices(seed, folder)):
            maps, labels = wall_lesson(np.random.default_rng([173_000, seed, number]), part)
            with torch.inference_mode():
                found = net(torch.from_numpy(maps)[None]).argmax(dim=1)[0].numpy()
            pairs.append((found, labels))
    return class_dice(pairs, CLASSES)
