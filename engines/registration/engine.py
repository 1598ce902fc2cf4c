"""Register a vessel model to one view, or to two jointly; the result is a pose with a confidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CtVolume, VesselModel
from engines.registration.alignment.agreement import Agreement, agreement
from engines.registration.alignment.cold_start import ColdStart, Proposer, cold_start, prior_distance
from engines.registration.alignment.levenberg_marquardt import SCALES, Alignment, PosePrior
from engines.registration.alignment.sharpness import sharpness
from engines.registration.confidence import RIVAL, ConfidenceFeatures, Verdict, is_ambiguous, judge
from engines.registration.features.image_features import PreparedView, prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.rendered_result import RenderedResult, is_rendered, judged_by_rendering
from engines.registration.initial_pose import InitialPose, radiological_start
from engines.registration.options import RegistrationOptions
from engines.registration.progress import Between, go_on
from engines.registration.registration import RENDERED, RegisteredView, Registration, RegistrationBackend, Stage
from engines.registration.view import RegistrationView
from engines.registration.view_pair import check_views, table_sigma_mm

MIN_VESSEL_MM = 25.0  # least length of segmented vessel; a shorter piece fits anywhere
_MIN_VISIBLE_SHARE = 0.03
LOST_MM = 50.0  # stated error of a pose without any evidence


def register(
    views: Sequence[RegistrationView],
    model: VesselModel,
    *,
    case_id: str,
    init: InitialPose | None = None,
    options: RegistrationOptions | None = None,
    ct: CtVolume | None = None,  # noqa: ARG001 - the vessels' own volume serves the renderer; kept for a CT of bone
    prepared: PreparedModel | None = None,
    between: Between = go_on,
) -> Registration:
    """Find `isocentre_from_lps` so that the model projects onto the vessels of every view.

    A picture without filled vessels, or one that the model does not explain, gives a result with status `rejected`
    and the reason; it is not an error.

    Args:
        views: one, or two of the same patient at different angles.
        model: needs centerlines.
        init: None takes `radiological_start()`.
        ct: not used yet; the refinement renders the vessel model itself.
        prepared: `model` with the branches that the views show, where it has been prepared already.
        between: is called between the stages; what it raises ends the search.

    Raises:
        InputError: no view or more than two, different frames of reference, a model without matching centerlines, or
            a model that falls outside the picture at every pose near the start.
    """
    options = options or RegistrationOptions()
    if options.ask_network:
        # Imported here because it loads a runtime: once per process, only if needed, and not in the measured time.
        import engines.registration.networks.network_proposal  # noqa: F401
    began = time.perf_counter()
    init = init or radiological_start()
    check_views(views)
    prepared = prepared or PreparedModel.of(model, branch_classes=views[0].branch_classes)
    ready = [prepare_view(view, edges=prepared.has_thick) for view in views]
    prior = init.prior(prepared, len(views), table_sigma_mm(views, options))
    stages = [Stage(name="features", similarity=1.0, elapsed_ms=1e3 * (time.perf_counter() - began))]

    empty = [view.file for view, features in zip(views, ready, strict=True) if features.length_mm < MIN_VESSEL_MM]
    propose = _proposer(views, prepared) if options.ask_network and not empty else None
    renders = options.judge_by_rendering and not options.refine_drr and is_rendered(prepared, views)
    between()
    found = None if empty else cold_start(prepared, ready, prior, propose=propose, finish=not renders, between=between)
    if found is None:
        reason = f"no contrast-filled vessel to match in {', '.join(empty) or views[0].file}; choose a fuller frame"
        return _unsupported(views, prior, prepared, case_id, reason, stages, began)
    if found.agreement.visible_share < _MIN_VISIBLE_SHARE:
        raise InputError(
            f"{views[0].file}: the model lies outside the picture at every pose near the start ({init.name}); "
            "check that case and run belong together, or start with --init radiological"
        )
    stages.extend(found.stages)
    between()
    render = "centerline matching"
    if options.refine_drr:
        found, refined_stages, render = _refined_on_drr(found, views, ready, prepared, options)
        stages.extend(refined_stages)
    rendered = judged_by_rendering(found, prepared, views, ready, prior) if options.judge_by_rendering else None
    if rendered is not None:
        return _by_rendering(rendered, views, ready, prepared, init, case_id, stages, began, options)
    if renders:
        # Nothing is filled in the contrast picture after all: the centerlines have to finish what they began.
        found = cold_start(prepared, ready, prior, propose=propose, between=between) or found
    features, verdict = _judged(found, ready, prior)
    if verdict.status != "accepted" and prior.supine and init.isocentre_from_lps is not None:
        anew = _accepted_from_header_alone(found, prepared, ready, prior, propose)
        if anew is not None:
            found, features, verdict = anew
            stages.extend(found.stages)
    pose = found.alignment.state.pose(prepared)
    return Registration(
        case=case_id,
        views=registered_views(views, pose, found.alignment.state.shifts_mm),
        isocentre_from_lps=pose,
        status=verdict.status,
        confidence=verdict.confidence,
        expected_error_mm=verdict.expected_error_mm,
        depth_sigma_mm=verdict.depth_sigma_mm,
        reasons=reasons(found.agreement, features, verdict.confidence, verdict.status),
        stages=tuple(stages),
        elapsed_ms=1e3 * (time.perf_counter() - began),
        backend=RegistrationBackend(render=render, inference="", device=options.device),
    )


def _by_rendering(
    rendered: RenderedResult,
    views: Sequence[RegistrationView],
    ready: Sequence[PreparedView],
    prepared: PreparedModel,
    init: InitialPose,
    case_id: str,
    stages: list[Stage],
    began: float,
    options: RegistrationOptions,
) -> Registration:
    stages.extend(rendered.stages)
    if rendered.verdict.status != "accepted" and init.isocentre_from_lps is not None:
        # As without rendering: a start that misled gives way to the header's pose where that may be drawn unchecked.
        header = radiological_start().prior(prepared, len(views), table_sigma_mm(views, options))
        anew = judged_by_rendering(rendered.found, prepared, views, ready, header)
        if anew is not None and anew.verdict.status == "accepted":
            rendered = anew
            stages.extend(anew.stages)
    pose = rendered.found.alignment.state.pose(prepared)
    return Registration(
        case=case_id,
        views=registered_views(views, pose, rendered.found.alignment.state.shifts_mm),
        isocentre_from_lps=pose,
        status=rendered.verdict.status,
        confidence=rendered.verdict.confidence,
        expected_error_mm=rendered.verdict.expected_error_mm,
        depth_sigma_mm=rendered.verdict.depth_sigma_mm,
        reasons=rendered.reasons,
        stages=tuple(stages),
        elapsed_ms=1e3 * (time.perf_counter() - began),
        backend=RegistrationBackend(render=RENDERED, inference="", device="cpu"),
    )


def _proposer(views: Sequence[RegistrationView], model: PreparedModel) -> Proposer | None:
    from engines.registration.networks.network_proposal import network_proposer

    return network_proposer(views, model)


def _accepted_from_header_alone(
    found: ColdStart,
    model: PreparedModel,
    views: Sequence[PreparedView],
    prior: PosePrior,
    propose: Proposer | None,
) -> tuple[ColdStart, ConfidenceFeatures, Verdict] | None:
    """The registration from the C-arm's header, for a misleading start; None unless it may be drawn without a check.

    A person's start outweighs a doubtful answer: the header's result may be wrong even if its confidence is higher.
    """
    header = radiological_start().prior(model, len(views), prior.table_mm)
    anew = cold_start(model, views, header, propose=propose)
    if anew is None or anew.agreement.score <= found.agreement.score:
        return None
    features, verdict = _judged(anew, views, header)
    return (anew, features, verdict) if verdict.status == "accepted" else None


def _refined_on_drr(
    found: ColdStart,
    views: Sequence[RegistrationView],
    ready: Sequence[PreparedView],
    prepared: PreparedModel,
    options: RegistrationOptions,
) -> tuple[ColdStart, tuple[Stage, ...], str]:
    """Refine on rendered vessels; keep the result only if the centerlines, which it did not use, also fit better."""
    from engines.registration.rendered.drr_stage import refine_views, vessel_renderer

    renderer = vessel_renderer(prepared.model, branch_classes=views[0].branch_classes, device=options.device)
    if renderer is None:
        return found, (), "centerline matching"
    before = found.alignment.state
    refined = refine_views(before.pose(prepared), views, renderer, shifts_mm=before.shifts_mm)
    state = replace(RigidState.of(refined.isocentre_from_lps, prepared, len(views)), shifts_mm=before.shifts_mm)
    judged = agreement(state, found.system, ready)
    if judged.score <= agreement(before, found.system, ready).score:
        return found, refined.stages, renderer.name
    return (
        replace(found, alignment=replace(found.alignment, state=state), agreement=judged),
        refined.stages,
        renderer.name,
    )


def _judged(found: ColdStart, views: Sequence[PreparedView], prior: PosePrior) -> tuple[ConfidenceFeatures, Verdict]:
    features = cold_features(found, views, prior)
    return features, judge(features, "cold", depth_sigma_mm(found.alignment))


def cold_features(found: ColdStart, views: Sequence[PreparedView], prior: PosePrior) -> ConfidenceFeatures:
    return ConfidenceFeatures(
        score=found.agreement.score,
        image_explained=found.agreement.image_explained,
        model_explained=found.agreement.model_explained,
        residual_mm=found.agreement.residual_mm,
        image_decimetres=min(found.agreement.image_mm / 100.0, 10.0),
        basin_share=found.basin_share,
        runner_up=found.runner_up,
        prior_distance=min(prior_distance(found.alignment.state, views, prior), 6.0),
        depth_sigma_cm=min(depth_sigma_mm(found.alignment) / 10.0, 10.0),
        tight=found.agreement.tight,
        edge_share=found.agreement.edge_share,
        **asdict(sharpness(found.alignment.state, found.system, views)),
    )


def depth_sigma_mm(alignment: Alignment) -> float:
    """Standard deviation of the pose along the first view's beam (Laplace approximation)."""
    covariance = np.linalg.pinv(alignment.information)
    return float(np.sqrt(max(covariance[5, 5], 0.0)) * SCALES[5])


