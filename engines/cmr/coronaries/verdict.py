"""What each stenosis does to its wall, and which defects no stenosis explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.cmr.coronaries.stenosis import Stenosis
from engines.cmr.coronaries.territory import Territories
from engines.cmr.heart.ct_heart import CtHeart

G_PER_ML = 1.05  # density of myocardium
DEFECT_OF_REMOTE = 0.78  # of remote: below it a wall is called ischaemic
_MATCHED_MEAN = 0.84  # of remote, mean over the subtended wall
_MATCHED_SHARE = 0.30  # of the subtended wall that is defect
_SHARED_SHARE = 0.60  # of the defect that lies in a shared band
_LEAST_DEFECT_G = 3.0
_NEAR_MM = 9.0  # collaterals and borders: a defect this near a matched territory belongs to it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesion:
    """A stenosis and its wall.

    Args:
        mass_g: of the subtended wall.
        mean_upslope: relative upslope there; None where no slice saw it.
        of_remote: the same over the remote wall's.
        verdict: matched, unmatched_lesion or shared.
        wall: which wall voxels are subtended.
    """

    stenosis: Stenosis
    mass_g: float
    mean_upslope: float | None
    of_remote: float | None
    verdict: str
    wall: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Defect:
    """Ischaemic wall that no stenosis explains."""

    segments: tuple[int, ...]
    mass_g: float
    mean_upslope: float


def judge(
    heart: CtHeart,
    found: Territories,
    upslope: Float[np.ndarray, " n"],
    stenoses: Sequence[Stenosis],
    walls: Sequence[Bool[np.ndarray, " n"]],
    segment: np.ndarray,
) -> tuple[tuple[Lesion, ...], tuple[Defect, ...], float]:
    """Verdicts, unmatched defects, and the upslope of remote wall that both are measured against."""
    remote = remote_upslope(upslope, walls)
    defect = np.isfinite(upslope) & (upslope < DEFECT_OF_REMOTE * remote)
    lesions = [
        _lesion(heart, found, upslope, stenosis, wall, defect, remote)
        for stenosis, wall in zip(stenoses, walls, strict=True)
    ]
    explained = np.zeros(len(upslope), dtype=bool)
    for lesion in lesions:
        if lesion.verdict != "unmatched_lesion":
            explained |= lesion.wall
    return tuple(lesions), _unexplained(heart, defect, explained, upslope, segment), remote


def remote_upslope(upslope: Float[np.ndarray, " n"], walls: Sequence[Bool[np.ndarray, " n"]]) -> float:
    """Median where no stenosis lies upstream, but never below the upper half of all: everything may be ischaemic."""
    seen = np.isfinite(upslope)
    if not seen.any():
        return float("nan")
    beyond = np.any(np.stack(walls), axis=0) if walls else np.zeros(len(upslope), dtype=bool)
    free = seen & ~beyond
    high = float(np.percentile(upslope[seen], 60))
    return (
        max(float(np.median(upslope[free])), high)
        if free.sum() > 0.15 * seen.sum()
        else float(np.percentile(upslope[seen], 80))
    )


def _lesion(
    heart: CtHeart,
    found: Territories,
    upslope: np.ndarray,
    stenosis: Stenosis,
    wall: np.ndarray,
    defect: np.ndarray,
    remote: float,
) -> Lesion:
    mass = float(wall.sum()) * heart.voxel_ml * G_PER_ML
    seen = wall & np.isfinite(upslope)
    if seen.sum() < 30 or not np.isfinite(remote):
        return Lesion(
            stenosis=stenosis, mass_g=mass, mean_upslope=None, of_remote=None, verdict="unmatched_lesion", wall=wall
        )
    mean = float(upslope[seen].mean())
    hurt = seen & defect
    verdict = "unmatched_lesion"
    if mean < _MATCHED_MEAN * remote and hurt.sum() > _MATCHED_SHARE * seen.sum():
        in_band = float((hurt & found.shared).sum()) / max(int(hurt.sum()), 1)
        verdict = "shared" if in_band > _SHARED_SHARE else "matched"
    return Lesion(
        stenosis=stenosis, mass_g=mass, mean_upslope=mean, of_remote=mean / remote, verdict=verdict, wall=wall
    )


def _unexplained(
    heart: CtHeart, defect: np.ndarray, explained: np.ndarray, upslope: np.ndarray, segment: np.ndarray
) -> tuple[Defect, ...]:
    wall = heart.masks["lv_wall"]
    volume = np.zeros(wall.shape, dtype=bool)
    volume[wall] = explained
    if explained.any():
        near = ndimage.distance_transform_edt(~volume, sampling=heart.spacing_mm)
        left = defect & (np.asarray(near)[wall] > _NEAR_MM)
    else:
        left = defect
    volume = np.zeros(wall.shape, dtype=bool)
    volume[wall] = left
    # Slices lie apart: parts within a slice gap of each other are one defect.
    steps = np.maximum(1, np.round(2.0 / heart.spacing_mm)).astype(int)
    joined = ndimage.binary_dilation(volume, np.ones(2 * steps + 1))
    parts, count = ndimage.label(joined)  # pyright: ignore[reportGeneralTypeIssues]
    found = []
    for number in range(1, count + 1):
        inside = (parts[wall] == number) & left
        mass = float(inside.sum()) * heart.voxel_ml * G_PER_ML
        if mass >= _LEAST_DEFECT_G:
            numbers, sizes = np.unique(segment[inside], return_counts=True)
            big = tuple(int(n) for n, size in zip(numbers, sizes, strict=True) if n > 0 and size > 0.1 * inside.sum())
            found.append(Defect(segments=big, mass_g=mass, mean_upslope=float(upslope[inside].mean())))
    return tuple(sorted(found, key=lambda one: -one.mass_g))
