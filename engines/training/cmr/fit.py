"""The loop that all networks of the fusion share: lessons by step, averaged weights, a checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from engines.training.checkpoint import Checkpoint, Part, WeightAverage

_SAVE_EVERY = 100
Lesson = Callable[[np.random.Generator], tuple[np.ndarray, ...]]
Net = TypeVar("Net", bound=torch.nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPlan:
    """AdamW with one cosine.

    Args:
        of: the network's name, kept in the checkpoint.
        patients: simulated patients of the split train, seeds from 0.
        width: of the network.
    """

    of: str
    steps: int
    batch: int
    rate: float
    patients: int
    width: int
    seed: int = 1


def fit(
    net: Net,
    lesson: Lesson,
    loss_of: Callable[[Net, tuple[Tensor, ...]], Tensor],
    plan: FitPlan,
    checkpoint: Path,
    *,
    progress: Callable[[int, float], None] = lambda *_: None,
    stop_after: Callable[[], bool] = lambda: False,
) -> tuple[Net, int]:
    """Fit a network; goes on from a checkpoint of the same plan. Returns it with averaged weights, and the steps done.

    Args:
        stop_after: asked after every step; True ends the training there, its checkpoint saved.

    Raises:
        InputError: the checkpoint is of another plan.
    """
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=plan.steps)
    average = WeightAverage(net, 0.99)
    parts: dict[str, Part] = {"net": net, "optimiser": optimiser, "schedule": schedule}
    kept = Checkpoint(checkpoint, asdict(plan), of=plan.of, average=average, parts=parts)
    done = kept.resume()
    net.train()
    for step in range(done + 1, plan.steps + 1):
        random = np.random.default_rng([plan.seed, step])  # of the step alone, so that a resumed run draws the same
        drawn = [lesson(random) for _ in range(plan.batch)]
        loss = loss_of(net, tuple(torch.from_numpy(np.stack(values)) for values in zip(*drawn, strict=True)))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.add(net, step)
        done = step
        progress(step, float(loss.detach()))
        if step % _SAVE_EVERY == 0 or step == plan.steps:
            kept.save(step)
        if stop_after():
            kept.save(step)
            break
    net.load_state_dict(average.weights)
    return net.eval(), done


def class_dice(pairs: Iterable[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]) -> dict[str, float]:
    """Pooled Dice of each class but the first, which is background; `pairs` are labels found and true."""
    inside, total = np.zeros(len(classes)), np.zeros(len(classes))
    for found, labels in pairs:
        for k in range(len(classes)):
            inside[k] += 2 * ((found == k) & (labels == k)).sum()
            total[k] += (found == k).sum() + (labels == k).sum()
    return {name: float(inside[k] / max(total[k], 1)) for k, name in enumerate(classes) if k}


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice of each class over the batch; classes along dimension 1."""
    entropy = torch.nn.functional.cross_entropy(logits, labels)
    chance = torch.softmax(logits, dim=1)
    true = torch.nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).float()
    over = (0, *range(2, logits.dim()))
    both = (chance * true).sum(dim=over)
    dice = (2 * both + 1.0) / (chance.sum(dim=over) + true.sum(dim=over) + 1.0)
    return entropy + 0.5 * (1.0 - dice[1:]).mean()
