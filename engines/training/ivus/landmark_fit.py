"""The networks over (angle, length) from simulated pictures whose border, branches and calcium are known."""

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
from engines.ivus.features.lumen_border import DEPTH_MM, DEPTHS
from engines.ivus.features.radial_profiles import COUNT, STEP_MM
from engines.networks.ivus_network import CLASSES, PolarLandmarkNet
from engines.training.checkpoint import Checkpoint, Part, WeightAverage

_FRAMES = 48  # a window
_MODES = ("nearest", "wrap", "nearest")
_SAVE_EVERY = 100
_RADIUS_WEIGHT = 2.0  # against the entropy of the landmarks; mm
_SOFT_MM = 0.1  # of the border's target
Window = Callable[[np.random.Generator, "LabelledPullback"], tuple[np.ndarray, np.ndarray]]
Loss = Callable[[Tensor, Tensor], Tensor]


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
    pullbacks: Sequence[LabelledPullback], recipe: LandmarkRecipe, *, net: PolarLandmarkNet | None = None,
    window: Window | None = None, loss: Loss | None = None,
    checkpoint: Path | None = None, progress: Callable[[int, float], None] = lambda *_: None,
) -> PolarLandmarkNet:  # fmt: skip
    """Fit the network; goes on from a checkpoint of the same recipe and the same number of cases.

    Args:
        net: to be fitted, made after the seed was set; None for one that tells the landmarks of ultrasound.
        window: draws an altered part of a case; None for that of ultrasound.
        loss: of outputs and labels; None for that of landmarks.

    Raises:
        InputError: no pullbacks, or the checkpoint is of another recipe.
    """
    if not pullbacks:
        raise InputError("no training pullbacks; make at least one")
    if net is None:
        net = seeded_network(recipe, pullbacks[0].profiles.shape[2])
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
        value = (loss or landmark_loss)(net(profiles), labels)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.add(net, step)
        progress(step, float(value.detach()))
        if kept is not None and (step % _SAVE_EVERY == 0 or step == recipe.steps):
            kept.save(step)
    net.load_state_dict(average.weights)
    return net.eval()


def seeded_network(recipe: LandmarkRecipe, profiles: int, **design: int) -> PolarLandmarkNet:
    """A new network whose first weights follow from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    return PolarLandmarkNet(profiles, **design)


def landmark_loss(outputs: Float[Tensor, "b o f a"], labels: Float[Tensor, "b o f a"]) -> Tensor:
    """Cross-entropy plus soft Dice of each class over the batch, and the error of the radius where there is one."""
    count = len(CLASSES)
    logits, wanted = outputs[:, :count], labels[:, :count]
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
    chance = torch.sigmoid(logits)
    both = (chance * wanted).sum(dim=(0, 2, 3))
    dice = (2 * both + 1.0) / (chance.sum(dim=(0, 2, 3)) + wanted.sum(dim=(0, 2, 3)) + 1.0)
    total = entropy + 0.3 * (1.0 - dice).mean()
    if outputs.shape[1] > count:
        apart = torch.nn.functional.smooth_l1_loss(outputs[:, count:], labels[:, count:], beta=0.1)
        total = total + _RADIUS_WEIGHT * apart
    return total


def border_loss(outputs: Float[Tensor, "b d f a"], labels: Float[Tensor, "b 1 f a"]) -> Tensor:
    """Cross-entropy against a narrow bell about the true depth, and the error of the mean."""
    depth = (torch.arange(DEPTHS, dtype=outputs.dtype)[:, None, None] + 0.5) * DEPTH_MM
    wanted = torch.softmax(-0.5 * ((depth - labels) / _SOFT_MM) ** 2, dim=1)
    entropy = -(wanted * torch.log_softmax(outputs, dim=1)).sum(dim=1).mean()
    mean = (torch.softmax(outputs, dim=1) * depth).sum(dim=1, keepdim=True)
    return 0.2 * entropy + torch.nn.functional.smooth_l1_loss(mean, labels, beta=0.1)


def border_window(rng: np.random.Generator, pullback: LabelledPullback) -> tuple[np.ndarray, np.ndarray]:
    """Part of a pullback, turned, mirrored, played backwards, with noise, fading, shadows and another rim."""
    ranks, labels = _part(rng, pullback)
    count = ranks.shape[2]
    ranks = ranks + rng.uniform(-0.4, 0.2) * np.linspace(0, 1, count) + rng.normal(0, rng.uniform(0, 0.25), ranks.shape)
    if rng.random() < 0.5:
        ranks = gaussian_filter(ranks, (rng.uniform(0, 0.8), rng.uniform(0, 1.2), rng.uniform(0, 1.2)), mode=_MODES)  # pyright: ignore[reportArgumentType]
    frames, angles = len(ranks), len(ranks[0])
    for _ in range(rng.integers(0, 3)):
        # A shadow over some angles from some depth on, as behind a wire or calcium.
        first, width = int(rng.integers(angles)), int(rng.integers(1, 8))
        low = int(rng.integers(0, frames))
        high = low + int(rng.integers(4, 40))
        deep = int(rng.integers(8, 40))
        columns = (first + np.arange(width)) % angles
        ranks[low:high, columns, deep:] = -1.0 + 0.2 * rng.random()
    # Rank and sharpness of the scale may differ in a picture with more or less blood.
    ranks = np.clip(ranks * rng.uniform(0.8, 1.3) + rng.normal(0, 0.15), -1.0, 1.0)
    rim = int(rng.integers(40, count + 1)) if rng.random() < 0.5 else count
    near = int(rng.integers(5, 9))
    ranks[:, :, rim:] = 0.0
    ranks[:, :, :near] = 0.0
    return _as_arrays(ranks, labels)


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
    shift = int(rng.integers(-1, 2))
    hu = np.roll(hu, shift, axis=2)
    extra = profiles[:, :, COUNT:].copy()
    extra[:, :, :-1] *= rng.random(extra.shape[2] - 1) > 0.2
    # What moves outwards lies about a border that was found too far in.
    extra[:, :, -1] -= shift * STEP_MM
    missing = labels[2:] + shift * STEP_MM
    return _as_arrays(np.concatenate([np.clip(hu, -1.0, 3.0), extra], axis=2), np.concatenate([labels[:2], missing]))


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
    return np.ascontiguousarray(profiles.transpose(2, 0, 1), dtype=np.float32), np.ascontiguousarray(
        labels, dtype=np.float32
    )
