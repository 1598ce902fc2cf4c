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
from guidance_app.live.reason import Reason, ReasonCode
from guidance_app.live.session.source_watch import PictureFault

_ALL_WELL = Reason(code="none", text="")


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
    """`overlay` is None exactly when `state` is hidden; `reason` is "" and `why` "none" exactly when it is valid."""

    state: OverlayState
    overlay: Overlay | None
    age_ms: float | None
    why: Reason

    @property
    def reason(self) -> str:
        return self.why.text


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
        return _hidden("engine_down", "guidance engine is down: restarting")
    if frame.geometry is None:
        return _hidden("no_geometry", frame.geometry_reason or "the picture does not state its geometry")
    if not _pixel_size_known(frame.geometry):
        return _hidden("no_pixel_size", "the pixel size is unknown")
    if frame.geometry.shape_px != frame.shape_px:
        return _hidden("other_size", "the picture has another size than its geometry states")
    if situation.state not in ("accepted", "proposed"):
        return _hidden(situation.why, situation.reason or f"registration {situation.state}")
    if situation.checked_geometry is None or not frame.geometry.continues(situation.checked_geometry):
        return _hidden("view_changed", "the view changed: the pose waits for a check")
    if computed is None or computed.overlay.generation != situation.generation:
        code: ReasonCode = situation.why if situation.reason else "no_overlay_yet"
        return _hidden(code, situation.reason or "waiting for the first overlay of this pose")
    if not frame.geometry.continues(computed.overlay.geometry):
        return _hidden("view_changed", "the view changed: the overlay belongs to another one")
    age_ms = (frame.received_ns - computed.frame_received_ns) / 1e6
    drawn_ms = max(limits.drawn_ms, limits.drawn_frames * (frame.frame_time_ms or 0.0))
    if age_ms < 0.0 or age_ms > drawn_ms:
        return _hidden("too_old", f"overlay is too old ({age_ms:.0f} ms)", age_ms / 1e3)
    if picture_fault is not None and picture_fault.held_ms > limits.held_ms:
        held_s = picture_fault.held_ms / 1e3
        text = f"{picture_fault.text}: the overlay is hidden after {limits.held_ms / 1e3:.0f} s"
        return _hidden("held_too_long", text, held_s)
    evidence = computed.overlay.evidence
    since_s = age_ms / 1e3 + (0.0 if evidence is None else evidence.age_s)
    # What a person is to decide on is drawn as unverified whatever speaks for it, for as long as that takes.
    asked = situation.by_hand or situation.why == "came_back"
    carried = evidence is not None and evidence.kind == "carried" and not asked
    if carried and since_s > limits.evidence.carried_s:
        text = f"no picture has spoken for the pose for {since_s:.0f} s: the overlay is hidden"
        return _hidden("carried_too_long", text, since_s)
    why = _doubt(situation, picture_fault, age_ms, limits) or _unconfirmed(evidence, since_s, limits.evidence)
    return OverlayDecision(
        state="stale" if why else "valid", overlay=computed.overlay, age_ms=age_ms, why=why or _ALL_WELL
    )


def _doubt(
    situation: Situation, picture_fault: PictureFault | None, age_ms: float, limits: OverlayLimits
) -> Reason | None:
    """Why the overlay is only drawn marked, whatever its own picture says for the pose."""
    if picture_fault is not None:
        return Reason(code="picture_fault", text=picture_fault.text, figure_s=picture_fault.held_ms / 1e3)
    if situation.reason:
        return Reason(code=situation.why, text=situation.reason)
    if age_ms > limits.valid_ms:
        return Reason(code="old", text=f"overlay is old ({age_ms:.0f} ms)", figure_s=age_ms / 1e3)
    if situation.state != "accepted":
        return Reason(code="proposed", text="registration proposed: check it and accept")
    return None


def _unconfirmed(evidence: Evidence | None, since_s: float, limits: EvidenceLimits) -> Reason | None:
    """Why the picture does not bear the pose out; None where it does."""
    if evidence is None:
        return Reason(code="unchecked", text="not checked on this picture")
    carried = Reason(code="carried", text=f"CARRIED - last confirmed {since_s:.1f} s ago", figure_s=since_s)
    if evidence.kind == "carried":
        return carried
    if evidence.kind == "anatomy" and since_s > limits.anatomy_s:
        text = f"held by the bones alone for {since_s:.0f} s: confirm it with contrast"
        return Reason(code="bones_too_long", text=text, figure_s=since_s)
    # What is drawn on a later frame than its own has aged with it; `valid_ms` limits that already.
    if evidence.kind == "vessel" and evidence.age_s > limits.vessel_s:
        return carried
    return None


def _hidden(code: ReasonCode, text: str, figure_s: float | None = None) -> OverlayDecision:
    return OverlayDecision(
        state="hidden", overlay=None, age_ms=None, why=Reason(code=code, text=text, figure_s=figure_s)
    )


def _pixel_size_known(geometry: CArmGeometry) -> bool:
    sizes = (geometry.column_spacing_mm, geometry.row_spacing_mm, geometry.sid_mm, geometry.sod_mm)
    return all(math.isfinite(size) and size > 0.0 for size in sizes)
