"""The engine's own registration as one of the compared methods."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engines.anatomy.vessel_model import VesselModel
from engines.registration.engine import register
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult
from engines.registration.options import RegistrationOptions
from engines.registration.view import RegistrationView


class Ours:
    """Coarse search, bidirectional alignment of centerlines and a calibrated confidence."""

    def __init__(self, options: RegistrationOptions | None = None) -> None:
        self.options = options or RegistrationOptions()
        self.name = "ours-refined" if self.options.refine_drr else "ours"
        if not self.options.judge_by_rendering:
            self.name = "ours-centerlines"

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        began = time.perf_counter()
        found = register(views, model, case_id="", init=init, options=self.options)
        return MethodResult(
            isocentre_from_lps=found.isocentre_from_lps,
            score=found.confidence,
            seconds=time.perf_counter() - began,
            stages=found.stages,
            registration=found,
        )
