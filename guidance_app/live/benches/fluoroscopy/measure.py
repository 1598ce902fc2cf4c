"""Drive the live pipeline through a story, and hold what it draws against where the patient is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend
from guidance_app.live import guidance_state
from guidance_app.live.benches.fluoroscopy.pictures import Shot
from guidance_app.live.engine.pipeline import Steps
from guidance_app.live.guidance_state import Situation
from guidance_app.live.session.overlay_rule import ComputedOverlay, OverlayLimits, decide_overlay


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a person saw on one frame.

    Args:
        error_mm: true mean projection error of the drawn pose in the isocentre plane; None where nothing was drawn.
        left_mm: what that error would be had the pose stayed where it was when contrast left.
        halo_mm: the stated error that was drawn.
    """

    instant: int
    valid: bool
    evidence: str
    error_mm: float | None
    left_mm: float
    halo_mm: float | None
    evidence_ms: float | None


def shown_of(steps: Steps, shots: Sequence[Shot], points_lps_mm: Float[np.ndarray, "n 3"]) -> list[Shown]:
    """Every frame of the story after the contrast. Guidance begins with the true pose, which the vessels track."""
    first = shots[0].frame.geometry
    assert first is not None
    situation = guidance_state.started_from(_registration(first, shots[0].isocentre_from_lps), first)
    limits, held, found = OverlayLimits(), None, []
    for shot in shots:
        outcome = steps.step(shot.frame, situation)
        situation, overlay = outcome.situation, outcome.result.overlay
        if outcome.cold_start is not None:
            situation = _not_answered(situation)
        geometry = shot.frame.geometry
        assert geometry is not None
        if shot.instant is None:
            held = None if situation.registration is None else situation.registration.isocentre_from_lps
            continue
        computed = None
        if overlay is not None:
            computed = ComputedOverlay(overlay=overlay, frame_received_ns=shot.frame.received_ns)
        decision = decide_overlay(shot.frame, computed, situation, engine_up=True, limits=limits)
        drawn = decision.overlay is not None and situation.registration is not None
        pose = situation.registration.isocentre_from_lps if drawn and situation.registration is not None else None
        found.append(
            Shown(
                instant=shot.instant,
                valid=decision.state == "valid",
                evidence="" if overlay is None or overlay.evidence is None else overlay.evidence.kind,
                error_mm=None if pose is None else error_mm(geometry, pose, shot.isocentre_from_lps, points_lps_mm),
                left_mm=np.inf if held is None else error_mm(geometry, held, shot.isocentre_from_lps, points_lps_mm),
                halo_mm=None if overlay is None else overlay.halo_px * geometry.isocentre_mm_per_px,
                evidence_ms=outcome.result.times.evidence,
            )
        )
    return found


def error_mm(
    geometry: CArmGeometry, pose: RigidPose, truth: RigidPose, points_lps_mm: Float[np.ndarray, "n 3"]
) -> float:
    """Mean distance in the isocentre plane between the points projected with both poses."""
    here, there = (geometry.projection(each).project(points_lps_mm)[0] for each in (pose, truth))
    return float(np.linalg.norm(here - there, axis=1).mean() * geometry.isocentre_mm_per_px)


def _not_answered(situation: Situation) -> Situation:
    """A search from scratch would take seconds and contrast; here it finds nothing."""
    return guidance_state.registration_failed(situation, "not searched in this measurement", situation.generation)


def _registration(view: CArmGeometry, pose: RigidPose) -> Registration:
    seen = RegisteredView(file="simulated", sop_instance_uid="", frame=0, projection=view.projection(pose))
    return Registration(
        case="simulated", views=(seen,), isocentre_from_lps=pose, status="accepted", confidence=1.0,
        expected_error_mm=1.0, depth_sigma_mm=5.0, reasons=(), stages=(), elapsed_ms=0.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
    )  # fmt: skip
