"""How much larger lumina look in one modality than in the other: an unknown of each pair, weighed by the search itself.

Blooming, blur and a reader's own habit make a lumen 5 to 10 % larger or smaller all along the vessel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32

from engines.ivus.search.path_search import hypothesis_totals

_OFFSETS, _FINE = (-0.16, -0.08, 0.0, 0.08, 0.16), 0.03
_SIGMA = 0.03  # of the prior, in logarithms: what networks and blur leave; more would let a bare taper slide
_SCALES = (0.98, 1.02)  # enough to tell offsets apart


def size_offset(evidence_at: Callable[[float], Float32[np.ndarray, "2 f s a"]], z_mm: Float[np.ndarray, " f"]) -> float:
    """The most probable logarithm of sizes in the frames over sizes in the CT.

    Args:
        evidence_at: evidence under one offset.
        z_mm: nominal positions from 0.
    """

    def total(offset: float) -> float:
        totals = hypothesis_totals(evidence_at(offset), z_mm, scales=_SCALES)
        return float(np.logaddexp.reduce(totals)) + offset_penalty(offset)

    best = max(_OFFSETS, key=total)
    low, middle, high = (total(best + step) for step in (-_FINE, 0.0, _FINE))
    bend = low - 2.0 * middle + high
    # Between them: the top of the parabola through the best one and its neighbours.
    part = 0.5 * (low - high) / bend if bend < 0.0 else 0.0
    return float(best + np.clip(part, -1.0, 1.0) * _FINE)


def offset_penalty(offset: float) -> float:
    """Logarithm of the offset's prior, against none."""
    return -0.5 * (offset / _SIGMA) ** 2
