"""What each examination tells by itself, before CT and CMR meet: heart and tree, motion, walls and curves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool

from engines.anatomy.vessel_model import CtVolume
from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.coronaries.ct_tree import tree_of_ct
from engines.cmr.heart.ct_heart import CtHeart, heart_on_grid
from engines.cmr.heart.lv_frame import LvFrame, frame_from_masks
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion, measure_slices
from engines.cmr.reading.coronaries import CoronaryBranch
from engines.cmr.series import PerfusionSeries, PerfusionSlice

Progress = Callable[[str, float], None]
CoronarySource = Literal["given", "found_in_ct", "none"]


def silent(_text: str, _share: float) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Args:
    frame: of the left ventricle, from its masks.
    branches: coronaries as drawn, or as found in the CT; None where there are none.
    coronaries: where they come from.
    slices, rest: measured slices of stress and rest; some may be left out.
    flags: of series, heart, frame, and slices left out.
    frame_flags: those of the frame alone.
    saturation_time_ms: of the series; None where unknown.
    """

    heart: CtHeart
    frame: LvFrame
    branches: tuple[CoronaryBranch, ...] | None
    coronaries: CoronarySource
    slices: tuple[SlicePerfusion, ...]
    rest: tuple[SlicePerfusion, ...]
    flags: tuple[str, ...]
    frame_flags: tuple[str, ...]
    saturation_time_ms: float | None
    seconds: Mapping[str, float]


class Clock:
    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def measure_case(
    ct: CtVolume,
    masks: Mapping[str, Bool[np.ndarray, "i j k"]] | None,
    branches: Sequence[CoronaryBranch] | None,
    series: PerfusionSeries,
    say: Progress = silent,
    arms: Arms = DEFAULT,
    *,
    before: Measured | None = None,
) -> Measured:
    """Measure CT and CMR; coronaries that were not given are looked for in the CT.

    Args:
        before: the same case with other coronaries, whose slices are kept.

    Raises:
        InputError: no heart, or no first pass.
    """
    clock = Clock(before.seconds if before is not None else None)
    say("heart in CT", 0.0)
    masks, heart = _heart(ct, masks, arms)
    frame, frame_flags = frame_from_masks(heart)
    clock.stage("heart")
    source: CoronarySource = "given"
    if not branches:
        say("coronaries in CT", 0.05)
        branches = tree_of_ct(ct, masks, heart, frame)
        source = "found_in_ct" if branches else "none"
        clock.stage("coronaries")
    if before is None:
        slices, lost = _measured(series.stress, say, 0.1, 0.35, arms)
        rest, lost_rest = _measured(series.rest, say, 0.45, 0.25, arms)
        left_out = bool(lost or lost_rest)
        clock.stage("motion, wall and curves")
    else:
        slices, rest, left_out = before.slices, before.rest, "SLICE_LEFT_OUT" in before.flags
    return Measured(
        heart=heart,
        frame=frame,
        branches=tuple(branches) if branches else None,
        coronaries=source,
        slices=slices,
        rest=rest,
        flags=(*series.flags, *(("SLICE_LEFT_OUT",) if left_out else ()), *heart.flags, *frame_flags),
        frame_flags=frame_flags,
        saturation_time_ms=series.saturation_time_ms,
        seconds=clock.seconds,
    )


def _heart(
    ct: CtVolume, masks: Mapping[str, Bool[np.ndarray, "i j k"]] | None, arms: Arms
) -> tuple[Mapping[str, Bool[np.ndarray, "i j k"]], CtHeart]:
    """The masks on the grid of the CT, and the heart on the working one."""
    if masks is not None:
        return masks, heart_on_grid(ct, masks)
    from engines.cmr.heart.ct_segmentation import segment_heart

    found, flags = segment_heart(ct, start=arms.heart)
    return found, heart_on_grid(ct, found, flags)


def _measured(
    parts: tuple[PerfusionSlice, ...], say: Progress, start: float, share: float, arms: Arms
) -> tuple[tuple[SlicePerfusion, ...], tuple[str, ...]]:
    if not parts:
        return (), ()
    return measure_slices(
        parts, lambda part: say(f"slice {part.name}", start + share * parts.index(part) / len(parts)),
        wall=arms.wall, still=arms.motion == "none",
    )  # fmt: skip
