"""How surely each vessel feeds each segment: the nearest vessel under many perturbed trees and speeds.

A CT shows neither the small branches inside the wall nor how fast they serve it. So every trial gives each vessel a
head start of its own and lets its ways run longer or shorter from place to place, and asks again which vessel comes
first. The shares of the trials are the chances. How much of each is at work was fitted on simulated patients of the
training split, to the chance of the true vessel; there neither calibre nor the population's scheme, taken as a head
start, told any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

SURE = 0.75  # chance from which on a segment is called one vessel's own
_TRIALS = 400
_HEAD_START_MM = 9.0  # standard deviation, of each vessel
_UNEVEN = 0.5  # standard deviation of the logarithm of a way's length, over short ways
_PATCH_MM = 16.0  # over which speeds go together; longer ways average them out
_POINTS, _FIELDS, _WAVES = 1500, 24, 20
_SEED = 181_000
_DEFAULT_RIGHT, _FOUND_COUNTS, _LEAST = 0.6, 0.5, 0.02
_VESSELS, _SEGMENTS = 3, 17


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeedingChance:
    """Args:
    segments: (18, 3) chance that LAD, LCx or RCA feeds most of each AHA segment, by its number; row 0 is unused, and
        a segment without wall has zeros.
    """

    segments: Float[np.ndarray, "18 3"]

    def vessel(self, segment: int) -> int:
        """1 LAD, 2 LCx, 3 RCA; 0 for a segment without wall."""
        row = self.segments[segment]
        return int(row.argmax()) + 1 if row.any() else 0

    def shared(self, segment: int) -> bool:
        """No vessel is sure enough to be called the segment's own."""
        return bool(self.segments[segment].max() < SURE)

    def beside_default(self, default: Mapping[int, int]) -> FeedingChance:
        """The chances of a tree that the program found, weighed against the population's scheme.

        What a CT does not show of its arteries is not in these chances, so they count half, beside a scheme that
        counts as right in 60 %: both chosen on found trees of 29 simulated patients by the chance of the true vessel.

        Args:
            default: vessel of each segment, 1 LAD, 2 LCx, 3 RCA.
        """
        rows = np.zeros_like(self.segments)
        for segment, vessel in default.items():
            if not self.segments[segment].any():
                continue
            usual = np.full(_VESSELS, (1.0 - _DEFAULT_RIGHT) / (_VESSELS - 1))
            usual[vessel - 1] = _DEFAULT_RIGHT
            both = (self.segments[segment] + _LEAST) ** _FOUND_COUNTS * usual
            rows[segment] = both / both.sum()
        return FeedingChance(segments=rows)


def feeding_chance(
    points_mm: Float[np.ndarray, "n 3"], distance_mm: Float[np.ndarray, "3 n"], segment: Int[np.ndarray, " n"]
) -> FeedingChance:
    """Args:
    distance_mm: way through the wall from LAD, LCx and RCA; infinite where a vessel does not reach.
    segment: AHA number of each point, 0 for none.
    """
    random = np.random.default_rng(_SEED)
    chosen = np.flatnonzero(segment > 0)
    if len(chosen) > _POINTS:
        chosen = np.sort(random.choice(chosen, _POINTS, replace=False))
    points, part = points_mm[chosen], segment[chosen]
    way = np.minimum(distance_mm[:, chosen], 1e4)
    uneven = _UNEVEN * np.sqrt(_PATCH_MM / (_PATCH_MM + way))
    fields = _smooth_fields(points, random)
    rows = np.zeros((_SEGMENTS + 1, _VESSELS))
    members = [np.flatnonzero(part == number) for number in range(_SEGMENTS + 1)]
    for _ in range(_TRIALS):
        start = _HEAD_START_MM * random.standard_normal(_VESSELS)[:, None]
        slower = np.exp(uneven * fields[random.integers(_FIELDS, size=_VESSELS)])
        first = (way * slower + start).argmin(axis=0)
        for number, inside in enumerate(members):
            if number and len(inside):
                rows[number, np.bincount(first[inside], minlength=_VESSELS).argmax()] += 1.0
    return FeedingChance(segments=rows / _TRIALS)


def _smooth_fields(points: np.ndarray, random: np.random.Generator) -> Float[np.ndarray, "f n"]:
    """Random fields of unit deviation that change over a patch, as sums of waves."""
    waves = random.standard_normal((_FIELDS, _WAVES, 3)) / _PATCH_MM
    phases = random.uniform(0, 2 * np.pi, (_FIELDS, _WAVES, 1))
    return np.sqrt(2.0 / _WAVES) * np.cos(waves @ points.T + phases).sum(axis=1)
