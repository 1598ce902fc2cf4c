"""What may be drawn on a frame: the one place that says `valid`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from guidance_app.live.evidence import LIMITS as EVIDENCE_LIMITS
from guidance_app.live.evidence import Evidence, EvidenceLimits
from guidance_app.live.guidance import Overlay, OverlayState
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.source_watch import PictureFault


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayLimits:
    """How old an overlay may be against the frame it is drawn on.

    Args:
        valid_ms: up to here it counts as the frame's own (users of such systems notice from about 105 ms on).
        drawn_ms: up to here it is drawn but marked as old; beyond, or on a changed view, it is hidden.
        drawn_frames: slow series (2 to 4 frames a second) may keep the last frame's overlay, marked, this long.
        held_ms: so long a picture that no newer one follows (last image hold, lost signal, frozen source) keeps its
            overlay, marked. It is read for a moment; later nobody should find model and picture that look alive.
        evidence: how long what spoke for the pose holds.
    """

    valid_ms: float = 250.0
    drawn_ms: float = 500.0
    drawn_frames: float = 1.25
    held_ms: float = 30_000.0
    evidence: EvidenceLimits = EVIDENCE_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComputedOverlay:
    """An overlay and when the frame arrived that it was computed for (monotonic clock)."""

    overlay: Overlay
    frame_received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlayDecision:
    """`overlay` is None exactly when `state` is hidden; `reason` is "" exactly when it is valid."""

    state: OverlayState
    overlay: Overlay | None
    age_ms: float | None
    reason: str


def decide_overlay(
    frame: Frame,
    computed: ComputedOverlay | None,
    situation: Situation,
    *,
    engine_up: bool,
    picture_fault: PictureFault | None = None,
    limits: OverlayLimits,
) -> OverlayDecision:
    """Judge the newest overlay against the frame on the screen.

    Args:
        picture_fault: why the picture itself is not current (no signal, frozen), None when it is.
    """
    if not engine_up:
        return _hidden("guidance engine is down: restarting")
    if frame.geometry is None:
        return _hidden(frame.geometry_reason or "the picture does not state its geometry")
    if not _pixel_size_known(frame.geometry):
        return _hidden("the pixel size is unknown")
    if frame.geometry.shape_px != frame.shape_px:
        return _hidden("the picture has another size than its geometry states")
    if situation.state not in ("accepted", "proposed"):
        return _hidden(situation.reason or f"registration {situation.state}")
    if situation.checked_geometry is None or not frame.geometry.continues(situation.checked_geometry):
        return _hidden("the view changed: the pose waits for a check")
    if computed is None or computed.overlay.generation != situation.generation:
        return _hidden(situation.reason or "waiting for the first overlay of this pose")
    if not frame.geometry.continues(computed.overlay.geometry):
        return _hidden("the view changed: the overlay belongs to another one")
    age_ms = (frame.received_ns - computed.frame_received_ns) / 1e6
    drawn_ms = max(limits.drawn_ms, limits.drawn_frames * (frame.frame_time_ms or 0.0))
    if age_ms < 0.0 or age_ms > drawn_ms:
        return _hidden(f"overlay is too old ({age_ms:.0f} ms)")
    if picture_fault is not None and picture_fault.held_ms > limits.held_ms:
        return _hidden(f"{picture_fault.text}: the overlay is hidden after {limits.held_ms / 1e3:.0f} s")
    evidence = computed.overlay.evidence
    since_s = age_ms / 1e3 + (0.0 if evidence is None else evidence.age_s)
    if evidence is not None and evidence.kind == "carried" and since_s > limits.evidence.carried_s:
        return _hidden(f"no picture has spoken for the pose for {since_s:.0f} s: the overlay is hidden")
    reason = situation.reason if picture_fault is None else picture_fault.text
    if not reason and age_ms > limits.valid_ms:
        reason = f"overlay is old ({age_ms:.0f} ms)"
    if not reason and situation.state != "accepted":
        reason = "registration proposed: check it and accept"
    reason = reason or _unconfirmed(evidence, since_s, limits.evidence)
    return OverlayDecision(state="stale" if reason else "valid", overlay=computed.overlay, age_ms=age_ms, reason=reason)


def _unconfirmed(evidence: Evidence | None, since_s: float, limits: EvidenceLimits) -> str:
    """Why the picture does not bear the pose out; "" where it does."""
    if evidence is None:
        return "not checked on this picture"
    if evidence.kind == "carried":
        return f"CARRIED - last confirmed {since_s:.1f} s ago"
    if evidence.kind == "anatomy" and since_s > limits.anatomy_s:
        return f"held by the bones alone for {since_s:.0f} s: confirm it with contrast"
    # What is drawn on a later frame than its own has aged with it; `valid_ms` limits that already.
    if evidence.kind == "vessel" and evidence.age_s > limits.vessel_s:
        return f"CARRIED - last confirmed {since_s:.1f} s ago"
    return ""


def _hidden(reason: str) -> OverlayDecision:
    return OverlayDecision(state="hidden", overlay=None, age_ms=None, reason=reason)


def _pixel_size_known(geometry: CArmGeometry) -> bool:
    sizes = (geometry.column_spacing_mm, geometry.row_spacing_mm, geometry.sid_mm, geometry.sod_mm)
    return all(math.isfinite(size) and size > 0.0 for size in sizes)
