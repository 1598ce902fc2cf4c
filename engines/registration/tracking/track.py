"""Tracking: find the pose of the next frame from the last pose."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.alignment.agreement import Agreement, agreement
from engines.registration.alignment.cold_start import apart_mm, prior_distance
from engines.registration.alignment.levenberg_marquardt import Alignment, PosePrior, align
from engines.registration.confidence import ConfidenceFeatures, judge
from engines.registration.engine import depth_sigma_mm, reasons
from engines.registration.features.image_features import MAX_SIZE_PX, PreparedView, prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.registration import (
    RegisteredView,
    Registration,
    RegistrationBackend,
    RegistrationStatus,
    Stage,
)
from engines.registration.tracking.filled_tree import FollowedModel
from engines.registration.view import RegistrationView

MAX_JUMP_MM = 8.0  # largest move in the isocentre plane; a heart moves about 10 mm in a beat of 10 frames
_MIN_VESSEL_MM = 25.0
_SCALES_MM = (4.0, 2.0, 1.0)
_ITERATIONS = 4
_IMAGE_POINTS = 280
# Edges of thick vessels are equally exact on the network's own grid of 256 px. Skeletons of thin vessels are not:
# coronaries lose a tenth of a millimetre there.
_THICK_SIZE_PX = 320
FORGET = 0.5  # share of the new frame in the confidence
_UNSEEN_DECAY = 0.9


def track(
    view: RegistrationView,
    model: FollowedModel | PreparedModel | VesselModel,
    previous: Registration,
    *,
    ready: PreparedView | None = None,
) -> Registration:
    """Follow the patient into the next frame, with a few iterations from the last pose.

    Pass a `FollowedModel`, made once, on the live path, and `ready` (from `prepare_to_track`) where the view is
    prepared already. The status never rises above what this frame supports: an unfilled frame keeps the pose as
    `caution`, a jump beyond 8 mm keeps it as `rejected`, so that a cold start follows.

    Raises:
        InputError: the model has no branches of the classes that the view shows.
    """
    began = time.perf_counter()
    if isinstance(model, VesselModel):
        model = PreparedModel.of(model, branch_classes=view.branch_classes)
    followed = model if isinstance(model, FollowedModel) else FollowedModel(model)
    ready = (ready or prepare_to_track(view, followed.prepared)).thinned(_IMAGE_POINTS)
    seen = time.perf_counter()
    if ready.length_mm < _MIN_VESSEL_MM:
        faded = previous.confidence * _UNSEEN_DECAY
        return kept(view, previous, began, "caution", faded, "no contrast-filled vessel in this frame; pose kept")
    last = RigidState.of(previous.isocentre_from_lps, followed.prepared)
    small = followed.filled(last, ready)
    prior = tracking_prior(last)
    found = align(last, small, [ready], prior, scales_mm=_SCALES_MM, iterations=_ITERATIONS)
    judged = agreement(found.state, small, [ready])
    followed.fitted(judged.score)
    moved_mm = apart_mm(found.state, last, small, [ready])
    if moved_mm > MAX_JUMP_MM:
        return kept(
            view, previous, began, "rejected", 0.0, f"the model jumped {moved_mm:.0f} mm in one frame; register again"
        )
    features = warm_features(judged, found, [ready], prior)
    verdict = judge(features, "warm", depth_sigma_mm(found))
    confidence = (1 - FORGET) * previous.confidence + FORGET * verdict.confidence
    status = verdict.status if previous.status != "rejected" else "rejected"
    pose = found.state.pose(small)
    done = time.perf_counter()
    return replace(
        previous,
        views=one_view(view, pose),
        isocentre_from_lps=pose,
        status=status,
        confidence=confidence,
        expected_error_mm=verdict.expected_error_mm,
        depth_sigma_mm=verdict.depth_sigma_mm,
        reasons=reasons(judged, features, verdict.confidence, status),
        stages=(
            Stage(name="features", similarity=1.0, elapsed_ms=1e3 * (seen - began)),
            Stage(name="track", similarity=judged.score, elapsed_ms=1e3 * (done - seen)),
        ),
        elapsed_ms=1e3 * (done - began),
        backend=RegistrationBackend(
            render="centerline matching", inference=previous.backend.inference, device=previous.backend.device
        ),
    )


def prepare_to_track(view: RegistrationView, model: PreparedModel) -> PreparedView:
    """The view's features on the coarsest grid that is exact enough for tracking."""
    return prepare_view(view, edges=model.has_thick, max_size_px=_THICK_SIZE_PX if model.has_thick else MAX_SIZE_PX)


def tracking_prior(last: RigidState) -> PosePrior:
    """The prior for the motion between two frames: a heartbeat or a breath, seldom the table."""
    return PosePrior(state=last, rotation_rad=np.deg2rad(2.0), in_plane_mm=5.0, depth_mm=5.0)


def warm_features(
    judged: Agreement, found: Alignment, views: Sequence[PreparedView], prior: PosePrior
) -> ConfidenceFeatures:
    return ConfidenceFeatures(
        score=judged.score,
        image_explained=judged.image_explained,
        model_explained=judged.model_explained,
        residual_mm=judged.residual_mm,
        image_decimetres=min(judged.image_mm / 100.0, 10.0),
        basin_share=1.0,
        runner_up=0.0,
        prior_distance=min(prior_distance(found.state, views, prior), 6.0),
        depth_sigma_cm=min(depth_sigma_mm(found) / 10.0, 10.0),
        tight=judged.tight,
        edge_share=judged.edge_share,
    )


def one_view(view: RegistrationView, pose: RigidPose) -> tuple[RegisteredView, ...]:
    """The view at this pose, for a result."""
    return (
        RegisteredView(
            file=view.file,
            sop_instance_uid=view.sop_instance_uid,
            frame=view.frame,
            projection=view.geometry.projection(pose),
        ),
    )


def kept(
    view: RegistrationView,
    previous: Registration,
    began: float,
    status: RegistrationStatus,
    confidence: float,
    reason: str,
) -> Registration:
    """The last pose, with no better status than it had."""
    worse = "rejected" if "rejected" in (status, previous.status) else "caution"
    elapsed_ms = 1e3 * (time.perf_counter() - began)
    return replace(
        previous,
        views=one_view(view, previous.isocentre_from_lps),
        status=worse,
        confidence=confidence,
        reasons=(reason,),
        stages=(Stage(name="track", similarity=0.0, elapsed_ms=elapsed_ms),),
        elapsed_ms=elapsed_ms,
    )
