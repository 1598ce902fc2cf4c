"""Train the pose initialiser: seeded, resumable, on invented patients only.

python -m engines.training.pose.pose_recipe --out out/models [--steps 2400] [--width 16] [--device cpu]
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.networks.pose_network import PoseNetwork
from engines.simulation.training_patients.patients import POSE_KINDS, TrainingPatient, draw_patient
from engines.training.checkpoint import Checkpoint, Part, WeightAverage
from engines.training.pose.pose_losses import PoseLoss, pose_loss, projected_distance_mm
from engines.training.pose.pose_pictures import OffsetSpread, PoseBatch, draw_batch, drawn

_SAVE_EVERY = 100
_EMA_DECAY = 0.998


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseRecipe:
    """Everything that determines the weights.

    Args:
        width: 64 is the published ResNet18.
        patients: number of patients, invented once and viewed from new angles in every step.
        views: views per step, with `POSES_PER_VIEW` starts each.
        rounds: how often the network is applied, each time to its last answer, so that it learns to finish.
    """

    steps: int = 2400
    seed: int = 1
    width: int = 16
    patients: int = 120
    views: int = 4
    rounds: int = 2
    rate: float = 1.5e-3
    loss: PoseLoss = "paper+projection"
    bfloat16: bool = False


def train_pose(
    recipe: PoseRecipe,
    checkpoint: Path,
    *,
    device: str = "cpu",
    budget_s: float = math.inf,
    progress: Callable[[int, float, float], None] = lambda *_: None,
) -> tuple[PoseNetwork, int]:
    """Train, or go on from `checkpoint`; returns the averaged network in evaluation mode and the steps done.

    Args:
        budget_s: time after which to stop early; the learning rate then also follows the clock.
        progress: called with the step, the loss, and the last round's projected distance in mm.

    Raises:
        InputError: the checkpoint belongs to another recipe or cannot be read.
    """
    began = time.monotonic()
    torch.manual_seed(recipe.seed)
    net = PoseNetwork(recipe.width).to(device)
    net = net.to(memory_format=_memory_format(net))  # pyright: ignore[reportCallIssue] - missing from torch's stubs
    average = WeightAverage(net, _EMA_DECAY)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-4)
    parts: dict[str, Part] = {"net": net, "optimiser": optimiser}
    kept = Checkpoint(checkpoint, asdict(recipe), of="a pose network", average=average, parts=parts)
    step = first = kept.resume(device)
    patient_of = lru_cache(maxsize=None)(lambda number: _patient(recipe.seed, number))
    net.train()
    while step < recipe.steps and time.monotonic() - began < budget_s:
        spent = (time.monotonic() - began) / budget_s
        done = max(step / recipe.steps, first / recipe.steps + (1 - first / recipe.steps) * spent)
        for group in optimiser.param_groups:
            group["lr"] = (
                recipe.rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            )
        batches = [_batch(recipe, step, view, patient_of, device) for view in range(recipe.views)]
        optimiser.zero_grad(set_to_none=True)
        loss, apart_mm = _loss(net, batches, recipe)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        average.add(net, step)
        progress(step, float(loss.detach()), apart_mm)
        if step % _SAVE_EVERY == 0:
            kept.save(step)
    if step % _SAVE_EVERY:
        kept.save(step)
    net.load_state_dict(average.weights)
    return net.eval(), step


def _memory_format(net: PoseNetwork) -> torch.memory_format:
    """Channels last is faster, but not safe for the narrowest networks.

    oneDNN 3.12's `jit_1x1:avx2` gradient of a strided 1x1 convolution (the shortcuts here) always copies 8 channels of
    a channels-last picture: with fewer it writes beyond its scratch memory. DruNet has no strided convolution.
    """
    return torch.channels_last if net.width % 8 == 0 else torch.contiguous_format


def _loss(net: PoseNetwork, batches: Sequence[PoseBatch], recipe: PoseRecipe) -> tuple[Tensor, float]:
    """The loss of a step: all views pass the network together, and every round adds its loss."""
    views = [batch.begin for batch in batches]
    losses, apart_mm = [], 0.0
    for _ in range(recipe.rounds):
        with torch.no_grad():
            pictures = [
                torch.cat([drawn(batch.cloud, view), batch.seen], dim=1)
                for batch, view in zip(batches, views, strict=True)
            ]
        device = pictures[0].device.type
        with torch.autocast(device, torch.bfloat16, enabled=recipe.bfloat16):
            outputs = net(torch.cat(pictures).contiguous(memory_format=_memory_format(net))).float()
        parts = outputs.split([len(picture) for picture in pictures])
        moved = [view.moved(part) for view, part in zip(views, parts, strict=True)]
        losses += [pose_loss(batch, view, recipe.loss) for batch, view in zip(batches, moved, strict=True)]
        with torch.no_grad():
            apart_mm = float(
                torch.stack(
                    [projected_distance_mm(batch, view).mean() for batch, view in zip(batches, moved, strict=True)]
                ).mean()
            )
            views = [view.moved(part.detach()) for view, part in zip(views, parts, strict=True)]
    return torch.stack(losses).mean(), apart_mm


def _patient(seed: int, number: int) -> TrainingPatient:
    return draw_patient(POSE_KINDS[number % len(POSE_KINDS)], seed, number)


def _batch(
    recipe: PoseRecipe, step: int, view: int, patient_of: Callable[[int], TrainingPatient], device: str
) -> PoseBatch:
    rng = np.random.default_rng([recipe.seed, step, view, 9])
    # Begin with few patients, so that training starts before all are invented.
    known = min(recipe.patients, 8 + step // 4)
    return draw_batch(patient_of(int(rng.integers(known))), rng, OffsetSpread()).to(device)
