"""The coronary network on real angiograms and synthetic ones together: the first teach catheters, bones and main
vessels as they look, the second small branches, which nobody marked in the first."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import SCENES
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, synthesize
from engines.training.arcade.arcade_patches import Lesson, lesson
from engines.training.arcade.arcade_pictures import ArcadePicture
from engines.training.averaged_training import AveragedTraining, Progress
from engines.training.checkpoint import Checkpoint, WeightAverage
from engines.training.segmentation.segmentation_recipe import Precision, load_weights
from engines.training.segmentation.simulated_cases import SimulatedFrames

_SCENE = SCENES["coronary"]
_EMA_DECAY = 0.998
_WARM_STEPS = 100
_BLOCK_STEPS = 60  # synthetic patches are shown again, turned otherwise: making one costs as much as learning from it
_REPEATS = 3
_SMOOTH = 50.0
_SAVE_EVERY_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcadeRecipe:
    """Everything that decides the weights, beside the pictures.

    Args:
        initial: checkpoint or `NAME.safetensors` of a model folder to start from.
        opinions: weights of networks; what all of them see of unmarked branches counts as vessel. None: they are left
            out of the loss.
        real: whole pictures of people a step.
        synthetic: synthetic pictures a step, of the same size.
        simulated: frames of simulated runs a step, of the same size.
        cases: names of the cases that these runs are of.
        rate: largest learning rate, falling along a cosine to nothing.
        trim: whether the marked masks were trimmed to the border of the synthetic labels (`vessel_width`).
    """

    initial: str
    opinions: tuple[str, ...] = ()
    steps: int = 6000
    seed: int = 21
    real: int = 3
    synthetic: int = 3
    simulated: int = 0
    cases: tuple[str, ...] = ()
    rate: float = 1.2e-3
    precision: Precision = "float32"
    trim: bool = False


# What shipped. The weights to start from are named by whoever trains; a second part takes those of the first.
FIRST = ArcadeRecipe(initial="", steps=1500, real=4, synthetic=2)
SECOND = ArcadeRecipe(initial="", seed=22)
# Goes on from there with simulated runs, in which a dark trunk that hangs down like a catheter is a vessel.
FURTHER = ArcadeRecipe(initial="", seed=41, steps=800, real=2, synthetic=1, simulated=2, rate=5e-4)


def train_arcade(
    recipe: ArcadeRecipe,
    pictures: Sequence[ArcadePicture],
    checkpoint: Path,
    *,
    frames: SimulatedFrames | None = None,
    budget_s: float = math.inf,
    progress: Progress = lambda *_: None,
) -> tuple[DruNet, int]:
    """Train, or go on from `checkpoint`; the averaged network in evaluation mode, and the steps done.

    Args:
        recipe: what to do.
        pictures: to learn from, with the branches that `recipe.opinions` agree on (`with_agreed_branches`).
        checkpoint: written every ten minutes, on an interruption and at the end.
        frames: of simulated runs, where the recipe asks for some.
        budget_s: stop early; the rate then follows the clock too, so that the end is a slow one all the same.
        progress: told step, loss and how to get the averaged network so far.

    Raises:
        InputError: the checkpoint is of another recipe.
    """
    torch.manual_seed(recipe.seed)
    net = _beginning(recipe)
    average = WeightAverage(net, _EMA_DECAY)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-4)
    clock = _Clock(budget_s)
    made_from = {**asdict(recipe), "pictures": len(pictures), "scene": _SCENE.name, "width": net.width}
    kept = Checkpoint(
        checkpoint, made_from, of="a coronary network on marked pictures", average=average,
        parts={"net": net, "optimiser": optimiser, "clock": clock},
    )  # fmt: skip
    step = kept.resume()
    clock.start()
    synthetic = _Synthetic(recipe)

    def loss(step: int) -> Tensor:
        image, masks, weights = _batch(recipe, pictures, synthetic, frames, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = net(image.contiguous(memory_format=torch.channels_last))
        return weighted_loss(logits, masks, weights)

    training = AveragedTraining(net=net, average=average, optimiser=optimiser, kept=kept, save_every_s=_SAVE_EVERY_S)
    step = training.run(
        step,
        rate=lambda step: _rate(recipe, step, max(step / recipe.steps, clock.spent_share())),
        loss=loss,
        goes_on=lambda step: step < recipe.steps and clock.spent_share() < 1,
        progress=progress,
    )
    return training.averaged(), step


def weighted_loss(
    logits: Float[Tensor, "n classes rows columns"],
    masks: Float[Tensor, "n classes rows columns"],
    weights: Float[Tensor, "n classes rows columns"],
) -> Float[Tensor, ""]:
    """Dice (a class over the batch) and cross-entropy, each pixel as much as its weight; 0 leaves it out."""
    logits = logits.float()
    probability = torch.sigmoid(logits)
    axes = (0, 2, 3)
    overlap = (probability * masks * weights).sum(axes)
    total = ((probability + masks) * weights).sum(axes)
    dice = 1 - (2 * overlap + _SMOOTH) / (total + _SMOOTH)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks, weight=weights, reduction="sum")
    return dice.mean() + bce / weights.sum().clamp(min=1)


class _Clock:
    """How much of the time is gone, over all the parts of an interrupted training."""

    def __init__(self, budget_s: float) -> None:
        self._budget_s, self._before_s, self._began = budget_s, 0.0, time.monotonic()

    def start(self) -> None:
        self._began = time.monotonic()

    def spent_s(self) -> float:
        return self._before_s + time.monotonic() - self._began

    def spent_share(self) -> float:
        return self.spent_s() / self._budget_s

    def state_dict(self) -> dict[str, float]:
        return {"spent_s": self.spent_s()}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._before_s = float(state_dict["spent_s"])


class _Synthetic:
    """The endless series of synthetic pictures, each block of them shown again."""

    def __init__(self, recipe: ArcadeRecipe) -> None:
        self._recipe = recipe
        self._block: dict[int, Lesson] = {}
        self._number = -1

    def lessons(self, step: int) -> list[Lesson]:
        round_, place = divmod(step, _BLOCK_STEPS)
        number = round_ // _REPEATS
        if number != self._number:
            self._block, self._number = {}, number
        first = (number * _BLOCK_STEPS + place) * self._recipe.synthetic
        return [self._turned(first + k, place + k + 3 * round_) for k in range(self._recipe.synthetic)]

    def _turned(self, index: int, how: int) -> Lesson:
        if index not in self._block:
            sample = synthesize(_SCENE, self._recipe.seed, index, WORKING_PX)
            self._block[index] = Lesson(
                channels=sample.channels, masks=sample.masks, weights=np.ones_like(sample.masks)
            )
        plain = self._block[index]
        channels, masks = np.rot90(plain.channels, how % 4, (1, 2)), np.rot90(plain.masks, how % 4, (1, 2))
        if (how // 4) % 2:
            channels, masks = channels[:, :, ::-1], masks[:, :, ::-1]
        return Lesson(channels=channels, masks=masks, weights=plain.weights)


def _batch(
    recipe: ArcadeRecipe,
    pictures: Sequence[ArcadePicture],
    synthetic: _Synthetic,
    frames: SimulatedFrames | None,
    step: int,
) -> tuple[Tensor, Tensor, Tensor]:
    lessons = [_real(recipe, pictures, step * recipe.real + k) for k in range(recipe.real)] + synthetic.lessons(step)
    if frames is not None:
        lessons += [_simulated(recipe, frames, step * recipe.simulated + k) for k in range(recipe.simulated)]
    images, masks, weights = (
        torch.from_numpy(np.stack([getattr(one, part) for one in lessons]).astype(np.float32))
        for part in ("channels", "masks", "weights")
    )
    return images, masks, weights


def _real(recipe: ArcadeRecipe, pictures: Sequence[ArcadePicture], index: int) -> Lesson:
    """Every picture once before any comes again; a draw that shows nothing is drawn anew."""
    epoch, place = divmod(index, len(pictures))
    order = np.random.default_rng([recipe.seed, epoch, 5]).permutation(len(pictures))
    random = np.random.default_rng([recipe.seed, index, 6])
    while True:
        drawn = lesson(random, pictures[int(order[place])])
        if drawn is not None:
            return drawn


def _simulated(recipe: ArcadeRecipe, frames: SimulatedFrames, index: int) -> Lesson:
    """A draw that shows nothing is drawn anew."""
    for again in itertools.count():
        sample = frames.sample(recipe.seed + again, index, WORKING_PX)
        if sample is not None:
            return Lesson(channels=sample.channels, masks=sample.masks, weights=np.ones_like(sample.masks))
    raise AssertionError("endless")


def _beginning(recipe: ArcadeRecipe) -> DruNet:
    net = load_weights(Path(recipe.initial))
    return net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - missing from torch's stubs


def _rate(recipe: ArcadeRecipe, step: int, done: float) -> float:
    return recipe.rate * min(1.0, (step + 1) / _WARM_STEPS) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
