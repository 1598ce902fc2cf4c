"""Stenoses from lumen radii: how far a diameter falls below what the branch would have if it were healthy.

The healthy profile falls smoothly along a branch and steps down where side branches leave. It is fitted with dips
left out, then corrected by the healthy stretches on both sides of each dip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.cmr.coronaries.tree import TreeBranch

_STEP_MM = 0.5
_LEAST_PERCENT = 40.0
_DIP = 0.14  # share below the healthy profile at which a dip begins and ends
_SIDE_MM = 10.0
_TIP_MM = 5.0
_NARROWEST_MM = 0.45  # reference radius below which a percentage means nothing
_ROUNDS = 15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stenosis:
    """A narrowing.

    Args:
        branch: index into the tree.
        point: index of the narrowest point of the branch.
        percent: diameter stenosis.
        length_mm: of the dip.
    """

    branch: int
    point: int
    percent: float
    length_mm: float


def find_stenoses(tree: Sequence[TreeBranch], *, least_percent: float = _LEAST_PERCENT) -> tuple[Stenosis, ...]:
    """All narrowings of at least so many percent, the tightest first."""
    found: list[Stenosis] = []
    for index, part in enumerate(tree):
        radius = part.branch.radius_mm
        if not np.isfinite(radius).any() or part.branch.along_mm[-1] < 8.0:
            continue
        origins = [other.parent_point for other in tree if other.parent == index]
        found.extend(_of_branch(part, index, [float(part.branch.along_mm[k]) for k in origins], least_percent))
    return tuple(sorted(found, key=lambda stenosis: -stenosis.percent))


def _of_branch(part: TreeBranch, index: int, origins_mm: list[float], least_percent: float) -> list[Stenosis]:
    along = part.branch.along_mm
    known = np.isfinite(part.branch.radius_mm)
    place = np.arange(0.0, along[-1], _STEP_MM)
    radius = ndimage.median_filter(np.interp(place, along[known], part.branch.radius_mm[known]), 3, mode="nearest")
    healthy = healthy_profile(place, radius, origins_mm)
    below = 1.0 - radius / healthy
    parts, count = ndimage.label(below > _DIP)  # pyright: ignore[reportGeneralTypeIssues]
    found = []
    for number in range(1, count + 1):
        dip = np.flatnonzero(parts == number)
        at = dip[int(np.argmax(below[dip]))]
        percent = 100.0 * (1.0 - radius[at] / _local_reference(place, radius, healthy, below, dip, at))
        if percent < least_percent or place[at] > place[-1] - _TIP_MM or healthy[at] < _NARROWEST_MM:
            continue
        if place[dip[-1]] > place[-1] - 1.5:  # it never widens again: the branch ends, which is no stenosis
            continue
        found.append(
            Stenosis(
                branch=index,
                point=int(np.argmin(np.abs(along - place[at]))),
                percent=float(percent),
                length_mm=float(len(dip) * _STEP_MM),
            )
        )
    return found


def _local_reference(
    place: np.ndarray, radius: np.ndarray, healthy: np.ndarray, below: np.ndarray, dip: np.ndarray, at: int
) -> float:
    """Healthy radius at the dip, by the mean of how the stretches before and behind it lie against the profile."""
    ratios = []
    for side in (
        (place < place[dip[0]]) & (place > place[dip[0]] - _SIDE_MM),
        (place > place[dip[-1]]) & (place < place[dip[-1]] + _SIDE_MM),
    ):
        good = side & (below < 0.10)
        if good.sum() >= 4:
            ratios.append(float(np.median((radius / healthy)[good])))
    return float(healthy[at]) * (float(np.mean(ratios)) if ratios else 1.0)


def healthy_profile(
    place_mm: Float[np.ndarray, " n"], radius_mm: Float[np.ndarray, " n"], origins_mm: Sequence[float]
) -> Float[np.ndarray, " n"]:
    """Radius without dips: a smooth fall with steps at side branches, fitted with what lies below left out."""
    t = place_mm / max(float(place_mm[-1]), 1.0)
    steps = [(place_mm > origin).astype(np.float64) for origin in origins_mm if 4.0 < origin < place_mm[-1] - 4.0]
    design = np.stack([np.ones_like(t), t, t**2, *steps], axis=1)
    scale = float(np.median(radius_mm))
    # Steps and bends only where the data insist: each is held back a little.
    hold = np.diag([0.0, 1e-3, 0.3, *([0.15] * len(steps))]) * scale * np.sqrt(len(t)) * 0.3
    weight = np.where(radius_mm >= ndimage.percentile_filter(radius_mm, 60, size=41, mode="nearest") * 0.97, 1.0, 0.2)
    fitted = radius_mm
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)[:, None]
        solved = np.linalg.lstsq(
            np.concatenate([design * root, hold]),
            np.concatenate([radius_mm * root[:, 0], np.zeros(design.shape[1])]),
            rcond=None,
        )[0]
        fitted = np.maximum(design @ solved, 0.15)
        short = (fitted - radius_mm) / fitted
        weight = np.where(short > 0.05, 1.0 / (1.0 + ((short - 0.05) / 0.05) ** 2), 1.0)
        weight = np.where(short < -0.15, 0.5, weight)  # an aneurysm is no reference either
    return fitted
