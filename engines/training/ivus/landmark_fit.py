"""The landmark network from simulated pullbacks whose branches and calcium are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter
from torch import Tensor

from calibration.errors import InputError
from engines.ivus.features.radial_profiles import COUNT
from engines.networks.ivus_network import PolarLandmarkNet
from engines.training.checkpoint import Checkpoint, Part, WeightAverage

_FRAMES = 48  # a window
_MODES = ("nearest", "wrap", "nearest")
_SAVE_EVERY = 100
Window = Callable[[np.random.Generator, "LabelledPullback"], tuple[np.ndarray, np.ndarray]]


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
    pullbacks: Sequence[LabelledPullback], recipe: LandmarkRecipe, *, window: Window | None = None,
    checkpoint: Path | None = None, progress: Callable[[int, float], None] = lambda *_: None,
) -> PolarLandmarkNet:  # fmt: skip
    """Fit the network; goes on from a checkpoint of the same recipe and the same number of cases.

    Args:
        window: draws an altered part of a case; None for that of ultrasound.

    Raises:
        InputError: no pullbacks, or the checkpoint is of another recipe.
    """
    if not pullbacks:
        raise InputError("no training pullbacks; make at least one")
    torch.manual_seed(recipe.seed)
    net = PolarLandmarkNet(pullbacks[0].profiles.shape[2])
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps)
    average = WeightAverage(net, 0.99)
    kept, done = None, 0
    if checkpoint is not None:
        made_of = {**asdict(recipe), "cases": len(pullbacks), "profiles": pullbacks[0].profiles.shape[2]}
        parts: dict[str, Part] = {"net": net, "optimiser": optimiser, "schedule": schedule}
        kept = Checkpoint(checkpoint, made_of, of="landmark network", average=average, parts=parts)
        done = kept.resume()
    net.train()
    for step in range(done + 1, recipe.steps + 1):
        rng = np.random.default_rng([recipe.seed, step])  # of the step alone, so that a resumed run draws the same
        drawn = [(window or ultrasound_window)(rng, pullbacks[int(rng.integers(len(pullbacks)))])
                 for _ in range(recipe.batch)]  # fmt: skip
        profiles = torch.from_numpy(np.stack([d[0] for d in drawn]))
        labels = torch.from_numpy(np.stack([d[1] for d in drawn]))
        loss = landmark_loss(net(profiles), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.add(net, step)
        progress(step, float(loss.detach()))
        if kept is not None and (step % _SAVE_EVERY == 0 or step == recipe.steps):
            kept.save(step)
    net.load_state_dict(average.weights)
    return net.eval()


def landmark_loss(logits: Float[Tensor, "b c f a"], labels: Float[Tensor, "b c f a"]) -> Tensor:
    """Cross-entropy plus soft Dice of each class over the batch."""
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    chance = torch.sigmoid(logits)
    both = (chance * labels).sum(dim=(0, 2, 3))
    dice = (2 * both + 1.0) / (chance.sum(dim=(0, 2, 3)) + labels.sum(dim=(0, 2, 3)) + 1.0)
    return entropy + 0.3 * (1.0 - dice).mean()


def ultrasound_window(rng: np.random.Generator, pullback: LabelledPullback) -> tuple[np.ndarray, np.ndarray]:
    """Part of a pullback, turned, mirrored, played backwards, with another gain, more noise and another blur."""
    profiles, labels = _part(rng, pullback)
    grey = profiles[:, :, :COUNT] * rng.uniform(0.6, 1.4) + rng.normal(0, 0.3)
    # Depth takes more of the echo in some systems than in others.
    grey = grey - rng.uniform(-0.3, 0.8) * np.linspace(0, 1, COUNT)
    if rng.random() < 0.4:
        grey = gaussian_filter(grey, (0.0, rng.uniform(0, 1.2), rng.uniform(0, 0.8)), mode=_MODES)  # pyright: ignore[reportArgumentType]
    if rng.random() < 0.4:
        # Bright blood: what is dark comes up, what is bright stays.
        grey = np.maximum(grey, -rng.uniform(0.2, 1.2) + rng.normal(0, 0.2, grey.shape))
    grey = grey + rng.normal(0, rng.uniform(0, 0.45), grey.shape)
    shift = int(rng.integers(-1, 2))  # the border is off by a step now and then
    grey = np.roll(grey, shift, axis=2)
    extra = profiles[:, :, COUNT:] * (rng.random(profiles.shape[2] - COUNT) > 0.2)
    return _as_arrays(np.concatenate([grey, extra], axis=2), labels)


def ct_window(rng: np.random.Generator, course: LabelledPullback) -> tuple[np.ndarray, np.ndarray]:
    """Part of a vessel in the CT, turned and mirrored, with other contrast, more blur and more noise."""
    profiles, labels = _part(rng, course)
    hu = profiles[:, :, :COUNT] * rng.uniform(0.8, 1.2) + rng.normal(0, 0.08)
    if rng.random() < 0.6:
        hu = gaussian_filter(hu, (rng.uniform(0, 1.2), rng.uniform(0, 1.0), rng.uniform(0, 1.6)), mode=_MODES)  # pyright: ignore[reportArgumentType]
    # Noise of a scanner hangs together over half a millimetre.
    noise = gaussian_filter(rng.standard_normal(hu.shape), (1.5, 0.8, 1.5), mode=_MODES)  # pyright: ignore[reportArgumentType]
    hu = hu + noise / max(float(noise.std()), 1e-6) * rng.uniform(0, 0.16)
    hu = np.roll(hu, int(rng.integers(-1, 2)), axis=2)
    extra = profiles[:, :, COUNT:].copy()
    extra[:, :, :-1] *= rng.random(extra.shape[2] - 1) > 0.2
    extra[:, :, -1] *= rng.uniform(0.85, 1.15)
    return _as_arrays(np.concatenate([np.clip(hu, -1.0, 3.0), extra], axis=2), labels)


def _part(rng: np.random.Generator, pullback: LabelledPullback) -> tuple[np.ndarray, np.ndarray]:
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
    return profiles, labels


def _as_arrays(profiles: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(profiles.transpose(2, 0, 1), dtype=np.float32), np.ascontiguousarray(labels)
