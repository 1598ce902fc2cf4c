"""The fusion of one case: heart in CT, wall and perfusion in CMR, registration, territories, verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.coronaries.region_test import WallPixels
from engines.cmr.coronaries.stenosis import find_stenoses
from engines.cmr.coronaries.territory import Territories, WallPaths, subtended, territories
from engines.cmr.coronaries.tree import VESSELS, TreeBranch, coronary_tree
from engines.cmr.coronaries.verdict import Defect, Lesion, judge, remote_upslope
from engines.cmr.fusion.elastic import SliceLink, link_slices, wall_dice
from engines.cmr.fusion.rigid import StackPlace, place_stack
from engines.cmr.fusion.transport import places_in_ct, upslope_on_wall
from engines.cmr.fusion_result import AHA_DEFAULT, Fusion, SegmentFusion
from engines.cmr.heart.ct_heart import CtHeart, heart_on_grid
from engines.cmr.heart.lv_frame import frame_from_masks
from engines.cmr.heart.radial_model import RadialModel, radial_model
from engines.cmr.perfusion.segments import SegmentPerfusion, segment_table
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion, measure_slices
from engines.cmr.perfusion.study_flags import study_flags
from engines.cmr.reading.coronaries import CoronaryBranch
from engines.cmr.series import PerfusionSeries, PerfusionSlice

Progress = Callable[[str, float], None]
_DOUBTFUL_COST = 0.9
_DOUBTFUL_DICE = 0.80
_PHASE_DICE = 0.45
_FAR_TURN_DEG = 15.0
_DOUBTFUL_LEVEL_SD = 0.07
_FLAG_OF_DOUBT = {"noise": "LOW_SNR", "unevenness": "VERDICT_BORDERLINE", "territory": "TERRITORY_SHARED"}
_WIDE_SHARED = 0.5  # of a lesion's subtended wall that lies in shared bands


def fuse(
    ct: CtVolume,
    masks: Mapping[str, Bool[np.ndarray, "i j k"]] | None,
    branches: Sequence[CoronaryBranch] | None,
    series: PerfusionSeries,
    progress: Progress | None = None,
    arms: Arms = DEFAULT,
) -> Fusion:
    """Fuse one case; without masks the heart is segmented, without branches there are no territories.

    Raises:
        InputError: no heart, no first pass, or a tree that lies nowhere near the heart.
    """
    say = progress or (lambda _text, _share: None)
    clock = _Clock()
    say("heart in CT", 0.0)
    heart = _heart(ct, masks, arms)
    frame, frame_flags = frame_from_masks(heart)
    if arms.reorient == "stn":
        from engines.cmr.heart.learned_frame import frame_by_network

        frame = frame_by_network(heart, frame)
    model = radial_model(heart, frame)
    tree = coronary_tree(branches, frame) if branches else None
    clock.stage("heart")
    slices, lost = _measured(series.stress, say, 0.1, 0.35, arms)
    rest, lost_rest = _measured(series.rest, say, 0.45, 0.25, arms)
    clock.stage("motion, wall and curves")
    say("registration", 0.72)
    stress, walls = tuple(part.part for part in slices), tuple(part.wall for part in slices)
    place = place_stack(model, stress, walls)
    links = _links(heart, model, slices, place, arms)
    if not any(-0.1 < link.level < 1.1 for link in links):
        raise InputError("no stress slice lies on the left ventricle of the CT; are CT and CMR of one patient?")
    dice = [wall_dice(heart, model, link, place.ct_from_cmr, elastic=False) for link in links]
    registered = [wall_dice(heart, model, link, np.linalg.inv(link.cmr_from_ct), elastic=True) for link in links]
    clock.stage("registration")
    say("perfusion on the CT", 0.8)
    pool = max(zip(links, slices, strict=True), key=lambda pair: min(pair[0].level, 0.9))[1].pool.upslope_per_s
    points = heart.points_mm(heart.masks["lv_wall"])
    upslope = upslope_on_wall(model, links, slices, pool, points)
    stress_table = segment_table(slices, [places_in_ct(model, *pair) for pair in zip(links, slices, strict=True)], pool)
    rest_table = _rest_table(model, place, links, rest)
    clock.stage("perfusion")
    say("territories", 0.85)
    found, lesions, defects, remote, tree_flags = _territories(
        heart, model, tree, upslope, WallPixels(model, links, slices, points, pool)
    )
    segments = _segments(model, stress_table, rest_table, found, points)
    clock.stage("territories")
    flags = (
        *series.flags,
        *(("SLICE_LEFT_OUT",) if lost or lost_rest else ()),
        *heart.flags,
        *frame_flags,
        *study_flags(slices, rest, stress_table, rest_table),
        *_registration_flags(place, links, dice, registered, frame_flags),
        *tree_flags,
    )
    return Fusion(
        heart=heart,
        model=model,
        place=place,
        slices=slices,
        links=links,
        pool_per_s=pool,
        upslope=upslope,
        remote=remote,
        segments=segments,
        tree=tree,
        territories=found,
        lesions=lesions,
        defects=defects,
        dice_reoriented=float(np.mean(dice)),
        dice_registered=float(np.mean(registered)),
        flags=tuple(dict.fromkeys(flags)),
        seconds=clock.seconds,
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def _heart(ct: CtVolume, masks: Mapping[str, Bool[np.ndarray, "i j k"]] | None, arms: Arms) -> CtHeart:
    if masks is not None:
        return heart_on_grid(ct, masks)
    from engines.cmr.heart.ct_segmentation import segment_heart

    found, flags = segment_heart(ct, start=arms.heart)
    return heart_on_grid(ct, found, flags)


def _links(
    heart: CtHeart, model: RadialModel, slices: tuple[SlicePerfusion, ...], place: StackPlace, arms: Arms
) -> tuple[SliceLink, ...]:
    links = link_slices(model, tuple(part.part for part in slices), tuple(part.wall for part in slices), place)
    if arms.nonrigid == "radial":
        return links
    from engines.cmr.fusion.learned_field import link_by_network

    return tuple(link_by_network(heart, model, link, part) for link, part in zip(links, slices, strict=True))


def _measured(
    parts: tuple[PerfusionSlice, ...], say: Progress, start: float, share: float, arms: Arms
) -> tuple[tuple[SlicePerfusion, ...], tuple[str, ...]]:
    if not parts:
        return (), ()
    return measure_slices(
        parts, lambda part: say(f"slice {part.name}", start + share * parts.index(part) / len(parts)), wall=arms.wall
    )


def _rest_table(
    model: RadialModel, place: StackPlace, links: tuple[SliceLink, ...], rest: tuple[SlicePerfusion, ...]
) -> dict[int, SegmentPerfusion] | None:
    """Rest lies where stress lies, but for its own breath-holds: each slice is centred on its stress neighbour."""
    if not rest:
        return None
    middles = []
    for link in links:
        middle = _wall_centre(link.part, link.wall.centre_px)
        inverse = np.linalg.inv(link.cmr_from_ct)
        middles.append(inverse[:3, :3] @ middle + inverse[:3, 3])
    shifts = []
    for part in rest:
        own = place.ct_from_cmr[:3, :3] @ _wall_centre(part.part, part.wall.centre_px) + place.ct_from_cmr[:3, 3]
        axis = model.frame.axis
        nearest = min(middles, key=lambda middle: abs(float((middle - own) @ axis)))
        apart = nearest - own
        shifts.append(apart - (apart @ axis) * axis)
    moved = StackPlace(
        ct_from_cmr=place.ct_from_cmr,
        slice_shift_mm=np.array(shifts),
        length_scale=place.length_scale,
        cost=place.cost,
        turn_deg=place.turn_deg,
        level_sd=place.level_sd,
    )
    own_links = link_slices(model, tuple(part.part for part in rest), tuple(part.wall for part in rest), moved)
    pool = max(zip(own_links, rest, strict=True), key=lambda pair: min(pair[0].level, 0.9))[1].pool.upslope_per_s
    return segment_table(rest, [places_in_ct(model, *pair) for pair in zip(own_links, rest, strict=True)], pool)


def _wall_centre(part: PerfusionSlice, centre_px: np.ndarray) -> np.ndarray:
    m = part.lps_from_index
    return centre_px[0] * m[:3, 0] + centre_px[1] * m[:3, 1] + m[:3, 3]


def _territories(
    heart: CtHeart,
    model: RadialModel,
    tree: tuple[TreeBranch, ...] | None,
    upslope: np.ndarray,
    pixels: WallPixels,
) -> tuple[Territories | None, tuple[Lesion, ...], tuple[Defect, ...], float, tuple[str, ...]]:
    if tree is None:
        return None, (), (), remote_upslope(upslope, []), ("TREE_INCOMPLETE",)
    paths = WallPaths(heart)
    found = territories(paths, tree)
    if not (found.vessel > 0).any():
        raise InputError("the coronaries do not touch the left ventricle; are they in LPS mm of this CT?")
    flags: list[str] = []
    feeding = {part.vessel for part, mask in zip(tree, found.sources, strict=True) if mask.any()}
    if not all(vessel in {part.vessel for part in tree} for vessel in VESSELS) or len(feeding) < 2:
        flags.append("TREE_INCOMPLETE")
    if not any(np.isfinite(part.branch.radius_mm).any() for part in tree):
        flags.append("TREE_INCOMPLETE")
    stenoses = find_stenoses(tree)
    walls = [subtended(paths, tree, found, stenosis.branch, stenosis.point) for stenosis in stenoses]
    lesions, defects, remote = judge(
        heart, found, pixels, upslope, stenoses, walls, model.frame.segments(found.points_mm)
    )
    for lesion in lesions:
        if lesion.verdict == "shared" or (found.shared & lesion.wall).sum() > _WIDE_SHARED * max(
            int(lesion.wall.sum()), 1
        ):
            flags.append("TERRITORY_SHARED")
        flags += [_FLAG_OF_DOUBT[doubt] for doubt in lesion.doubts]
    return found, lesions, defects, remote, tuple(flags)


def _segments(
    model: RadialModel,
    stress: Mapping[int, SegmentPerfusion],
    rest: Mapping[int, SegmentPerfusion] | None,
    found: Territories | None,
    points: np.ndarray,
) -> dict[int, SegmentFusion]:
    number = model.frame.segments(points)
    table = {}
    for segment in range(1, 18):
        territory, share = None, None
        if found is not None:
            counts = np.bincount(found.vessel[number == segment], minlength=4)[1:]
            if counts.sum():
                territory, share = VESSELS[int(counts.argmax())], float(counts.max() / counts.sum())
        own, other = stress[segment].relative_upslope, rest[segment].relative_upslope if rest else None
        table[segment] = SegmentFusion(
            stress=stress[segment],
            reserve=own / other if own is not None and other else None,
            territory=territory,
            territory_share=share,
            aha_default=AHA_DEFAULT[segment],
        )
    return table


def _registration_flags(
    place: StackPlace,
    links: tuple[SliceLink, ...],
    dice: list[float],
    registered: list[float],
    frame_flags: tuple[str, ...],
) -> tuple[str, ...]:
    flags = []
    outside = any(link.level < 0.02 or link.level > 1.02 for link in links)
    doubtful = (
        place.cost > _DOUBTFUL_COST
        or float(np.mean(registered)) < _DOUBTFUL_DICE
        or place.turn_deg > _FAR_TURN_DEG
        or place.level_sd > _DOUBTFUL_LEVEL_SD
        or outside
        or "RV_UNKNOWN" in frame_flags
    )
    if doubtful:
        flags.append("REGISTRATION_DOUBTFUL")
    if float(np.mean(dice)) < _PHASE_DICE:
        flags.append("PHASE_MISMATCH")
    if len(links) < 3:
        flags.append("FEW_SLICES")
    return tuple(flags)
