"""The confidence and status of a pose that another method found: the same judgement as for our own poses.

Our search runs too, but it moves nothing: the poses that it finds are the rivals of the pose that is judged. The
confidence model was fitted on poses of our own search, so its figure is less exact for poses of other methods.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.alignment.cold_start import cold_start
from engines.registration.confidence import judge
from engines.registration.engine import LOST_MM, MIN_VESSEL_MM, cold_features, depth_sigma_mm, reasons, registered_views
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.rendered_result import judged_by_rendering
from engines.registration.initial_pose import InitialPose
from engines.registration.options import RegistrationOptions
from engines.registration.registration import Registration, RegistrationBackend, Stage
from engines.registration.view import RegistrationView
from engines.registration.view_pair import check_views, table_sigma_mm


def judged_pose(
    pose: RigidPose,
    views: Sequence[RegistrationView],
    model: VesselModel,
    *,
    init: InitialPose,
    case_id: str,
    stages: Sequence[Stage],
    seconds: float,
    backend: RegistrationBackend,
) -> Registration:
    """The registration that a method's pose makes.

    Args:
        pose: isocentre_from_lps as the method found it; it is not moved.
        init: the method's start; a pose far from it is less credible.
        stages, seconds: of the method; the judgement is added as a stage of its own and to the time.

    Raises:
        InputError: the views do not belong together.
    """
    began = time.perf_counter()
    check_views(views)

    def registration(status, confidence, error_mm, sigma_mm, said, shifts_mm) -> Registration:
        judging_ms = 1e3 * (time.perf_counter() - began)
        return Registration(
            case=case_id, views=registered_views(views, pose, shifts_mm), isocentre_from_lps=pose, status=status,
            confidence=confidence, expected_error_mm=error_mm, depth_sigma_mm=sigma_mm, reasons=tuple(said),
            stages=(*stages, Stage(name="judgement", similarity=confidence, elapsed_ms=judging_ms)),
            elapsed_ms=1e3 * seconds + judging_ms, backend=backend,
        )  # fmt: skip

    still = np.zeros((len(views), 3))
    try:
        prepared = PreparedModel.of(model, branch_classes=views[0].branch_classes)
    except InputError as error:
        # A mesh alone can be matched by some methods, but not judged.
        return registration("rejected", 0.0, LOST_MM, init.depth_mm, [f"cannot be judged: {error}"], still)
    ready = [prepare_view(view, edges=prepared.has_thick) for view in views]
    prior = init.prior(prepared, len(views), table_sigma_mm(views, RegistrationOptions()))
    state = RigidState.of(pose, prepared, len(views))
    empty = [view.file for view, features in zip(views, ready, strict=True) if features.length_mm < MIN_VESSEL_MM]
    found = None if empty else cold_start(prepared, ready, prior, held=state)
    if found is None:
        said = [f"no contrast-filled vessel to judge the pose by in {', '.join(empty) or views[0].file}"]
        return registration("rejected", 0.0, LOST_MM, prior.depth_mm, said, still)
    rendered = judged_by_rendering(found, prepared, views, ready, prior, held=True)
    if rendered is not None:
        verdict, said = rendered.verdict, rendered.reasons
    else:
        sigma_mm = depth_sigma_mm(found.alignment)
        features = cold_features(found, ready, prior)
        verdict = judge(features, "cold", sigma_mm)
        said = reasons(found.agreement, features, verdict.confidence, verdict.status)
    return registration(
        verdict.status, verdict.confidence, verdict.expected_error_mm, verdict.depth_sigma_mm, said, state.shifts_mm
    )


def with_stages(found: Registration, stages: Sequence[Stage], seconds: float, case_id: str) -> Registration:
    """A registration of our own search, with the stages that came before it."""
    return replace(found, case=case_id, stages=tuple(stages), elapsed_ms=1e3 * seconds)
