"""What the live path hands to the window: the only thing views read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from engines.anatomy.cases.patient_hashes import PatientMatch
from engines.angiography.frame import Frame
from guidance_app.live.evidence import Evidence
from guidance_app.live.reason import Reason

SourceState = Literal["no_signal", "live", "last_run", "frozen", "replay"]
GuidanceState = Literal["unregistered", "proposed", "accepted", "stale", "rejected"]
OverlayState = Literal["valid", "stale", "hidden"]
BranchSeen = Literal["now", "earlier", "never"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlayPath:
    """One polyline of the projected model.

    Args:
        points_px: (n, 2) column, row on the frame; NaN breaks the line.
        width_px: (n,) projected lumen diameter, NaN where unknown.
        name: branch name or "".
        closed: a border rather than a centerline.
        seen: of a branch: filled with contrast on this very frame, on an earlier one of this view, or on none. None
            where nobody has looked, as for borders.
    """

    points_px: Float[np.ndarray, "n 2"]
    width_px: Float[np.ndarray, " n"]
    name: str = ""
    closed: bool = False
    seen: BranchSeen | None = None


def length_px(paths: Iterable[OverlayPath]) -> float:
    """Of all these lines together, as far as they have finite points."""
    steps = (np.linalg.norm(np.diff(path.points_px, axis=0), axis=1) for path in paths)
    return float(sum(np.nansum(step) for step in steps))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """The projected model for ONE frame; may be painted on another only within the stated limits, and then marked.

    `geometry` is that of the frame it was computed for. `outline` is the closed border of all that it covers.
    `motion_mm` is how far it was moved from its rigid place to follow the heart, on average; None where it is rigid.
    `evidence` is what its own frame said for the pose; None where nothing was asked, which is never valid.
    `unseen_halo_px` is the halo of branches that are not seen filled now, never below `halo_px`; None where all share
    that one.
    """

    frame_index: int
    geometry: CArmGeometry
    centerlines: tuple[OverlayPath, ...]
    outline: tuple[OverlayPath, ...]
    halo_px: float
    generation: int
    motion_mm: float | None = None
    evidence: Evidence | None = None
    unseen_halo_px: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """Milliseconds a stage took for one frame; None where it did not run.

    Args:
        segment: the network.
        contrast: what of the vessels came with the bolus.
        track: the check of the pose on this frame's vessels, and the state that follows from it.
        evidence: what else speaks for the pose: the bones, where no vessels do.
        motion: the search for the motion that no rigid pose describes.
        render: all lines that are drawn.
    """

    decode: float | None = None
    segment: float | None = None
    contrast: float | None = None
    track: float | None = None
    evidence: float | None = None
    motion: float | None = None
    render: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GuidanceResult:
    """One frame's outcome.

    Args:
        frame_index: of the frame it was computed for.
        state: guidance state after this frame, with `reason` for a person.
        overlay: None unless the state allows drawing.
        vessel_outline: contours of the segmented vessels, for judging, px; named by class where it is known.
    """

    frame_index: int
    state: GuidanceState
    reason: str
    overlay: Overlay | None
    vessel_outline: tuple[OverlayPath, ...]
    confidence: float | None
    expected_error_mm: float | None
    depth_sigma_mm: float | None
    times: StageTimes
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of the registration in use; with no registration there are none."""

    confidence: float
    expected_error_mm: float
    depth_sigma_mm: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScreenState:
    """Everything one repaint needs, decided outside the window; the window only draws it.

    Args:
        frame: newest frame, None before the first.
        result: newest result; it may belong to an older frame than `frame`.
        overlay: what may be drawn on `frame` now; None when hidden.
        overlay_state: `valid`, `stale` (drawn, but marked as old) or `hidden`.
        overlay_age_ms: how much older the overlay's frame is than `frame`; None without an overlay.
        banner: one line for the logs: why there is no overlay, or what is wrong. "" when all is well.
        why: the same as a code, where guidance is the reason; None where source or engine are, which only have words.
        besides: what else a person must know, whatever guidance says.
        figures: of the registration that `guidance_state` speaks of; None without one, and where it is not current.
        patient: whether the picture is of the case's patient.
        last_run_at: wall clock at which the newest picture came, "14:02", where the source waits for another run.
        every_frame: of a recording: each frame waits for its overlay, instead of playing as it was live; None where
            there is no such choice.
        overlays_per_s: reached by a machine that cannot keep pace with the picture; None where it does.
        can_undo_reject: a person rejected a registration, and may have it back.
        frames_total: of a recording, None for a live source.
        p95_ms: 95th percentile of ingest to paint over the last seconds.
        paused: playback of a recording stands still on purpose.
        engine_loading: it is not up yet for the first time, which is no fault.
        decided_ns: monotonic clock when this state was put together; painting time counts from here.
    """

    frame: Frame | None
    result: GuidanceResult | None
    overlay: Overlay | None
    overlay_state: OverlayState
    overlay_age_ms: float | None
    source_state: SourceState
    guidance_state: GuidanceState
    engine_up: bool
    banner: str
    frames_total: int | None
    fps: float
    p95_ms: float
    paused: bool = False
    engine_loading: bool = False
    decided_ns: int = 0
    why: Reason | None = None
    besides: tuple[str, ...] = ()
    figures: Figures | None = None
    can_undo_reject: bool = False
    patient: PatientMatch = "same"
    last_run_at: str = ""
    overlays_per_s: float | None = None
    every_frame: bool | None = None
