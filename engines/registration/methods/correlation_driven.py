"""Register by descending a similarity of pictures, followed by an evolution strategy.

This is the correlation-driven method (Chen et al. 2024) with its peers. `correlation` descends our learnt similarity,
`prost` that of a single encoder (Gao et al. 2020), `gradient-ncc` the classical measure; each alone or with `-cma-es`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.alignment.pose_motion import PoseMotion
from engines.registration.correlation.descent import DescentOptions, descend
from engines.registration.correlation.learned_similarity import Similarity
from engines.registration.initial_pose import InitialPose
from engines.registration.methods.cma_es import CmaEsOptions, evolve
from engines.registration.methods.method import MethodResult, start_pose
from engines.registration.progress import Report, silent
from engines.registration.registration import Stage
from engines.registration.rendered.adam_ascent import AdamLevel, ascend
from engines.registration.rendered.multiscale import multiscale_ncc_and_gradient
from engines.registration.rendered.rendered_view import Measure, RenderedView, RendererOfModel, alike
from engines.registration.view import RegistrationView
from engines.rendering.renderer import Renderer

PictureAtSize = Callable[[int], RenderedView]
AFTER_DESCENT = CmaEsOptions(fine=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The stages of a registration; a stage that is None is left out.

    Args:
        descent: of `similarity`, beginning at the start.
        evolution: beginning where the descent ends.
        polish: a last ascent of the evolution's measure by Adam.
    """

    similarity: Similarity | None = None
    descent: DescentOptions | None = field(default_factory=DescentOptions)
    evolution: CmaEsOptions | None = None
    polish: AdamLevel | None = None
    measure: Measure = multiscale_ncc_and_gradient


class PictureScene:
    """The input of the stages: pictures at any size, and the model's position.

    Args:
        geometries, pictures: one per view; a function of `pictures` gives the view at a long side in pixels.
        centre_lps_mm: the centre of turns.
    """

    def __init__(
        self,
        geometries: Sequence[CArmGeometry],
        pictures: Sequence[PictureAtSize],
        centre_lps_mm: np.ndarray,
        device: torch.device,
    ) -> None:
        self.geometries, self.centre_lps_mm, self.device = tuple(geometries), centre_lps_mm, device
        self._pictures = tuple(pictures)
        self._made: dict[int, list[RenderedView]] = {}

    def at(self, long_side_px: int) -> list[RenderedView]:
        if long_side_px not in self._made:
            self._made[long_side_px] = [picture(long_side_px) for picture in self._pictures]
        return self._made[long_side_px]


def follow(course: Course, scene: PictureScene, start: RigidPose, report: Report = silent) -> MethodResult:
    """Run the stages of a course."""
    began = time.perf_counter()
    pose, score, stages = start, 0.0, []
    if course.descent is not None and course.similarity is not None:
        found = descend(
            pose, scene.centre_lps_mm, scene.at(course.descent.long_side_px), course.similarity, course.descent,
            told=partial(report, f"{course.similarity.name}-descent"),
        )  # fmt: skip
        pose, score = found.isocentre_from_lps, -found.value
        stages.append(_stage(f"{course.similarity.name}-descent", score, began))
    if course.evolution is not None:
        stage_began = time.perf_counter()
        motion = PoseMotion.about(pose, scene.centre_lps_mm, scene.geometries, scene.device)
        options = course.evolution
        coarse, fine = scene.at(options.coarse_px), scene.at(options.fine_px)
        evolved = evolve(motion, coarse, fine, course.measure, options, report)
        pose, score = motion.rigid(torch.tensor(evolved.parameters, device=scene.device)), evolved.score
        stages.append(_stage("cma-es", score, stage_began))
    if course.polish is not None:
        stage_began = time.perf_counter()
        motion = PoseMotion.about(pose, scene.centre_lps_mm, scene.geometries, scene.device)
        views = scene.at(course.polish.long_side_px)
        begin = torch.zeros(6, dtype=torch.float64, device=scene.device)
        told = partial(report, "polish")
        best, score = ascend(motion, begin, lambda at: alike(views, at, course.measure), course.polish, told=told)
        pose = motion.rigid(best)
        stages.append(_stage("polish", score, stage_began))
    seconds = time.perf_counter() - began
    return MethodResult(isocentre_from_lps=pose, score=score, seconds=seconds, stages=tuple(stages))


class CorrelationDriven:
    """A course on vessel probabilities and rendered vessels, the input of every published method here.

    Args:
        name: as `make_method` knows it.
    """

    def __init__(
        self, name: str, course: Course, *, renderer: str = "slices", device: str = "cpu", report: Report = silent
    ) -> None:
        self.name, self.course, self.report = name, course, report
        self._renderer = RendererOfModel(renderer, device)

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        renderer = self._renderer(views, model)
        scene = PictureScene(
            [view.geometry for view in views],
            [_of_view(view, renderer) for view in views],
            renderer.centroid_lps_mm.cpu().double().numpy(),
            renderer.device,
        )
        return follow(self.course, scene, start_pose(init, model), self.report)


def with_evolution(course: Course, options: CmaEsOptions = AFTER_DESCENT) -> Course:
    """The same course, finished by CMA-ES."""
    return replace(course, evolution=options)


def _of_view(view: RegistrationView, renderer: Renderer) -> PictureAtSize:
    return lambda long_side_px: RenderedView.of(view, renderer, long_side_px)


def _stage(name: str, score: float, began: float) -> Stage:
    return Stage(name=name, similarity=score, elapsed_ms=1e3 * (time.perf_counter() - began))
