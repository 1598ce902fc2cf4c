"""From registered cases to the model of trust that the program ships: a small logistic regression and a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from calibration.errors import InputError
from engines.ivus.trust import TrustModel, sign_names

_RIDGE = 2.0  # pulls weights to 0: a hundred cases do not settle eight signs
_STEPS = 60
_LEAST_CASES = 20
_MARGIN = 0.25


def fit_trust(
    signs: Sequence[dict[str, float]], right: Bool[np.ndarray, " n"], *, precision: float = 0.98
) -> TrustModel:
    """Fit on cases whose truth is known.

    Args:
        precision: wanted among the answers above the limit, with half a wrong answer more than was seen. The limit
            lies a quarter of the way from the best answer that is left out to certainty, since few were seen.

    Raises:
        InputError: too few cases, or all of them right or all wrong.
    """
    if len(right) < _LEAST_CASES or right.all() or not right.any():
        raise InputError(f"{len(right)} cases, {int(right.sum())} right: too few of either to fit trust; add seeds")
    values = np.array([[sign[name] for name in sign_names()] for sign in signs])
    centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-3)
    design = np.column_stack([np.ones(len(values)), (values - centre) / spread])
    weights = _logistic(design, right.astype(np.float64))
    confidence = 1.0 / (1.0 + np.exp(-design @ weights))
    return TrustModel(
        weights=tuple(float(w) for w in weights[1:]),
        centre=tuple(float(c) for c in centre),
        spread=tuple(float(s) for s in spread),
        intercept=float(weights[0]),
        limit=_limit(confidence, right, precision),
    )


def as_json(model: TrustModel, about: dict[str, Any]) -> dict[str, Any]:
    """What `assets/models/ivus_trust.json` holds."""
    return {
        "schema": "guidance-app/ivus-trust/1",
        "signs": list(sign_names()),
        "weights": list(model.weights),
        "centre": list(model.centre),
        "spread": list(model.spread),
        "intercept": model.intercept,
        "limit": model.limit,
        "about": about,
    }


def _logistic(design: Float[np.ndarray, "n k"], target: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """Newton's method with a ridge on everything but the intercept; more of a good sign never lowers trust."""
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 1e-3
    free = np.ones(design.shape[1], dtype=bool)
    good = np.ones(design.shape[1])
    good[0] = 0.0
    while True:
        weights = np.zeros(design.shape[1])
        part = design[:, free]
        for _ in range(_STEPS):
            chance = 1.0 / (1.0 + np.exp(-part @ weights[free]))
            gradient = part.T @ (target - chance) - ridge[free] * weights[free]
            curvature = (part * (chance * (1 - chance))[:, None]).T @ part + np.diag(ridge[free])
            weights[free] += np.linalg.solve(curvature, gradient)
        wrong = free & (weights * good < 0)
        if not wrong.any():
            return weights
        free &= ~wrong


def _limit(confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], precision: float) -> float:
    order = np.argsort(-confidence, kind="stable")
    good = np.cumsum(right[order])
    count = np.arange(1, len(order) + 1)
    kept = np.flatnonzero(good / (count + 0.5) >= precision)
    if not len(kept):
        return 0.999
    below = confidence[order][int(kept[-1]) + 1 :]
    highest = float(below.max()) if len(below) else 0.5
    return float(np.clip(highest + _MARGIN * (1.0 - highest), 0.5, 0.999))
