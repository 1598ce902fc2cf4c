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
_NARROWEST_GRADED_MM = 0.75
_STEP = 0.6  # of the calibre before a dip that one behind it has where the artery itself has left
_BESIDE_UNKNOWN_MM = 1.5
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


def find_stenoses(
    tree: Sequence[TreeBranch], *, least_percent: float = _LEAST_PERCENT, by_program: bool = False
) -> tuple[Stenosis, ...]:
    """All narrowings of at least so many percent, the tightest first.

    Args:
        by_program: the radii were measured in a CT by the program: an artery thinner than 1.5 mm is not graded, as
            readers of coronary CT have it (SCCT guidelines, Leipsic et al., J Cardiovasc Comput Tomogr 8:342, 2014),
            and where a trunk ends in a side branch, because its own rest was not seen, the step is no stenosis.
    """
    found: list[Stenosis] = []
    for index, part in enumerate(tree):
        radius = part.branch.radius_mm
        if not np.isfinite(radius).any() or part.branch.along_mm[-1] < 8.0:
            continue
        origins = [float(part.branch.along_mm[other.parent_point]) for other in tree if other.parent == index]
        found.extend(_of_branch(part, index, origins, least_percent, by_program))
    return tuple(sorted(found, key=lambda stenosis: -stenosis.percent))


def _of_branch(
    part: TreeBranch, index: int, origins_mm: list[float], least_percent: float, by_program: bool
) -> list[Stenosis]:
    along = part.branch.along_mm
    known = np.isfinite(part.branch.radius_mm)
    place = np.arange(0.0, along[-1], _STEP_MM)
    radius = ndimage.median_filter(np.interp(place, along[known], part.branch.radius_mm[known]), 3, mode="nearest")
    unknown = np.interp(place, along, (~known).astype(np.float64)) > 0.0
    reach = round(_BESIDE_UNKNOWN_MM / _STEP_MM)
    healthy = healthy_profile(place, radius, origins_mm)
    below = 1.0 - radius / healthy
    parts, count = ndimage.label(below > _DIP)  # pyright: ignore[reportGeneralTypeIssues]
    found = []
    for number in range(1, count + 1):
        dip = np.flatnonzero(parts == number)
        at = dip[int(np.argmax(below[dip]))]
        reference = _local_reference(place, radius, healthy, below, dip, at)
        if by_program:
            reference = min(reference, _beyond_step(place, radius, dip))
        percent = 100.0 * (1.0 - radius[at] / reference)
        narrowest = _NARROWEST_GRADED_MM if by_program else _NARROWEST_MM
        if percent < least_percent or place[at] > place[-1] - _TIP_MM or min(healthy[at], reference) < narrowest:
            continue
        if unknown[max(dip[0] - reach, 0) : dip[-1] + reach + 1].any():  # a lumen that fades from sight seems narrow
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


def _beyond_step(place: np.ndarray, radius: np.ndarray, dip: np.ndarray) -> float:
    """The calibre behind a dip where it is so much smaller than before it that the artery itself stepped down."""
    before = (place < place[dip[0]]) & (place > place[dip[0]] - _SIDE_MM)
    behind = (place > place[dip[-1]]) & (place < place[dip[-1]] + _SIDE_MM)
    if not before.any() or not behind.any():
        return np.inf
    far = float(np.median(radius[behind]))
    return far if far < _STEP * float(np.median(radius[before])) else np.inf


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
