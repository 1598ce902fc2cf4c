"""CT and CMR laid onto each other, and the perfusion that follows for the CT's wall and for the segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.coronaries.region_test import WallPixels
from engines.cmr.correcting.corrections import NONE, Corrections
from engines.cmr.fusion.elastic import SliceLink, link_slices, wall_dice
from engines.cmr.fusion.rigid import StackPlace, place_stack
from engines.cmr.fusion.transport import places_in_ct, upslope_on_wall
from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.heart.radial_model import RadialModel, radial_model
from engines.cmr.measured import Clock, Measured, Progress, silent
from engines.cmr.perfusion.blood_flow import FlowModel, flow_model, known
from engines.cmr.perfusion.segments import SegmentPerfusion, segment_table
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion, with_wall
from engines.cmr.perfusion.study_flags import study_flags
from engines.cmr.series import PerfusionSlice

_DOUBTFUL_COST = 0.9
_DOUBTFUL_DICE = 0.80
_PHASE_DICE = 0.45
_FAR_TURN_DEG = 15.0
_DOUBTFUL_LEVEL_SD = 0.07


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registered:
    """Args:
    place: before any slice was moved by hand.
    points_mm: (n, 3) LPS of the wall's voxels on the working grid; `upslope` is theirs.
    pool_per_s: upslope of the LV pool that shares are taken of.
    rest: None without rest.
    no_flow: in words why stress, and why rest, has no blood flow; empty where it has.
    flags: all but those of the tree.
    """

    model: RadialModel
    place: StackPlace
    slices: tuple[SlicePerfusion, ...]
    links: tuple[SliceLink, ...]
    pool_per_s: float
    points_mm: Float[np.ndarray, "n 3"]
    upslope: Float[np.ndarray, " n"]
    stress: Mapping[int, SegmentPerfusion]
    rest: Mapping[int, SegmentPerfusion] | None
    no_flow: Mapping[str, str]
    pixels: WallPixels
    dice_reoriented: float
    dice_registered: float
    flags: tuple[str, ...]
    seconds: Mapping[str, float]


def register_case(
    measured: Measured, say: Progress = silent, arms: Arms = DEFAULT, *, corrections: Corrections = NONE,
    before: Registered | None = None,
) -> Registered:  # fmt: skip
    """Lay the slices onto the heart.

    Args:
        before: the registration that corrections start from; its rigid move is kept.

    Raises:
        InputError: no slice lies on the left ventricle, or a drawn pool does not brighten.
    """
    clock = Clock()
    heart = measured.heart
    frame = measured.frame
    if arms.reorient == "stn":
        from engines.cmr.heart.learned_frame import frame_by_network

        frame = frame_by_network(heart, frame)
    frame = corrections.frame(frame)
    same = before is not None and _same(before.model.frame, frame)
    model = before.model if before is not None and same else radial_model(heart, frame)
    slices = tuple(
        with_wall(part, corrections.walls[k].wall, corrections.walls[k].pool) if k in corrections.walls else part
        for k, part in enumerate(measured.slices)
    )
    say("registration", 0.72)
    stress, walls = tuple(part.part for part in slices), tuple(part.wall for part in slices)
    place = before.place if before is not None else place_stack(model, stress, walls)
    moved = corrections.place(place, frame)
    links = _links(heart, model, slices, moved, arms)
    if not any(-0.1 < link.level < 1.1 for link in links):
        raise InputError("no stress slice lies on the left ventricle of the CT; are CT and CMR of one patient?")
    dice = [wall_dice(heart, model, link, moved.ct_from_cmr, elastic=False) for link in links]
    registered = [wall_dice(heart, model, link, np.linalg.inv(link.cmr_from_ct), elastic=True) for link in links]
    clock.stage("registration")
    say("perfusion on the CT", 0.8)
    basal = _basal(links, slices)
    pool = basal.pool.upslope_per_s
    flows = {"stress": flow_model(slices, basal, measured.saturation_time_ms)}
    points = heart.points_mm(heart.masks["lv_wall"])
    stress_table = segment_table(
        slices, [places_in_ct(model, *pair) for pair in zip(links, slices, strict=True)], pool, known(flows["stress"])
    )
    rest_table, flows["rest"] = _rest_table(model, moved, links, measured.rest, measured.saturation_time_ms)
    upslope = upslope_on_wall(model, links, slices, pool, points)
    clock.stage("perfusion")
    return Registered(
        model=model,
        place=place,
        slices=slices,
        links=links,
        pool_per_s=pool,
        points_mm=points,
        upslope=upslope,
        stress=stress_table,
        rest=rest_table,
        no_flow={kind: reason for kind, reason in flows.items() if isinstance(reason, str)},
        pixels=WallPixels(model, links, slices, points, pool),
        dice_reoriented=float(np.mean(dice)),
        dice_registered=float(np.mean(registered)),
        flags=(
            *study_flags(slices, measured.rest, stress_table, rest_table),
            *_registration_flags(moved, links, dice, registered, measured.frame_flags),
        ),
        seconds=clock.seconds,
    )


def _same(a: LvFrame, b: LvFrame) -> bool:
    return bool(
        (a.apex_mm == b.apex_mm).all() and (a.mitral_mm == b.mitral_mm).all() and np.allclose(a.right, b.right)
        and np.isclose(a.anterior_rad, b.anterior_rad)
    )  # fmt: skip


def _links(
    heart: CtHeart, model: RadialModel, slices: tuple[SlicePerfusion, ...], place: StackPlace, arms: Arms
) -> tuple[SliceLink, ...]:
    links = link_slices(model, tuple(part.part for part in slices), tuple(part.wall for part in slices), place)
    if arms.nonrigid == "radial":
        return links
    from engines.cmr.fusion.learned_field import link_by_network

    return tuple(link_by_network(heart, model, link, part) for link, part in zip(links, slices, strict=True))


def _rest_table(
    model: RadialModel,
    place: StackPlace,
    links: tuple[SliceLink, ...],
    rest: tuple[SlicePerfusion, ...],
    saturation_time_ms: float | None,
) -> tuple[dict[int, SegmentPerfusion] | None, FlowModel | str]:
    """Rest lies where stress lies, but for its own breath-holds: each slice is centred on its stress neighbour."""
    if not rest:
        return None, "no rest was given"
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
    moved = replace(place, slice_shift_mm=np.array(shifts))
    own_links = link_slices(model, tuple(part.part for part in rest), tuple(part.wall for part in rest), moved)
    basal = _basal(own_links, rest)
    flow = flow_model(rest, basal, saturation_time_ms)
    places = [places_in_ct(model, *pair) for pair in zip(own_links, rest, strict=True)]
    return segment_table(rest, places, basal.pool.upslope_per_s, known(flow)), flow


def _basal(links: tuple[SliceLink, ...], slices: tuple[SlicePerfusion, ...]) -> SlicePerfusion:
    """The slice nearest to the base, whose pool is the widest."""
    return max(zip(links, slices, strict=True), key=lambda pair: min(pair[0].level, 0.9))[1]


def _wall_centre(part: PerfusionSlice, centre_px: np.ndarray) -> np.ndarray:
    m = part.lps_from_index
    return centre_px[0] * m[:3, 0] + centre_px[1] * m[:3, 1] + m[:3, 3]


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
