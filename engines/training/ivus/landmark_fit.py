"""The landmark network from simulated pullbacks whose branches and calcium are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from calibration.errors import InputError
from engines.ivus.features.radial_profiles import COUNT, EXTRA
from engines.networks.ivus_network import PolarLandmarkNet

_FRAMES = 48  # a window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledPullback:
    """Args:
    profiles: (frame, angle, numbers).
    labels: (class, frame, angle) 0 or 1, in the order of the network's classes.
    """

    profiles: Float32[np.ndarray, "f a r"]
    labels: Float32[np.ndarray, "c f a"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkRecipe:
    """AdamW with one cosine; Dice and cross-entropy as in seed 000."""

    steps: int = 700
    batch: int = 4
    rate: float = 3e-3
    seed: int = 1


def train_landmarks(
    pullbacks: Sequence[LabelledPullback], recipe: LandmarkRecipe, *,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> PolarLandmarkNet:  # fmt: skip
    """Fit the network.

    Raises:
        InputError: no pullbacks.
    """
    if not pullbacks:
        raise InputError("no training pullbacks; make at least one")
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    net = PolarLandmarkNet(COUNT + EXTRA)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps)
    net.train()
    for step in range(1, recipe.steps + 1):
        drawn = [_window(rng, pullbacks[int(rng.integers(len(pullbacks)))]) for _ in range(recipe.batch)]
        profiles = torch.from_numpy(np.stack([d[0] for d in drawn]))
        labels = torch.from_numpy(np.stack([d[1] for d in drawn]))
        loss = landmark_loss(net(profiles), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        progress(step, float(loss.detach()))
    return net.eval()


def landmark_loss(logits: Float[Tensor, "b c f a"], labels: Float[Tensor, "b c f a"]) -> Tensor:
    """Cross-entropy plus soft Dice of each class over the batch."""
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    chance = torch.sigmoid(logits)
    both = (chance * labels).sum(dim=(0, 2, 3))
    dice = (2 * both + 1.0) / (chance.sum(dim=(0, 2, 3)) + labels.sum(dim=(0, 2, 3)) + 1.0)
    return entropy + 0.3 * (1.0 - dice).mean()


def _window(rng: np.random.Generator, pullback: LabelledPullback) -> tuple[np.ndarray, np.ndarray]:
    """Part of a pullback, turned, mirrored, played backwards, with another gain and more noise."""
    count = len(pullback.profiles)
    start = int(rng.integers(0, max(count - _FRAMES, 0) + 1))
    rows = np.minimum(np.arange(start, start + _FRAMES), count - 1)
    profiles, labels = pullback.profiles[rows].copy(), pullback.labels[:, rows]
    turn = int(rng.integers(profiles.shape[1]))
    profiles, labels = np.roll(profiles, turn, axis=1), np.roll(labels, turn, axis=2)
    if rng.random() < 0.5:
        profiles, labels = profiles[:, ::-1], labels[:, :, ::-1]
    if rng.random() < 0.5:
        profiles, labels = profiles[::-1], labels[:, ::-1]
    grey = profiles[:, :, :COUNT] * rng.uniform(0.7, 1.3) + rng.normal(0, 0.25)
    # Depth takes more of the echo in some systems than in others.
    grey = grey - rng.uniform(-0.3, 0.8) * np.linspace(0, 1, COUNT)
    grey = grey + rng.normal(0, rng.uniform(0, 0.35), grey.shape)
    shift = int(rng.integers(-1, 2))  # the border is off by a step now and then
    grey = np.roll(grey, shift, axis=2)
    extra = profiles[:, :, COUNT:] * (rng.random(EXTRA) > 0.2)
    whole = np.concatenate([grey, extra], axis=2).astype(np.float32)
    return np.ascontiguousarray(whole.transpose(2, 0, 1)), np.ascontiguousarray(labels)
