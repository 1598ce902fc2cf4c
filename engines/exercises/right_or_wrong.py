"""Overlays to be told right from wrong: drawn by a seed, and how well a trainee told them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.pose import RigidPose
from engines.exercises.hand_pose import HandMove, PoseScore, moved, pose_score
from engines.exercises.reference import ReferencePicture

# Of a wrong overlay, mean projection error. Below 3 mm nobody calls it wrong; above 8 everybody does.
WRONG_MM = (3.0, 8.0)
RIGHT_MM = 1.0  # a right one is off by up to this: no registration is exact
SURE, UNSURE = 1.0, 0.5
_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlayItem:
    """One overlay on one picture; `score` says how far it is off."""

    picture: ReferencePicture
    isocentre_from_lps: RigidPose
    wrong: bool
    score: PoseScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a trainee said of an item; `confidence` is `SURE` or `UNSURE`."""

    called_wrong: bool
    confidence: float
    seconds: float

    @property
    def rating(self) -> float:
        """From surely right (-1) to surely wrong (1)."""
        return self.confidence if self.called_wrong else -self.confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingScore:
    """A hit is a wrong overlay called wrong; a false alarm is a right one called wrong.

    Args:
        sensitivity: hits among the wrong ones; `specificity`: right ones called right.
        ordered: share of pairs, one wrong and one right, in which the wrong one got the higher rating; equal ratings
            count half. This is the area under the ROC curve of the ratings.
        sure_and_right: of the answers given as sure; None where none was.
    """

    items: int
    hits: int
    misses: int
    false_alarms: int
    sensitivity: float
    specificity: float
    ordered: float
    sure: int
    sure_and_right: float | None
    seconds: float


def overlay_items(pictures: Sequence[ReferencePicture], count: int, seed: int) -> tuple[OverlayItem, ...]:
    """As many right as wrong ones (one more wrong where the count is odd), in an order drawn by the seed."""
    draw = np.random.default_rng([seed, count])
    wrong = np.arange(count) % 2 == 0
    draw.shuffle(wrong)
    order = [int(draw.permutation(len(pictures))[0])]
    while len(order) < count:  # not the same picture twice in a row, where there are others
        others = [number for number in range(len(pictures)) if number != order[-1]] or [0]
        order.append(int(draw.choice(others)))
    items = []
    for number, is_wrong in zip(order, wrong.tolist(), strict=True):
        wanted_mm = draw.uniform(*WRONG_MM) if is_wrong else draw.uniform(0.0, RIGHT_MM)
        pose = _off_by(pictures[number], wanted_mm, draw)
        items.append(
            OverlayItem(
                picture=pictures[number],
                isocentre_from_lps=pose,
                wrong=is_wrong,
                score=pose_score(pictures[number], pose),
            )
        )
    return tuple(items)


def judging_score(items: Sequence[OverlayItem], answers: Sequence[Answer]) -> JudgingScore:
    """Of the items that were answered; needs at least one right and one wrong among them."""
    answered = list(zip(items, answers, strict=False))
    wrong = [answer for item, answer in answered if item.wrong]
    right = [answer for item, answer in answered if not item.wrong]
    hits = sum(answer.called_wrong for answer in wrong)
    false_alarms = sum(answer.called_wrong for answer in right)
    pairs = [0.5 + 0.5 * np.sign(high.rating - low.rating) for high in wrong for low in right]
    sure = [answer.called_wrong == item.wrong for item, answer in answered if answer.confidence == SURE]
    return JudgingScore(
        items=len(answered),
        hits=hits,
        misses=len(wrong) - hits,
        false_alarms=false_alarms,
        sensitivity=hits / len(wrong),
        specificity=1.0 - false_alarms / len(right),
        ordered=float(np.mean(pairs)),
        sure=len(sure),
        sure_and_right=float(np.mean(sure)) if sure else None,
        seconds=sum(answer.seconds for _, answer in answered),
    )


def _off_by(picture: ReferencePicture, wanted_mm: float, draw: np.random.Generator) -> RigidPose:
    """A pose whose mean projection error is this; the direction is drawn, its length found by halving."""
    across = draw.normal(size=2)
    turn = draw.normal(size=3)
    along = draw.normal()
    pivot = picture.points_mm().mean(axis=0)

    def at(size: float) -> RigidPose:
        move = HandMove(
            right_mm=size * across[0],
            down_mm=size * across[1],
            along_mm=3.0 * size * along,  # a view hardly shows it
            turn_right_rad=size * turn[0] / 50.0,  # a vessel 50 mm from the middle moves as far
            turn_down_rad=size * turn[1] / 50.0,
            roll_rad=size * turn[2] / 50.0,
        )
        return moved(picture.isocentre_from_lps, move, picture.geometry, pivot)

    low, high = 0.0, 1.0
    while pose_score(picture, at(high)).mean_mm < wanted_mm:
        high *= 2.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if pose_score(picture, at(middle)).mean_mm < wanted_mm:
            low = middle
        else:
            high = middle
    return at(0.5 * (low + high))
