"""The real pipeline of a case, as the engine process makes it."""

from __future__ import annotations

import time
from pathlib import Path

from engines.anatomy.case import Case, load_case
from engines.anatomy.vessel_model import VesselModel
from engines.registration.engine import register
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.prepared_model import PreparedModel
from engines.registration.registration import Registration
from engines.registration.track import track
from engines.registration.view import RegistrationView
from guidance_app.live.contrast_memory import ContrastMemory
from guidance_app.live.engine_process import EngineRecipe
from guidance_app.live.model_projection import ProjectedModel
from guidance_app.live.pipeline import ColdStart, Pipeline


def case_recipe(case: Case, *, backend: str = "auto") -> EngineRecipe:
    """What the engine process needs to know of a case: where it lies."""
    return EngineRecipe(make=make_case_pipeline, arguments={"folder": case.folder, "backend": backend})


def make_case_pipeline(folder: Path, backend: str) -> Pipeline:
    """Load network and model; runs in the engine process.

    Raises:
        InputError: the case or the network cannot be used.
    """
    from engines.segmentation.segmenter import load_segmenter, model_for_kind

    case = load_case(folder)
    model = case.vessel_model()
    segmenter = load_segmenter(model_for_kind(case.kind), backend, threads=1)
    return Pipeline(
        segmenter=segmenter,
        registrar=CaseRegistrar(case.id, model, inference=segmenter.backend),
        model=ProjectedModel(model),
        vessel_threshold=segmenter.threshold,
        memory=ContrastMemory(),
        clock_ns=time.perf_counter_ns,
        description=f"{segmenter.name} on {segmenter.backend}",
    )


class CaseRegistrar:
    """Registers one case's model; the model is prepared once for each set of vessel classes."""

    def __init__(self, case_id: str, model: VesselModel, *, inference: str) -> None:
        self._case_id = case_id
        self._model = model
        self._inference = inference
        self._prepared: dict[tuple[str, ...], PreparedModel] = {}

    def register(self, request: ColdStart) -> Registration:
        """Near the last pose if there was one, else (or if that fails) from the C-arm's header alone."""
        if request.previous is not None:
            near = start_near(request.previous.isocentre_from_lps)
            found = register([request.view], self._model, case_id=self._case_id, init=near)
            if found.status != "rejected":
                return found
        return register([request.view], self._model, case_id=self._case_id, init=radiological_start())

    def track(self, view: RegistrationView, previous: Registration) -> Registration:
        prepared = self._prepared.get(view.branch_classes)
        if prepared is None:
            prepared = PreparedModel.of(self._model, branch_classes=view.branch_classes)
            self._prepared[view.branch_classes] = prepared
        return track(view, prepared, previous)
