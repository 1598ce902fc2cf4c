"""Weights of evidence by a conditional logit: each frame must tell its true place from all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.optimize import minimize

from calibration.errors import InputError
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps
from engines.ivus.search.evidence import (
    ANGULAR,
    PLAIN,
    EvidenceWeights,
    angular_agreements,
    plain_agreements,
    turned,
)

_EVERY = 7  # frames: neighbours say the same thing
_RIDGE = 0.02
_TEMPER = 0.15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TruePair:
    """Maps of one simulated case and where each frame truly lies in them.

    Args:
        place: row of the course's maps of each frame.
        turn: angle bin of each frame's u axis from the course's u.
        handedness: of the frame's axes about the course's tangent.
    """

    frames: LandmarkMaps
    course: LandmarkMaps
    place: Int[np.ndarray, " f"]
    turn: Int[np.ndarray, " f"]
    handedness: int


def fit_evidence(
    pairs: Sequence[TruePair], *, progress: Callable[[str], None] = lambda _: None
) -> tuple[EvidenceWeights, float]:
    """Weights, and the mean log-likelihood of the truth against chance, in nats a frame.

    Raises:
        InputError: no pairs.
    """
    if not pairs:
        raise InputError("no training pairs; make at least one")
    tables = [_agreements(pair) for pair in pairs]
    count = sum(len(truth) for _, truth in tables)

    def loss(weights: Float[np.ndarray, " k"]) -> tuple[float, Float[np.ndarray, " k"]]:
        total, gradient = 0.0, np.zeros(len(weights))
        for values, truth in tables:
            for frame, place in enumerate(truth):
                seen = values[frame]  # (states, agreements)
                score = seen @ weights.astype(np.float32)
                peak = float(score.max())
                chance = np.exp(score - peak)
                whole = float(chance.sum())
                total -= float(score[place]) - peak - np.log(whole)
                gradient -= seen[place] - (chance @ seen) / whole
        total, gradient = total / count, gradient / count
        progress(f"loss {total:.4f}")
        return total + _RIDGE * 1e-2 * float(weights @ weights), gradient + 2e-2 * _RIDGE * weights

    start = np.zeros(len(ANGULAR) + len(PLAIN))
    # Agreement never speaks against a place: a weight below zero would be a correction of its neighbours' that no other
    # pair needs to share.
    bounds = [(0.0, None)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
    weights = EvidenceWeights(
        angular=tuple(float(w) for w in found.x[: len(ANGULAR)]),
        plain=tuple(float(w) for w in found.x[len(ANGULAR) :]),
        temper=_TEMPER,
    )
    states = float(np.mean([np.log(values.shape[1]) for values, _ in tables]))
    return weights, states - float(found.fun)


def _agreements(pair: TruePair) -> tuple[Float32[np.ndarray, "f n k"], Int[np.ndarray, " f"]]:
    """Every agreement in every second place and every second angle, the truth always among them, for some frames."""
    angular = angular_agreements(pair.frames, pair.course)
    plain = plain_agreements(pair.frames, pair.course)
    chosen = np.arange(_EVERY // 2, len(pair.place), _EVERY)
    places = np.arange(0, len(pair.course.place_mm), 2)
    rows, truth = [], []
    for frame in chosen:
        own = np.unique(np.append(places, pair.place[frame]))
        here = int(np.searchsorted(own, pair.place[frame]))
        turns = np.unique(np.append(np.arange(0, ANGLES, 2), pair.turn[frame]))
        states = np.empty((2, len(turns), len(places) + 1, len(angular) + len(plain)), dtype=np.float32)
        size = len(own)
        for h, hand in enumerate((1, -1)):
            for t, turn in enumerate(turns):
                for k, (mine, theirs) in enumerate(angular):
                    states[h, t, :size, k] = turned(theirs[own], int(turn), hand) @ mine[frame]
        for k, table in enumerate(plain, start=len(angular)):
            states[:, :, :size, k] = table[frame, own]
        truth.append(_flat(states, 0 if pair.handedness > 0 else 1, int(np.searchsorted(turns, pair.turn[frame])),
                           here, size))  # fmt: skip
        rows.append(states[:, :, :size].reshape(-1, states.shape[3]))
    longest = max(len(row) for row in rows)
    # Rows of different length: the shorter repeat their last state, which changes hardly anything.
    padded = np.stack([np.concatenate([row, np.repeat(row[-1:], longest - len(row), axis=0)]) for row in rows])
    return padded, np.array(truth)


def _flat(states: np.ndarray, hand: int, turn: int, place: int, size: int) -> int:
    return (hand * states.shape[1] + turn) * size + place
