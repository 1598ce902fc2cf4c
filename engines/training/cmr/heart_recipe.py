"""`train cmr-heart`: the chambers of a contrast CT at three millimetres."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.networks.cmr_heart_network import CLASSES, HeartNet
from engines.training.cmr.ct_lessons import prepared_ct, turned
from engines.training.cmr.fit import FitPlan, class_dice, class_loss, fit

HELD_OUT_FROM = 900
PLAN = FitPlan(of="cmr-heart", steps=1800, batch=2, rate=4e-3, patients=80, width=8)
_SIDE = 40


def train_heart(
    plan: FitPlan, folder: Path, *, say: Callable[[str], None], stepped: Callable[[int, float], None]
) -> tuple[HeartNet, int]:
    lessons = []
    for seed in range(plan.patients):
        if seed % 20 == 0:
            say(f"patient {seed + 1} of {plan.patients}")
        lessons.append(prepared_ct(seed, folder))
    torch.manual_seed(plan.seed)
    net = HeartNet(width=plan.width)

    def lesson(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        hu, labels, _ = turned(random, lessons[int(random.integers(len(lessons)))], _SIDE)
        return hu[None], labels

    def loss_of(net: HeartNet, drawn: tuple[Tensor, ...]) -> Tensor:
        hu, labels = drawn
        return class_loss(net(hu), labels)

    return fit(net, lesson, loss_of, plan, folder / f"{plan.of}.pt", progress=stepped)


def held_out_dice(net: HeartNet, folder: Path, *, patients: int = 12) -> dict[str, float]:
    """Mean Dice of each class over patients that nothing learned from."""
    pairs = []
    for seed in range(HELD_OUT_FROM, HELD_OUT_FROM + patients):
        hu, labels, _ = turned(np.random.default_rng([177_000, seed]), prepared_ct(seed, folder), 48)
        with torch.inference_mode():
            found = net(torch.from_numpy(hu)[None, None]).argmax(dim=1)[0].numpy()
        pairs.append((found, labels))
    return class_dice(pairs, CLASSES)
