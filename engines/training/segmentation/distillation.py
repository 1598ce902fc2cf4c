"""A narrow network that answers as a wide one does, for processors that multiply slowly.

The wide network is asked about every picture that the narrow one learns from, moved and relit as it is, so no picture
needs a mask (Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engines.inference.backend import Backend
from engines.networks.dru_net import DruNet
from engines.segmentation.arrival import WITH_ARRIVAL, channels_for
from engines.segmentation.scenes import scene_of_model
from engines.training.arcade.arcade_patches import lesson
from engines.training.arcade.arcade_pictures import ArcadePicture
from engines.training.averaged_training import AveragedTraining, Progress
from engines.training.checkpoint import Checkpoint, WeightAverage
from engines.training.segmentation.drawn_arrival import sample_for
from engines.training.segmentation.narrowing import narrowed
from engines.training.segmentation.simulated_cases import SimulatedFrames

_EMA_DECAY = 0.998
_WARM_STEPS = 100
_BLOCK_STEPS = 60  # patches and the teacher's answers are used again, turned: together they cost more than a step
_REPEATS = 6
_SAVE_EVERY_S = 240.0
_PATCH_PX = 192
_CHOSEN_ON = 8

Channels = Float[np.ndarray, "channels size size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Everything that decides the weights, beside the pictures.

    Args:
        teacher: name of the wide network, which says the scene.
        width: channels of the narrow network's first block.
        real: share of the patches from real pictures, where there are any.
        simulated: share from simulated cases, where there are any; the rest is synthetic.
    """

    teacher: str
    width: int = 8
    steps: int = 2000
    seed: int = 51
    batch: int = 4
    rate: float = 3e-3
    real: float = 0.5
    simulated: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lessons:
    """Pictures beside the synthetic ones; either may be absent."""

    real: Sequence[ArcadePicture] = ()
    simulated: SimulatedFrames | None = None

    def patch(self, recipe: Distillation, index: int, channels: int) -> Channels:
        """A patch with so many channels; the same index gives the same patch."""
        return channels_for(self._patch(recipe, index, channels), channels)

    def _patch(self, recipe: Distillation, index: int, channels: int) -> Channels:
        random = np.random.default_rng([recipe.seed, index, 8])
        if self.real and random.random() < recipe.real:
            drawn = lesson(random, self.real[int(random.integers(len(self.real)))])
            if drawn is not None:
                row, column = random.integers(drawn.channels.shape[1] - _PATCH_PX + 1, size=2)
                return drawn.channels[:, row : row + _PATCH_PX, column : column + _PATCH_PX]
        if self.simulated is not None and random.random() < recipe.simulated:
            sample = self.simulated.sample(recipe.seed, index, _PATCH_PX, arrival=channels == WITH_ARRIVAL)
            if sample is not None:
                return sample.channels
        return sample_for(channels, scene_of_model(recipe.teacher), recipe.seed, index, _PATCH_PX).channels


def distil(
    recipe: Distillation,
    wide: DruNet,
    teacher: Backend,
    lessons: Lessons,
    checkpoint: Path,
    *,
    progress: Progress = lambda *_: None,
) -> DruNet:
    """Train, or go on from `checkpoint`; returns the averaged narrow network in evaluation mode.

    Args:
        wide: the wide network, whose strongest channels the narrow one starts from.
        teacher: the same, on whichever runtime is exact and quick here.
        checkpoint: written every few minutes, on an interruption and at the end.
        progress: told step, loss and how to get the averaged network so far.

    Raises:
        InputError: the checkpoint is of another recipe.
    """
    torch.manual_seed(recipe.seed)
    net = narrowed(wide, recipe.width, _first_pictures(recipe, lessons, wide.channels))
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - missing from torch's stubs
    average = WeightAverage(net, _EMA_DECAY)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-4)
    kept = Checkpoint(
        checkpoint, asdict(recipe), of="a narrow network", average=average, parts={"net": net, "optimiser": optimiser}
    )  # fmt: skip
    step = kept.resume()
    taught = _Taught(recipe, lessons, teacher, wide.channels)

    def loss(step: int) -> Tensor:
        image, answer = taught.batch(step)
        return imitation_loss(net(image.contiguous(memory_format=torch.channels_last)), answer)

    training = AveragedTraining(net=net, average=average, optimiser=optimiser, kept=kept, save_every_s=_SAVE_EVERY_S)
    training.run(
        step,
        rate=lambda step: _rate(recipe, step),
        loss=loss,
        goes_on=lambda step: step < recipe.steps,
        progress=progress,
    )
    return training.averaged()


def imitation_loss(
    logits: Float[Tensor, "n classes rows columns"], answer: Float[Tensor, "n classes rows columns"]
) -> Float[Tensor, ""]:
    """Cross-entropy to the teacher's probabilities, and Dice with squares below (V-Net, Milletari et al. 2016).

    With squares both are least where the probabilities are equal; plain Dice would push soft answers to 0 and 1.
    """
    probability = torch.sigmoid(logits)
    axes = (0, 2, 3)
    overlap = (probability * answer).sum(axes)
    dice = 1 - (2 * overlap + 50) / (probability.square().sum(axes) + answer.square().sum(axes) + 50)
    return dice.mean() + torch.nn.functional.binary_cross_entropy_with_logits(logits, answer)


class _Taught:
    """The endless seeded series of patches with the teacher's answers, each block used several times."""

    def __init__(self, recipe: Distillation, lessons: Lessons, teacher: Backend, channels: int) -> None:
        self._recipe, self._lessons, self._teacher, self._channels = recipe, lessons, teacher, channels
        self._number = -1
        self._block: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Patches and answers of a step."""
        round_, place = divmod(step, _BLOCK_STEPS)
        number = round_ // _REPEATS
        if number != self._number:
            self._block, self._number = {}, number
        source = number * _BLOCK_STEPS + place
        if source not in self._block:
            self._block[source] = self._asked(source)
        channels, answer = self._block[source]
        how = place + 3 * round_
        return tuple(torch.from_numpy(_turned(part, how).astype(np.float32)) for part in (channels, answer))  # type: ignore

    def _asked(self, source: int) -> tuple[np.ndarray, np.ndarray]:
        first = source * self._recipe.batch
        numbers = range(first, first + self._recipe.batch)
        patches = np.stack([self._lessons.patch(self._recipe, number, self._channels) for number in numbers])
        patches = np.ascontiguousarray(patches, np.float32)
        answer = self._teacher.run(patches)
        # Half precision is exact enough for both and keeps a block small.
        return patches.astype(np.float16), answer.astype(np.float16)


def _turned(batch: np.ndarray, how: int) -> np.ndarray:
    turned = np.rot90(batch, how % 4, (2, 3))
    return np.ascontiguousarray(turned[..., ::-1] if (how // 4) % 2 else turned)


def _first_pictures(recipe: Distillation, lessons: Lessons, channels: int) -> Tensor:
    """What the channels are chosen on; no later step sees these patches."""
    beyond = recipe.steps * recipe.batch
    patches = [lessons.patch(recipe, beyond + k, channels) for k in range(_CHOSEN_ON)]
    return torch.from_numpy(np.stack(patches).astype(np.float32))


def _rate(recipe: Distillation, step: int) -> float:
    warm = min(1.0, (step + 1) / _WARM_STEPS)
    return recipe.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / recipe.steps, 1.0))))
