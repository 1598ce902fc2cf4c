"""Segments of one heart pooled by their uncertainty: a noisy one leans on the others, a clear one stands for itself."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

_LEAST_SPREAD = 0.04  # of the mean: healthy walls differ by more than nothing, whatever the noise lets one see


def pooled(
    values: Float[np.ndarray, " n"], sigmas: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Values drawn towards their mean by their own error against their true spread, and what is left of the error.

    The true spread is the one at which what is seen is as wide as it should be (Paule and Mandel 1982). A heart with a
    defect has a wide one, so that its segments stay almost where they are; in a heart that differs by noise alone they
    come together.
    """
    sigmas = np.maximum(sigmas, 1e-9)

    def excess(variance: float) -> float:
        weight = 1.0 / (sigmas**2 + variance)
        middle = (weight * values).sum() / weight.sum()
        return float((weight * (values - middle) ** 2).sum()) - (len(values) - 1)

    widest = 10.0 * float(np.var(values)) + 1e-12
    spread = 0.0 if excess(0.0) <= 0 else widest if excess(widest) > 0 else float(brentq(excess, 0.0, widest))  # pyright: ignore[reportArgumentType]
    spread = max(spread, (_LEAST_SPREAD * float(values.mean())) ** 2)
    weight = 1.0 / (sigmas**2 + spread)
    middle = float((weight * values).sum() / weight.sum())
    own = spread / (spread + sigmas**2)
    error = np.sqrt(own * sigmas**2 + (1.0 - own) ** 2 / weight.sum())
    return middle + own * (values - middle), error
