"""The optimisation of DeepIterReg (Downs et al. 2025, doi:10.1007/s11548-025-03412-2), as the paper describes it.

Stage 1 climbs NCC with the full vessel segmentation by Adam; stage 2 takes smaller steps on mutual information with the
MinIP of the run; each keeps the pose of its highest similarity. Steps and rates are ours: the paper states none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import torch

from engines.anatomy.vessel_model import VesselModel
from engines.registration.alignment.pose_motion import PoseMotion
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult, motion_from
from engines.registration.progress import Report, silent
from engines.registration.registration import Stage
from engines.registration.rendered.adam_ascent import AdamLevel, ascend
from engines.registration.rendered.image_similarity import mutual_information, ncc
from engines.registration.rendered.rendered_view import Measure, RenderedView, RendererOfModel, alike
from engines.registration.view import RegistrationView

SEGMENTATION_LEVEL = AdamLevel(long_side_px=96, steps=80, learning_rate=1.0)
INTENSITY_LEVEL = AdamLevel(long_side_px=96, steps=30, learning_rate=0.15)


class DeepIterRegOptimisation:
    """Registration by both stages; the second runs only if every view has a subtracted picture (`image`)."""

    def __init__(
        self,
        *,
        segmentation: AdamLevel = SEGMENTATION_LEVEL,
        intensity: AdamLevel = INTENSITY_LEVEL,
        renderer: str = "nanodrr",
        device: str = "cpu",
        report: Report = silent,
    ) -> None:
        self.name, self.report = "deepiterreg-optimisation", report
        self.segmentation, self.intensity = segmentation, intensity
        self._renderer = RendererOfModel(renderer, device)

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        renderer = self._renderer(views, model)
        began = time.perf_counter()
        motion = motion_from(init, model, views, renderer)
        best = torch.zeros(6, dtype=torch.float64, device=renderer.device)
        segmented = [RenderedView.of(view, renderer, self.segmentation.long_side_px) for view in views]
        best, score, stage = _stage("ncc-vessels", motion, best, segmented, ncc, self.segmentation, self.report)
        stages = [stage]
        if all(view.image is not None for view in views):
            pictures = [RenderedView.of(view, renderer, self.intensity.long_side_px, kind="image") for view in views]
            best, _, stage = _stage("mi-minip", motion, best, pictures, mutual_information, self.intensity, self.report)
            stages.append(stage)
        return MethodResult(
            isocentre_from_lps=motion.rigid(best),
            score=score,
            seconds=time.perf_counter() - began,
            stages=tuple(stages),
        )


def _stage(
    name: str,
    motion: PoseMotion,
    begin: torch.Tensor,
    views: Sequence[RenderedView],
    measure: Measure,
    level: AdamLevel,
    report: Report,
) -> tuple[torch.Tensor, float, Stage]:
    began = time.perf_counter()
    best, score = ascend(motion, begin, lambda pose: alike(views, pose, measure), level, told=partial(report, name))
    return best, score, Stage(name=name, similarity=score, elapsed_ms=1e3 * (time.perf_counter() - began))
