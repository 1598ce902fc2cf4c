"""Landmark pairs that a person sets: a point of the model, then its place in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkPair:
    """`point_mm` (3,) LPS; `place_px` (2,) column and row."""

    point_mm: Float[np.ndarray, " 3"]
    place_px: Float[np.ndarray, " 2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkPairs:
    """Args:
    pairs: complete ones.
    waiting_mm: a model point whose place is to be clicked next.
    """

    pairs: tuple[LandmarkPair, ...] = ()
    waiting_mm: Float[np.ndarray, " 3"] | None = None

    def with_point(self, point_mm: Float[np.ndarray, " 3"]) -> LandmarkPairs:
        return replace(self, waiting_mm=np.asarray(point_mm, dtype=np.float64))

    def with_place(self, column: float, row: float) -> LandmarkPairs:
        """Completes the pair; nothing changes while no point waits."""
        if self.waiting_mm is None:
            return self
        pair = LandmarkPair(point_mm=self.waiting_mm, place_px=np.array([column, row]))
        return LandmarkPairs(pairs=(*self.pairs, pair))

    def points_mm(self) -> Float[np.ndarray, "n 3"]:
        return np.array([pair.point_mm for pair in self.pairs]).reshape(-1, 3)

    def places_px(self) -> Float[np.ndarray, "n 2"]:
        return np.array([pair.place_px for pair in self.pairs]).reshape(-1, 2)
