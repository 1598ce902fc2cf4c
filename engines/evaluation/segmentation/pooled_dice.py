"""Dice over all pixels of all pictures together, which is defined even if single pictures lack a class."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool


def pooled_dice(
    pairs: Iterable[tuple[Bool[np.ndarray, "rows columns"], Bool[np.ndarray, "rows columns"]]],
) -> float:
    """Pooled Dice of pairs of a found mask and its reference, in 0..1; 1 if both are empty everywhere."""
    both = total = 0
    for found, reference in pairs:
        both += int((found & reference).sum())
        total += int(found.sum()) + int(reference.sum())
    return 2 * both / total if total else 1.0
