"""How far a runtime's answers are from those of an exact one, and what may be asked of which precision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_EMPTY = 1.0  # summed probability below which two answers agree that there is nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What answers of a precision may differ by.

    Args:
        largest: of one probability; None for rounded arithmetic, where a pixel at a vessel's border may flip.
        mean: of the probabilities' differences over a picture.
        changed_share: of the pixels that change sides at the threshold.
    """

    largest: float | None
    mean: float
    changed_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Answers beside those of the reference, the worst of several pictures.

    Args:
        largest: difference of one probability.
        mean: difference over a picture.
        changed_share: pixels that change sides at the threshold.
    """

    largest: float
    mean: float
    changed_share: float

    def faults(self, limits: Limits) -> tuple[str, ...]:
        """What exceeds its limit, in words. Written so that NaN does."""
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
    """Compare picture by picture; both hold probabilities of one shape."""
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
    """Dice of two probability maps, in 0..1, without a threshold: overlap over mean mass; 1 where both are empty."""
    mass = float(answer.sum() + exact.sum())
    return 2.0 * float(np.minimum(answer, exact).sum()) / mass if not mass < _EMPTY else 1.0
