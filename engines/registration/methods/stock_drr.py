"""The usual intensity-based registration: Adam on NCC and gradient NCC of rendered pictures, at two scales."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import torch

from engines.anatomy.vessel_model import VesselModel
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult, motion_from
from engines.registration.progress import Report, silent
from engines.registration.registration import Stage
from engines.registration.rendered.adam_ascent import AdamLevel, ascend
from engines.registration.rendered.rendered_view import RenderedView, RendererOfModel, alike, ncc_and_gradient
from engines.registration.view import RegistrationView

# Chosen with the faster renderer on simulated runs; both renderers give the same pictures and steps.
STOCK_LEVELS = (
    AdamLevel(long_side_px=64, steps=60, learning_rate=1.5),
    AdamLevel(long_side_px=128, steps=40, learning_rate=0.4),
)


class StockDrr:
    """A peer method: DiffDRR (Siddon) renders whole pictures, which are compared with the vessel probability.

    Its parameters are scaled as for ours, and rotations are about the vessels' centre. This helps the method: with
    DiffDRR's own parameters, depth hardly moves.

    Args:
        renderer: `diffdrr` is the published one; `nanodrr` gives the same result in a fifth of the time.
    """

    def __init__(
        self,
        renderer: str = "diffdrr",
        *,
        levels: tuple[AdamLevel, ...] = STOCK_LEVELS,
        device: str = "cpu",
        report: Report = silent,
    ) -> None:
        self.report = report
        self.name = f"stock-{renderer}-ncc"
        self.levels = levels
        self._renderer = RendererOfModel(renderer, device)

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        renderer = self._renderer(views, model)
        began = time.perf_counter()
        motion = motion_from(init, model, views, renderer)
        best = torch.zeros(6, dtype=torch.float64, device=renderer.device)
        score, stages = 0.0, []
        for level in self.levels:
            stage_began = time.perf_counter()
            pictures = [RenderedView.of(view, renderer, level.long_side_px) for view in views]
            name = f"ncc-adam-{level.long_side_px}"
            best, score = ascend(
                motion, best, lambda pose, p=pictures: alike(p, pose, ncc_and_gradient), level,
                told=partial(self.report, name),
            )  # fmt: skip
            elapsed_ms = 1e3 * (time.perf_counter() - stage_began)
            stages.append(Stage(name=name, similarity=score, elapsed_ms=elapsed_ms))
        return MethodResult(
            isocentre_from_lps=motion.rigid(best),
            score=score,
            seconds=time.perf_counter() - began,
            stages=tuple(stages),
        )
