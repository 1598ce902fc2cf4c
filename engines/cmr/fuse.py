"""The fusion of one case: what was measured, laid onto each other, with territories and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.coronaries.ct_tree import is_assumed
from engines.cmr.coronaries.feeding_chance import FeedingChance, feeding_chance
from engines.cmr.coronaries.stenosis import find_stenoses
from engines.cmr.coronaries.territory import Territories, WallPaths, subtended, territories
from engines.cmr.coronaries.tree import VESSELS, TreeBranch, coronary_tree
from engines.cmr.coronaries.verdict import Defect, Lesion, judge, remote_upslope
from engines.cmr.correcting.corrections import NONE, Corrections
from engines.cmr.fusion_result import AHA_DEFAULT, Fusion, SegmentFusion
from engines.cmr.measured import Clock, Measured, Progress, measure_case, silent
from engines.cmr.reading.coronaries import CoronaryBranch
from engines.cmr.registered import Registered, register_case
from engines.cmr.series import PerfusionSeries

# Noise that could turn a verdict makes it borderline; the pictures are noisy only where the error itself is large.
_FLAG_OF_DOUBT = {"noise": "VERDICT_BORDERLINE", "unevenness": "VERDICT_BORDERLINE", "territory": "TERRITORY_SHARED"}
_WIDE_SHARED = 0.5  # of a lesion's subtended wall that lies in shared bands


def fuse(
    ct: CtVolume,
    masks: Mapping[str, Bool[np.ndarray, "i j k"]] | None,
    branches: Sequence[CoronaryBranch] | None,
    series: PerfusionSeries,
    progress: Progress | None = None,
    arms: Arms = DEFAULT,
) -> Fusion:
    """Fuse one case; without masks the heart is segmented, without branches they are looked for in the CT.

    Raises:
        InputError: no heart, no first pass, or a tree that lies nowhere near the heart.
    """
    say = progress or silent
    measured = measure_case(ct, masks, branches, series, say, arms)
    return judge_case(measured, register_case(measured, say, arms), say)


def judge_case(
    measured: Measured, registered: Registered, say: Progress = silent, *, corrections: Corrections = NONE,
    paths: WallPaths | None = None,
) -> Fusion:  # fmt: skip
    """Territories and verdicts of a registered case.

    Args:
        paths: of this heart's wall, where they are known already.

    Raises:
        InputError: a tree that lies nowhere near the heart.
    """
    clock = Clock({**measured.seconds, **registered.seconds})
    say("territories", 0.85)
    drawn = coronary_tree(measured.branches, measured.frame) if measured.branches else None
    tree = None if drawn is None else corrections.tree(drawn)
    found, lesions, defects, remote, tree_flags = _territories(measured, registered, tree, corrections, paths)
    segments = _segments(registered, found, by_program=measured.coronaries == "found_in_ct")
    clock.stage("territories")
    return Fusion(
        heart=measured.heart,
        model=registered.model,
        place=registered.place,
        slices=registered.slices,
        links=registered.links,
        pool_per_s=registered.pool_per_s,
        upslope=registered.upslope,
        remote=remote,
        segments=segments,
        no_flow=registered.no_flow,
        tree=tree,
        territories=found,
        lesions=lesions,
        defects=defects,
        dice_reoriented=registered.dice_reoriented,
        dice_registered=registered.dice_registered,
        flags=tuple(dict.fromkeys((*measured.flags, *registered.flags, *tree_flags))),
        seconds=clock.seconds,
        coronaries=measured.coronaries,
        by_hand=corrections.words(drawn or (), [part.part.name for part in registered.slices]),
    )


def _territories(
    measured: Measured,
    registered: Registered,
    tree: tuple[TreeBranch, ...] | None,
    corrections: Corrections,
    paths: WallPaths | None,
) -> tuple[Territories | None, tuple[Lesion, ...], tuple[Defect, ...], float, tuple[str, ...]]:
    heart, upslope = measured.heart, registered.upslope
    if tree is None:
        return None, (), (), remote_upslope(upslope, []), ("TREE_INCOMPLETE",)
    paths = paths or WallPaths(heart)
    found = territories(paths, tree)
    if not (found.vessel > 0).any():
        raise InputError("the coronaries do not touch the left ventricle; are they in LPS mm of this CT?")
    flags: list[str] = []
    feeding = {part.vessel for part, mask in zip(tree, found.sources, strict=True) if mask.any()}
    if not all(vessel in {part.vessel for part in tree} for vessel in VESSELS) or len(feeding) < 2:
        flags.append("TREE_INCOMPLETE")
    if not any(np.isfinite(part.branch.radius_mm).any() for part in tree):
        flags.append("TREE_INCOMPLETE")
    if any(is_assumed(part.name) and not part.hidden for part in tree):
        flags.append("TREE_INCOMPLETE")
    stenoses = corrections.stenoses(find_stenoses(tree, by_program=measured.coronaries == "found_in_ct"), tree)
    walls = [subtended(paths, tree, found, stenosis.branch, stenosis.point) for stenosis in stenoses]
    lesions, defects, remote = judge(
        heart, found, registered.pixels, upslope, stenoses, walls, registered.model.frame.segments(found.points_mm)
    )
    for lesion in lesions:
        if lesion.verdict == "shared" or (found.shared & lesion.wall).sum() > _WIDE_SHARED * max(
            int(lesion.wall.sum()), 1
        ):
            flags.append("TERRITORY_SHARED")
        flags += [_FLAG_OF_DOUBT[doubt] for doubt in lesion.doubts]
    return found, lesions, defects, remote, tuple(flags)


def _segments(registered: Registered, found: Territories | None, *, by_program: bool) -> dict[int, SegmentFusion]:
    number = registered.model.frame.segments(registered.points_mm)
    chance = None if found is None else feeding_chance(found.points_mm, found.distance_mm, number)
    if chance is not None and by_program:
        chance = chance.beside_default({k: VESSELS.index(name) + 1 for k, name in AHA_DEFAULT.items()})
    table = {}
    for segment in range(1, 18):
        own = registered.stress[segment]
        resting = registered.rest[segment] if registered.rest else None
        rest = resting.relative_upslope if resting is not None else None
        vessel = chance.vessel(segment) if chance is not None else 0
        table[segment] = SegmentFusion(
            stress=own,
            rest_flow=resting.flow if resting is not None else None,
            reserve=own.relative_upslope / rest if own.relative_upslope is not None and rest else None,
            territory=VESSELS[vessel - 1] if vessel else None,
            territory_share=_nearest_share(found, number == segment, vessel) if found is not None and vessel else None,
            aha_default=AHA_DEFAULT[segment],
            chance=_chances(chance, segment) if chance is not None and vessel else None,
            shared=chance is not None and vessel > 0 and chance.shared(segment),
        )
    return table


def _nearest_share(found: Territories, inside: Bool[np.ndarray, " n"], vessel: int) -> float:
    return float((found.vessel[inside] == vessel).mean())


def _chances(chance: FeedingChance, segment: int) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in chance.segments[segment])
    return first, second, third
