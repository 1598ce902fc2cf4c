"""Nearest neighbours among a picture's features and a model's, by place and direction at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

_BRUTE_PAIRS = 400_000  # from this number on, a tree is as fast as comparing every pair


class Neighbours:
    """Points among which nearest neighbours are searched repeatedly.

    All pairs are compared by one matrix product in single precision, which takes half the time of a tree at the few
    hundred points of a tracked frame. For the points of a whole picture and a whole model, a tree is made on first
    use.

    Args:
        points: (n, d), at least one.
    """

    def __init__(self, points: Float[np.ndarray, "n d"]) -> None:
        self.points = points
        # Relative to their mean, single precision keeps a thousandth of a millimetre.
        self._middle = points.mean(axis=0)
        self._doubled, self._plain = _rows(points - self._middle)
        self._tree: KDTree | None = None

    def __len__(self) -> int:
        return len(self.points)

    def nearest_to(self, others: Float[np.ndarray, "m d"]) -> Int[np.ndarray, " m"]:
        """Index of the point nearest to each of the others."""
        if len(others) * len(self) > _BRUTE_PAIRS:
            if self._tree is None:
                self._tree = KDTree(self.points)
            return np.asarray(self._tree.query(others)[1])
        _, asking = _rows(others - self._middle)
        return (asking @ self._doubled.T).argmin(axis=1)

    def nearest_among(
        self, others: Float[np.ndarray, "m d"], asking: Int[np.ndarray, " k"] | None = None
    ) -> Int[np.ndarray, " k"]:
        """Index of the other point nearest to each point, or to each of the points `asking`."""
        points, plain = (self.points, self._plain) if asking is None else (self.points[asking], self._plain[asking])
        if len(others) * len(points) > _BRUTE_PAIRS:
            return np.asarray(KDTree(others, balanced_tree=False, compact_nodes=False).query(points)[1])
        doubled, _ = _rows(others - self._middle)
        return (plain @ doubled.T).argmin(axis=1)


def _rows(points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n d1"], Float[np.ndarray, "n d1"]]:
    """Rows whose product is the squared distance of two points, minus a term that is equal for all candidates.

    The first kind is for candidates, (-2 p, |p|^2), the second for those who ask, (p, 1).
    """
    count, size = points.shape
    doubled = np.empty((count, size + 1), np.float32)
    doubled[:, :size] = -2.0 * points
    doubled[:, size] = (points * points).sum(axis=1)
    plain = np.ones((count, size + 1), np.float32)
    plain[:, :size] = points
    return doubled, plain
