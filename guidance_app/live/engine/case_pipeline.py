"""The real pipeline of a case, as the engine process makes it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.vessel_model import VesselModel
from engines.angiography.frame import Frame
from engines.inference.backend import live_threads
from engines.inference.model_files import BUNDLED_MODELS
from engines.registration.engine import register
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.motion.deform import deformed
from engines.registration.motion.deform_basis import MotionBasis
from engines.registration.options import RegistrationOptions
from engines.registration.registration import Registration
from engines.registration.track import track
from engines.registration.view import RegistrationView
from guidance_app.live.engine.contrast_memory import ContrastMemory
from guidance_app.live.engine.device_fallback import CpuBehind
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.pipeline import ColdStart, Pipeline, Segments

# What views ask for, see `view_of_frame`.
_BRANCH_CLASSES: tuple[tuple[str, ...], ...] = ((), ("aorta", "artery"))
_WITH_VEINS = ("aorta", "artery", "vein")
_REHEARSAL_SHAPE = (512, 512)
# An overlay is shown until the next one comes: steps of this length keep it below the age at which it is marked as old.
_STEP_MS = 110.0
_REHEARSALS = 3


def case_recipe(case: Case, *, backend: str = "auto", models: Path = BUNDLED_MODELS) -> EngineRecipe:
    """What the engine process needs to know of a case: where it lies, and where the networks do."""
    return EngineRecipe(
        make=make_case_pipeline, arguments={"folder": case.folder, "backend": backend, "models": models}
    )


def make_case_pipeline(folder: Path, backend: str, models: Path = BUNDLED_MODELS) -> Pipeline:
    """Load network and model; runs in the engine process.

    Raises:
        InputError: the case or the network cannot be used.
    """
    from engines.segmentation.segmenter import load_segmenter, model_for_kind

    case = load_case(folder)
    model = case.vessel_model()
    name = model_for_kind(case.kind, case.field_of_view)
    segmenter = load_segmenter(name, backend, threads=live_threads(), folder=models).for_run()
    projected = ProjectedModel(model)
    on_gpu = not segmenter.backend.endswith("(cpu)")
    guarded = CpuBehind(segmenter, lambda: load_segmenter(name, "onnx", folder=models).for_run()) if on_gpu else None
    registrar = CaseRegistrar(
        case.id, model, inference=segmenter.backend, renders=case.kind != "coronary", deforms=case.kind == "coronary"
    )
    view = rehearsal_view(model, projected)
    rehearsed = registrar.warm_up(view)
    description = f"{segmenter.name} on {segmenter.backend}"
    if case.kind == "coronary" and rehearsed is not None:
        step_ms = rehearsed_step_ms(segmenter, registrar, view, rehearsed)
        if step_ms > _STEP_MS:
            registrar.leave_motion()
            description += f"; overlay rigid: following the motion would take {step_ms:.0f} ms a frame here"
    return Pipeline(
        segmenter=guarded or segmenter,
        registrar=registrar,
        model=projected,
        vessel_threshold=segmenter.threshold,
        memory=ContrastMemory(),
        clock_ns=time.perf_counter_ns,
        description=description,
        degraded=(lambda: "") if guarded is None else (lambda: guarded.degraded),
        model_has_veins=has_veins(model),
    )


def has_veins(model: VesselModel) -> bool:
    return model.centerlines is not None and any(b.vessel_class == "vein" for b in model.centerlines.branches)


def rehearsed_step_ms(
    segmenter: Segments, registrar: CaseRegistrar, view: RegistrationView, found: Registration
) -> float:
    """Shortest of a few steps on the made-up view: network, tracking and, where it is followed, the motion."""
    picture = (200.0 - 120.0 * view.vessel).astype(np.uint8)
    # Only accepted poses are deformed; whether this one would be says nothing about the time.
    found, best_ms = replace(found, status="accepted"), np.inf
    for _ in range(_REHEARSALS):
        began = time.perf_counter()
        segmenter.segment(Frame(pixels=picture, kind="fluoro"))
        registrar.track(view, found)
        best_ms = min(best_ms, 1e3 * (time.perf_counter() - began))
    return best_ms


class CaseRegistrar:
    """Registers one case's model; the model is prepared once for each set of vessel classes.

    Args:
        renders: let cold starts be judged by rendering where the frame shows what contrast darkened; not of use on
            a beating heart, which moved since the frames without contrast.
        deforms: follow the motion that no rigid pose describes, frame by frame; of use on a beating heart alone.
    """

    def __init__(
        self, case_id: str, model: VesselModel, *, inference: str, renders: bool = True, deforms: bool = False
    ) -> None:
        self._case_id = case_id
        self._model = model
        self._inference = inference
        self._prepared: dict[tuple[str, ...], PreparedModel] = {}
        self._deforms = deforms
        self._options = RegistrationOptions(judge_by_rendering=renders)
        self._bases: dict[tuple[str, ...], MotionBasis] = {}

    def warm_up(self, view: RegistrationView) -> Registration | None:
        """One cold start and one warm step, so that the first live frame does not pay for what is made only once.

        Returns:
            where the view's own branch classes were found, None where they could not be.
        """
        rehearsed = None
        for classes in _BRANCH_CLASSES:
            try:
                found = register([replace(view, branch_classes=classes)], self._model, case_id=self._case_id)
                self.track(replace(view, branch_classes=classes), found)
            except InputError:
                continue  # this model has no such branches, or does not show in the made-up view
            if classes == view.branch_classes:
                rehearsed = found
        if rehearsed is not None and has_veins(self._model):
            # Only the model must be prepared anew: a further cold start would hold up the engine's own start.
            self.track(replace(view, branch_classes=_WITH_VEINS), rehearsed)
        return rehearsed

    def leave_motion(self) -> None:
        """Track rigidly from now on."""
        self._deforms = False

    def register(self, request: ColdStart) -> Registration:
        """Near the last pose if there was one, else (or if that fails) from the C-arm's header alone."""
        if request.previous is not None:
            near = start_near(request.previous.isocentre_from_lps)
            found = register([request.view], self._model, case_id=self._case_id, init=near, options=self._options)
            if found.status != "rejected":
                return found
        header = radiological_start()
        return register([request.view], self._model, case_id=self._case_id, init=header, options=self._options)

    def track(self, view: RegistrationView, previous: Registration) -> Registration:
        prepared = self._prepared.get(view.branch_classes)
        if prepared is None:
            prepared = PreparedModel.of(self._model, branch_classes=view.branch_classes)
            self._prepared[view.branch_classes] = prepared
        if not self._deforms:
            return track(view, prepared, previous)
        ready = prepare_view(view, edges=prepared.has_thick)
        found = track(view, prepared, previous, ready=ready)
        if view.branch_classes not in self._bases:
            self._bases[view.branch_classes] = MotionBasis.of(prepared)
        return deformed(found, ready, prepared, self._bases[view.branch_classes], last=previous.deformation)


def rehearsal_view(model: VesselModel, projected: ProjectedModel) -> RegistrationView:
    """A made-up view from the front in which the model's own branches are the vessels; never shown to anyone."""
    rows, columns = _REHEARSAL_SHAPE
    geometry = CArmGeometry(
        primary_rad=0.0,
        secondary_rad=0.0,
        sid_mm=1000.0,
        sod_mm=700.0,
        column_spacing_mm=0.4,
        row_spacing_mm=0.4,
        shape_px=_REHEARSAL_SHAPE,
        principal_point_px=((columns - 1) / 2, (rows - 1) / 2),
    )
    placed = np.eye(4)
    placed[:3, 3] = -model.centroid_mm()
    projection = geometry.projection(RigidPose(matrix=placed, target="isocentre", source="lps"))
    vessel = np.zeros(_REHEARSAL_SHAPE, dtype=np.float32)
    lines = [np.rint(line.points_px).astype(np.int32) for line in projected.centerlines(projection)]
    cv2.polylines(vessel, lines, False, 1.0, 3)
    projected.outline(projection, projected.centerlines(projection))
    return RegistrationView(file="rehearsal", sop_instance_uid="", frame=0, geometry=geometry, vessel=vessel)
