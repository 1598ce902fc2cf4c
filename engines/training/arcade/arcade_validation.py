"""How a network does on marked pictures that it does not learn from, where anything is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float

from engines.evaluation.segmentation.mask_agreement import Spread, score_mask, summarise
from engines.networks.dru_net import DruNet, ProbabilityNet
from engines.segmentation.arrival import channels_for
from engines.segmentation.islands import without_islands
from engines.segmentation.scenes import Scene
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, synthesize
from engines.training.arcade.arcade_patches import Lesson, lesson
from engines.training.arcade.arcade_pictures import ArcadePicture

VALIDATION_SEED = 7_000_000  # synthetic pictures of no training, calibration or evaluation
_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_NEAR_BEST = 0.005
_SMALLEST_PX = (0, 50, 100, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Pooled over pictures, at one threshold.

    Args:
        dice: of the vessels, outside what is ignored.
        catheter_share: of probable catheter pixels that are called vessel.
        synthetic_dice: of the vessels of synthetic pictures, where every branch is known.
        synthetic_recall: of the same.
    """

    dice: float
    catheter_share: float
    synthetic_dice: float
    synthetic_recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Probability from which a pixel counts, and the size below which a connected piece is none."""

    threshold: float
    smallest_px: int


def validation_lessons(pictures: Sequence[ArcadePicture]) -> list[Lesson]:
    """The pictures as they are, conditioned as live."""
    random = np.random.default_rng(0)  # decides nothing where nothing is spoilt
    return [one for picture in pictures if (one := lesson(random, picture, spoilt=False)) is not None]


def synthetic_lessons(scene: Scene, count: int) -> list[Lesson]:
    """Synthetic pictures of the validation's own seed."""
    samples = [synthesize(scene, VALIDATION_SEED, index, WORKING_PX) for index in range(count)]
    return [Lesson(channels=s.channels, masks=s.masks, weights=np.ones_like(s.masks)) for s in samples]


def validate(net: DruNet, real: Sequence[Lesson], synthetic: Sequence[Lesson], *, threshold: float = 0.5) -> Validation:
    """Score the vessel class."""
    found = [(one, answer >= threshold) for one, answer in zip(real, _vessels(net, real), strict=True)]
    drawn = [(one, answer >= threshold) for one, answer in zip(synthetic, _vessels(net, synthetic), strict=True)]
    catheters = sum(float(one.masks[1].sum()) for one, _ in found)
    wrong = sum(float((one.masks[1] * mask).sum()) for one, mask in found)
    return Validation(
        dice=_dice(found), catheter_share=wrong / max(catheters, 1.0), synthetic_dice=_dice(drawn),
        synthetic_recall=_recall(drawn),
    )  # fmt: skip


def choose(net: DruNet, real: Sequence[Lesson], synthetic: Sequence[Lesson]) -> Choice:
    """By the mean of both Dice figures: real pictures tell false alarms, synthetic ones branches.

    Of choices within half a point of the best the most careful one is taken, specks removed and the threshold high, as
    `hold_out` does for coronaries.
    """
    answers = [list(zip(lessons, _vessels(net, lessons), strict=True)) for lessons in (real, synthetic)]
    worth: dict[Choice, float] = {}
    for threshold, smallest_px in product(_THRESHOLDS, _SMALLEST_PX):
        dice = [
            _dice([(one, without_islands(answer[None], threshold, smallest_px, ("vessel",))[0] >= threshold)
                   for one, answer in part])
            for part in answers
        ]  # fmt: skip
        worth[Choice(threshold=threshold, smallest_px=smallest_px)] = sum(dice) / 2
    near_best = [choice for choice, value in worth.items() if value >= max(worth.values()) - _NEAR_BEST]
    return max(near_best, key=lambda choice: (choice.smallest_px > 0, choice.threshold, choice.smallest_px))


def figures_where_known(net: DruNet, lessons: Sequence[Lesson], choice: Choice) -> dict[str, Spread]:
    """Median and interval of Dice, clDice, precision and recall, the ignored band left out of both masks."""
    scores = []
    for one, answer in zip(lessons, _vessels(net, lessons), strict=True):
        cleaned = without_islands(answer[None], choice.threshold, choice.smallest_px, ("vessel",))[0]
        known = one.weights[0] > 0
        scores.append(score_mask((cleaned >= choice.threshold) & known, (one.masks[0] > 0.5) & known))
    return summarise(scores)


@torch.inference_mode()
def _vessels(net: DruNet, lessons: Sequence[Lesson]) -> list[Float[np.ndarray, "rows columns"]]:
    network = ProbabilityNet(net).eval()
    return [network(torch.from_numpy(channels_for(one.channels, net.channels)[None]))[0, 0].numpy() for one in lessons]


def _dice(pairs: Sequence[tuple[Lesson, np.ndarray]]) -> float:
    known = [(mask & (one.weights[0] > 0), one.masks[0] * (one.weights[0] > 0)) for one, mask in pairs]
    both = sum(float((mask * true).sum()) for mask, true in known)
    total = sum(float(mask.sum() + true.sum()) for mask, true in known)
    return 2 * both / total if total else 1.0


def _recall(pairs: Sequence[tuple[Lesson, np.ndarray]]) -> float:
    both = sum(float((one.masks[0] * mask).sum()) for one, mask in pairs)
    true = sum(float(one.masks[0].sum()) for one, _ in pairs)
    return both / true if true else 1.0
