"""What each stenosis does to its wall, and which defects no stenosis explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.cmr.coronaries.region_test import RegionUpslope, WallPixels
from engines.cmr.coronaries.stenosis import Stenosis
from engines.cmr.coronaries.territory import Territories
from engines.cmr.heart.ct_heart import CtHeart

G_PER_ML = 1.05  # density of myocardium
DEFECT_OF_REMOTE = 0.78  # of remote: below it a voxel of the map is called ischaemic
_SURE = 2.0  # deviations by which a wall must lie below remote
_LEAST_LOSS = 0.06  # of remote: less is no ischaemia, however surely it is seen
_UNEVEN, _MOST_UNEVEN = 0.03, 0.10  # healthy segments of one heart differ by so much at least, and at most
_CORE_SHARE = 0.3  # of a wall that must lie away from shared bands to speak for it
_FREE_SHARE = 0.15  # of the seen wall that must lie behind no stenosis to be called remote
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
        sigma: standard error of `of_remote`.
        verdict: matched, unmatched_lesion or shared.
        doubts: what could turn the verdict: "noise", "unevenness" of healthy wall, or the "territory".
        wall: which wall voxels are subtended.
    """

    stenosis: Stenosis
    mass_g: float
    mean_upslope: float | None
    of_remote: float | None
    sigma: float | None
    verdict: str
    doubts: tuple[str, ...]
    wall: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Defect:
    """Ischaemic wall that no stenosis explains."""

    segments: tuple[int, ...]
    mass_g: float
    mean_upslope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Wall that no stenosis lies upstream of.

    Args:
        value, sigma: its relative upslope.
        uneven: standard deviation of healthy segments over it, noise taken out.
    """

    value: float
    sigma: float
    uneven: float


def judge(
    heart: CtHeart,
    found: Territories,
    pixels: WallPixels,
    upslope: Float[np.ndarray, " n"],
    stenoses: Sequence[Stenosis],
    walls: Sequence[Bool[np.ndarray, " n"]],
    segment: np.ndarray,
) -> tuple[tuple[Lesion, ...], tuple[Defect, ...], float]:
    """Verdicts, unmatched defects, and the upslope of remote wall that both are measured against."""
    remote = _remote(pixels, upslope, walls, segment)
    defect = np.isfinite(upslope) & (upslope < DEFECT_OF_REMOTE * remote.value)
    lesions = [
        _lesion(heart, found, pixels, upslope, stenosis, wall, defect, remote)
        for stenosis, wall in zip(stenoses, walls, strict=True)
    ]
    explained = np.zeros(len(upslope), dtype=bool)
    for lesion in lesions:
        if lesion.verdict != "unmatched_lesion":
            explained |= lesion.wall
    return tuple(lesions), _unexplained(heart, defect, explained, upslope, segment), remote.value


def _remote(
    pixels: WallPixels, upslope: np.ndarray, walls: Sequence[Bool[np.ndarray, " n"]], segment: np.ndarray
) -> Remote:
    seen = np.isfinite(upslope)
    by_map = remote_upslope(upslope, walls)
    free = seen & ~np.any(np.stack(walls), axis=0) if walls else seen
    own = pixels.upslope(free) if free.sum() > _FREE_SHARE * seen.sum() else None
    if own is None:
        return Remote(value=by_map, sigma=_MOST_UNEVEN * by_map, uneven=_UNEVEN)
    parts = [pixels.upslope(free & (segment == number)) for number in np.unique(segment[free])]
    known = [part for part in parts if part is not None]
    # Where the free wall itself lies low, the better part of the heart is the measure.
    value = own.value * max(1.0, by_map / float(np.median(upslope[free])))
    uneven = _UNEVEN
    if len(known) >= 4:
        ratio = np.array([part.value for part in known]) / own.value
        noise = np.array([part.sigma for part in known]) / own.value
        uneven = float(np.sqrt(max(float(np.var(ratio) - np.mean(noise**2)), 0.0)))
    return Remote(value=value, sigma=own.sigma, uneven=float(np.clip(uneven, _UNEVEN, _MOST_UNEVEN)))


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
    pixels: WallPixels,
    upslope: np.ndarray,
    stenosis: Stenosis,
    wall: np.ndarray,
    defect: np.ndarray,
    remote: Remote,
) -> Lesion:
    mass = float(wall.sum()) * heart.voxel_ml * G_PER_ML
    seen = wall & np.isfinite(upslope)
    whole = pixels.upslope(wall)
    if whole is None or not np.isfinite(remote.value):
        return Lesion(
            stenosis=stenosis, mass_g=mass, mean_upslope=None, of_remote=None, sigma=None,
            verdict="unmatched_lesion", doubts=("noise",), wall=wall,
        )  # fmt: skip
    # Away from bands that a neighbour may feed, errors of the territory dilute nothing.
    inner = wall & ~found.shared
    core = pixels.upslope(inner) if (inner & seen).sum() > _CORE_SHARE * seen.sum() else None
    starved = [_starved(part, remote) for part in (core or whole, whole)]
    verdict = "unmatched_lesion"
    if starved[0].is_so:
        hurt = seen & defect
        in_band = float((hurt & found.shared).sum()) / max(int(hurt.sum()), 1)
        verdict = "shared" if in_band > _SHARED_SHARE else "matched"
    doubts = [*starved[0].doubts, *(("territory",) if starved[0].is_so != starved[1].is_so else ())]
    return Lesion(
        stenosis=stenosis,
        mass_g=mass,
        mean_upslope=whole.value,
        of_remote=whole.value / remote.value,
        sigma=starved[1].sigma,
        verdict=verdict,
        doubts=tuple(doubts),
        wall=wall,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    is_so: bool
    sigma: float
    doubts: tuple[str, ...]


def _starved(part: RegionUpslope, remote: Remote) -> _Test:
    """Does a wall lie below remote by more than noise and the unevenness of healthy wall explain?"""
    share = part.value / remote.value
    sigma = share * float(np.hypot(part.sigma / part.value, remote.sigma / remote.value)) if part.value > 0 else 1.0
    total = float(np.hypot(sigma, remote.uneven))
    limit = max(_SURE * total, _LEAST_LOSS)
    apart = abs(1.0 - share - limit)
    doubts = []
    if apart < sigma:
        doubts.append("noise")
    elif apart < total:
        doubts.append("unevenness")
    return _Test(is_so=1.0 - share > limit, sigma=sigma, doubts=tuple(doubts))


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
