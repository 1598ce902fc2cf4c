"""Compare a runtime's answers with the exact reference, and state the limits for each precision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_EMPTY = 1.0  # summed probability below which an answer counts as empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest differences from the reference that are allowed for a precision.

    Args:
        largest: difference of one probability; None for rounded arithmetic, which may flip a pixel at a border.
        mean: mean difference of the probabilities over a picture.
        changed_share: share of pixels that change sides at the threshold.
    """

    largest: float | None
    mean: float
    changed_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Differences of a runtime's answers from the reference; the worst of several pictures.

    Args:
        largest: largest difference of one probability.
        mean: mean difference over a picture.
        changed_share: share of pixels that change sides at the threshold.
    """

    largest: float
    mean: float
    changed_share: float

    def faults(self, limits: Limits) -> tuple[str, ...]:
        """Every difference that exceeds its limit, in words; NaN counts as exceeding."""
        stated = (
            ("a probability differs by", self.largest, limits.largest),
            ("probabilities differ on average by", self.mean, limits.mean),
            ("share of pixels that change sides is", self.changed_share, limits.changed_share),
        )
        return tuple(
            f"{what} {found:.3g}, allowed is {limit:g}"
            for what, found, limit in stated
            if limit is not None and not found <= limit
        )


def parity(
    answers: Iterable[Float[np.ndarray, ...]], reference: Iterable[Float[np.ndarray, ...]], threshold: float
) -> Parity:
    """Compare two sets of probabilities of the same shape, picture by picture."""
    differences, changed = [], []
    for answer, exact in zip(answers, reference, strict=True):
        differences.append(np.abs(answer - exact))
        changed.append(float(((answer >= threshold) != (exact >= threshold)).mean()))
    return Parity(
        largest=max(float(d.max()) for d in differences),
        mean=max(float(d.mean()) for d in differences),
        changed_share=max(changed),
    )


def agreement(answer: Float[np.ndarray, ...], exact: Float[np.ndarray, ...]) -> float:
    """Dice of two probability maps, in 0..1, without a threshold: overlap over mean mass; 1 if both are empty."""
    mass = float(answer.sum() + exact.sum())
    return 2.0 * float(np.minimum(answer, exact).sum()) / mass if not mass < _EMPTY else 1.0
