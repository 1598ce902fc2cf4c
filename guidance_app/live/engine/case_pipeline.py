"""The real pipeline of a case, as the engine process makes it."""

from __future__ import annotations

import time
from pathlib import Path

from engines.anatomy.cases.case import Case, load_case
from engines.inference.backend import live_threads
from engines.inference.model_files import BUNDLED_MODELS
from guidance_app.live.engine.case_registrar import CaseRegistrar, has_veins
from guidance_app.live.engine.device_fallback import CpuBehind
from guidance_app.live.engine.engine_process import EngineRecipe
from guidance_app.live.engine.model_projection import ProjectedModel
from guidance_app.live.engine.pipeline import Pipeline
from guidance_app.live.engine.rehearsal import rehearsal
from guidance_app.live.engine.step.confirm import Confirm
from guidance_app.live.engine.step.contrast_memory import ContrastMemory


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
    segmenter = load_segmenter(name, backend, threads=live_threads(), folder=models, live=True).for_run()
    projected = ProjectedModel(model)
    on_gpu = not segmenter.backend.endswith("(cpu)")
    guarded = CpuBehind(segmenter, lambda: load_segmenter(name, "onnx", folder=models).for_run()) if on_gpu else None
    beats = case.kind == "coronary"
    registrar = CaseRegistrar(case.id, model, inference=segmenter.backend, renders=not beats, deforms=beats)
    registrar.warm_up(rehearsal(case.id, model, projected))
    description = f"{segmenter.name} on {segmenter.backend}"
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
        subtracts=case.kind == "evt",
        confirm=Confirm(
            bones_hold=case.kind != "coronary", pivot_lps_mm=model.centroid_mm(), threshold=segmenter.threshold
        ),
    )
