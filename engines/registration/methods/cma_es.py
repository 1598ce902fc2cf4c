"""CMA-ES on rendered pictures: the last stage of the correlation-driven registration, alone or after another method.

Population and bounds follow the published settings where these are known; the objective is NCC plus gradient NCC.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from engines.anatomy.vessel_model import VesselModel
from engines.registration.alignment.pose_motion import ROTATION_SCALE_RAD, PoseMotion
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.method import MethodResult, motion_from
from engines.registration.progress import Report, silent
from engines.registration.registration import Stage
from engines.registration.rendered.rendered_view import Measure, RenderedView, RendererOfModel, alike, ncc_and_gradient
from engines.registration.view import RegistrationView

_BOUND_SIGMAS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CmaEsOptions:
    """Extent and length of the search.

    Args:
        sigma_rad, sigma_mm, sigma_depth_mm: initial spread; the search stays within three times these.
        coarse, fine: number of generations on small and on larger pictures.
        restart_below: final score below which the search is repeated from the start with another seed.
    """

    population: int = 16
    sigma_rad: float = np.deg2rad(5.0)
    sigma_mm: float = 10.0
    sigma_depth_mm: float = 25.0
    coarse_px: int = 64
    coarse: int = 40
    fine_px: int = 128
    fine: int = 15
    restart_below: float = 0.3
    seed: int = 0


class CmaEs:
    """Registration by evolving a population of poses around the start; needs no gradient."""

    def __init__(
        self,
        options: CmaEsOptions | None = None,
        *,
        measure: Measure = ncc_and_gradient,
        renderer: str = "nanodrr",
        device: str = "cpu",
        report: Report = silent,
    ) -> None:
        self.name, self.report = "cma-es", report
        self.options = options or CmaEsOptions()
        self.measure = measure
        self._renderer = RendererOfModel(renderer, device)

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        renderer = self._renderer(views, model)
        began = time.perf_counter()
        chosen = self.options
        motion = motion_from(init, model, views, renderer)
        coarse = [RenderedView.of(view, renderer, chosen.coarse_px) for view in views]
        fine = [RenderedView.of(view, renderer, chosen.fine_px) for view in views]
        found = evolve(motion, coarse, fine, self.measure, chosen, self.report)
        elapsed = time.perf_counter() - began
        stage = Stage(name="cma-es", similarity=found.score, elapsed_ms=1e3 * elapsed)
        return MethodResult(
            isocentre_from_lps=motion.rigid(torch.tensor(found.parameters, device=renderer.device)),
            score=found.score,
            seconds=elapsed,
            stages=(stage,),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evolved:
    """The best parameters of a `PoseMotion`, and their score on the larger pictures."""

    parameters: Float[np.ndarray, " 6"]
    score: float


def evolve(
    motion: PoseMotion,
    coarse: Sequence[RenderedView],
    fine: Sequence[RenderedView],
    measure: Measure,
    options: CmaEsOptions,
    report: Report = silent,
) -> Evolved:
    """Search on small, then on larger pictures; repeat with another seed if the score stays low."""
    found = _search(motion, coarse, fine, measure, options, options.seed, report)
    if found.score >= options.restart_below:
        return found
    again = _search(motion, coarse, fine, measure, options, options.seed + 1, report)
    return max(found, again, key=lambda f: f.score)


def _search(
    motion: PoseMotion,
    coarse: Sequence[RenderedView],
    fine: Sequence[RenderedView],
    measure: Measure,
    options: CmaEsOptions,
    seed: int,
    report: Report,
) -> Evolved:
    from cmaes import CMA

    # The strategy works on parameters of spread 1, so that one sigma fits turns, moves and depth.
    turn = options.sigma_rad / ROTATION_SCALE_RAD
    depth = (options.sigma_depth_mm if float(motion.scale_mm[2]) > 1.0 else options.sigma_mm) / float(
        motion.scale_mm[2]
    )
    unit = np.array([turn, turn, turn, options.sigma_mm, options.sigma_mm, depth])
    mean, sigma = np.zeros(6), 1.0
    best = Evolved(parameters=np.zeros(6), score=-np.inf)
    for views, generations in ((coarse, options.coarse), (fine, options.fine)):
        bounds = np.tile([-_BOUND_SIGMAS, _BOUND_SIGMAS], (6, 1))
        evolution = CMA(mean=mean, sigma=sigma, bounds=bounds, seed=seed, population_size=options.population)
        # Scores of two picture sizes are not comparable, so the answer is the best of the last size.
        best = Evolved(parameters=mean * unit, score=_scores(motion, [mean * unit], views, measure)[0])
        for generation in range(generations):
            report(f"cma-es, pictures of {max(views[0].picture.shape)} px", generation, generations)
            asked = [evolution.ask() for _ in range(options.population)]
            scores = _scores(motion, [point * unit for point in asked], views, measure)
            evolution.tell([(point, -score) for point, score in zip(asked, scores, strict=True)])
            top = int(np.argmax(scores))
            if scores[top] > best.score:
                best = Evolved(parameters=asked[top] * unit, score=scores[top])
            if evolution.should_stop():
                break
        mean, sigma = np.clip(best.parameters / unit, -_BOUND_SIGMAS, _BOUND_SIGMAS), 0.15
    return best


def _scores(
    motion: PoseMotion,
    points: Sequence[Float[np.ndarray, " 6"]],
    views: Sequence[RenderedView],
    measure: Measure,
) -> list[float]:
    with torch.no_grad():
        device = motion.start.device
        poses = torch.stack([motion.pose(torch.tensor(point, device=device)) for point in points])
        return alike(views, poses, measure).double().tolist()
