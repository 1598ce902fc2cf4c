"""Which of several courses the pullback was taken in: the given line's, or one that goes straight on where it turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from engines.ivus.search.evidence import anywhere
from engines.ivus.search.path_search import hypothesis_totals

_LINE_IS_RIGHT = 0.8  # before a look: who drew the line meant it


def shares_of_ways(
    tempered: Sequence[Float32[np.ndarray, "2 f s a"]],
    z_mm: Float[np.ndarray, " f"],
    penalties: Sequence[float],
) -> Float[np.ndarray, " w"]:
    """Probability of each course, the given line's first; each is searched whole, with every hypothesis.

    Args:
        tempered: evidence of each course, against nothing yet.
        z_mm: nominal positions from 0.
        penalties: logarithm of each course's prior besides, such as that of its size offset.
    """
    if len(tempered) == 1:
        return np.ones(1)
    # One level for all: how well a frame fits on average over all courses. Each course's own level would favour the
    # one that fits worse everywhere.
    places = np.array([table.shape[2] for table in tempered], dtype=np.float64)
    levels = np.stack([anywhere(table) + np.log(count / places.sum())
                       for table, count in zip(tempered, places, strict=True)])  # fmt: skip
    common = np.logaddexp.reduce(levels, axis=0)
    totals = np.array([np.logaddexp.reduce(hypothesis_totals(table - common, z_mm)) for table in tempered])
    prior = np.full(len(tempered), (1.0 - _LINE_IS_RIGHT) / (len(tempered) - 1))
    prior[0] = _LINE_IS_RIGHT
    totals = totals + np.asarray(penalties) + np.log(prior)
    shares = np.exp(totals - totals.max())
    return shares / shares.sum()
