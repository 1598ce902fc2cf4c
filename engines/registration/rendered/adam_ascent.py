"""Maximise a similarity over the six parameters of a pose by Adam, and keep the best pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float

from engines.registration.alignment.pose_motion import PoseMotion
from engines.registration.progress import Told, untold


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamLevel:
    """One run of Adam on pictures of one size.

    Args:
        learning_rate: first step, in mm of movement on the isocentre plane; it falls to a tenth.
    """

    long_side_px: int
    steps: int
    learning_rate: float


def ascend(
    motion: PoseMotion,
    begin: Float[torch.Tensor, " 6"],
    score: Callable[[Float[torch.Tensor, "1 4 4"]], torch.Tensor],
    level: AdamLevel,
    *,
    told: Told = untold,
) -> tuple[Float[torch.Tensor, " 6"], float]:
    """The best parameters met, including `begin`, and their score.

    Args:
        told: called before every step with the steps done and the steps in all.
    """
    parameters = begin.detach().clone().requires_grad_()
    adam = torch.optim.Adam([parameters], lr=level.learning_rate, betas=(0.8, 0.95))
    best, best_score = begin.detach().clone(), -torch.inf
    for step in range(level.steps):
        told(step, level.steps)
        adam.param_groups[0]["lr"] = level.learning_rate * 0.1 ** (step / max(1, level.steps - 1))
        adam.zero_grad()
        value = score(motion.pose(parameters)[None]).sum()
        if float(value.detach()) > best_score:
            best, best_score = parameters.detach().clone(), float(value.detach())
        (-value).backward()
        adam.step()
    return best, float(best_score)
