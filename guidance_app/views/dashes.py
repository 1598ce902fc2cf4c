"""Cuts polylines into dashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True, kw_only=True)
class DashPattern:
    """`first_px` is where the first dash begins: two patterns make dashes with dots between them."""

    on_px: float
    off_px: float
    first_px: float = 0.0


def dashed(
    lines: Sequence[Float[np.ndarray, "n 2"]], pattern: DashPattern, *, scale: float = 1.0
) -> list[Float[np.ndarray, "m 2"]]:
    """The drawn pieces of every line; each begins with a dash or `first_px` later, and keeps corners inside a dash."""
    pieces: list[Float[np.ndarray, "m 2"]] = []
    for line in lines:
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        arc = np.concatenate([[0.0], np.cumsum(steps)])
        starts = np.arange(pattern.first_px * scale, arc[-1], (pattern.on_px + pattern.off_px) * scale)
        stops = np.minimum(starts + pattern.on_px * scale, arc[-1])
        heads, tails = _at(line, arc, starts), _at(line, arc, stops)
        first, last = np.searchsorted(arc, starts, side="right"), np.searchsorted(arc, stops, side="left")
        pieces.extend(
            np.concatenate([head[None], line[begin:end], tail[None]])
            for head, tail, begin, end in zip(heads, tails, first.tolist(), last.tolist(), strict=True)
        )
    return pieces


def _at(
    line: Float[np.ndarray, "n 2"], arc: Float[np.ndarray, " n"], where: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k 2"]:
    return np.column_stack([np.interp(where, arc, line[:, axis]) for axis in range(2)])
