"""Tracking by rendering, as a registration: what `track` is for centerlines, where the picture tells its contrast."""

from __future__ import annotations

import time
from dataclasses import replace

from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_step import FilledStep, FilledTracker, prior_of_step
from engines.registration.filling.rendered_result import reasons_of
from engines.registration.registration import RENDERED, Registration, RegistrationBackend, Stage
from engines.registration.tracking.track import FORGET, MAX_JUMP_MM, kept, one_view
from engines.registration.view import RegistrationView


def track_filled(
    view: RegistrationView,
    tracker: FilledTracker,
    prepared: PreparedModel,
    previous: Registration,
    *,
    ready: PreparedView,
) -> Registration | None:
    """Follow the patient into the next frame; None where the picture does not tell what contrast darkened.

    As with `track`, the status never rises above what this frame supports.
    """
    began = time.perf_counter()
    last = RigidState.of(previous.isocentre_from_lps, prepared)
    step = tracker.step(view, ready, last, prior_of_step(last))
    if step is None:
        return None
    if step.moved_mm > MAX_JUMP_MM:
        reason = f"the model jumped {step.moved_mm:.0f} mm in one frame; register again"
        return kept(view, previous, began, "rejected", 0.0, reason)
    return _registration(view, prepared, previous, step, began)


def _registration(
    view: RegistrationView, prepared: PreparedModel, previous: Registration, step: FilledStep, began: float
) -> Registration:
    pose, verdict = step.state.pose(prepared), step.verdict
    elapsed_ms = 1e3 * (time.perf_counter() - began)
    return replace(
        previous,
        views=one_view(view, pose),
        isocentre_from_lps=pose,
        status=verdict.status if previous.status != "rejected" else "rejected",
        confidence=(1 - FORGET) * previous.confidence + FORGET * verdict.confidence,
        expected_error_mm=verdict.expected_error_mm,
        depth_sigma_mm=verdict.depth_sigma_mm,
        reasons=reasons_of(step.features, verdict),
        stages=(Stage(name="track", similarity=step.features.fine, elapsed_ms=elapsed_ms),),
        elapsed_ms=elapsed_ms,
        backend=RegistrationBackend(
            render=RENDERED, inference=previous.backend.inference, device=previous.backend.device
        ),
    )