def reasons(judged: Agreement, features: ConfidenceFeatures, confidence: float, status: str) -> tuple[str, ...]:
    """Short sentences for a person; empty only if the registration is accepted without a remark."""
    said = [
        f"the model explains {100 * judged.image_explained:.0f} % of the seen vessels, "
        f"and {100 * judged.model_explained:.0f} % of the model is seen filled"
    ]
    if is_ambiguous(features):
        said.append("too little vessel to tell it from another pose that fits almost as well: check it")
    elif status != "accepted":
        said.append(f"confidence {confidence:.2f} is too low to draw without a check")
    if features.runner_up > RIVAL and not is_ambiguous(features):
        said.append("another pose fits almost as well")
    if features.basin_share < 0.3:
        said.append("few starts agree on this pose")
    if features.prior_distance > 4.0:
        said.append("the pose is far from the start")
    if features.image_decimetres < 0.8:
        said.append("little vessel is filled in this picture")
    return tuple(said)


def registered_views(
    views: Sequence[RegistrationView], pose: RigidPose, shifts_mm: np.ndarray
) -> tuple[RegisteredView, ...]:
    """The views with their projections at a pose, each moved by the table's shift."""
    result = []
    for view, shift in zip(views, shifts_mm, strict=True):
        matrix = pose.matrix.copy()
        matrix[:3, 3] += shift
        moved = RigidPose(matrix=matrix, target="isocentre", source="lps")
        result.append(
            RegisteredView(
                file=view.file,
                sop_instance_uid=view.sop_instance_uid,
                frame=view.frame,
                projection=view.geometry.projection(moved),
            )
        )
    return tuple(result)


def _unsupported(
    views: Sequence[RegistrationView],
    prior: PosePrior,
    model: PreparedModel,
    case_id: str,
    reason: str,
    stages: list[Stage],
    began: float,
) -> Registration:
    pose = prior.state.pose(model)
    return Registration(
        case=case_id,
        views=registered_views(views, pose, prior.state.shifts_mm),
        isocentre_from_lps=pose,
        status="rejected",
        confidence=0.0,
        expected_error_mm=LOST_MM,
        depth_sigma_mm=prior.depth_mm,
        reasons=(reason,),
        stages=tuple(stages),
        elapsed_ms=1e3 * (time.perf_counter() - began),
        backend=RegistrationBackend(render="none", inference="", device="cpu"),
    )
