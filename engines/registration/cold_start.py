"""Registration from far away: coarse search, many short alignments, a judge, and a fine alignment of the best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.registration.agreement import Agreement, agreement
from engines.registration.coarse_search import rotation_grid, search
from engines.registration.image_features import PreparedView
from engines.registration.lm import Alignment, PosePrior, align
from engines.registration.prepared_model import PreparedModel
from engines.registration.projected_model import MIN_DEPTH_MM, RigidState, camera_points
from engines.registration.registration import Stage

_STARTS = 12
_SEMIFINALISTS = 5
_FINALISTS = 2
_SAME_BASIN_MM = 2.0
_OTHER_BASIN_MM = 5.0
_FIRST_SCALES_MM = (8.0, 4.0)
_ROUGH_SCALES_MM = (4.0, 2.0)
_FINE_SCALES_MM = (2.5, 1.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColdStart:
    """The best basin and how it stood out.

    Args:
        basin_share: share of the short alignments, weighted by their score, that ended in the winner's basin.
        runner_up: best score among other basins, relative to the winner's; 0 where there is none.
    """

    alignment: Alignment
    agreement: Agreement
    basin_share: float
    runner_up: float
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    state: RigidState
    judged: Agreement
    rank: float


def cold_start(model: PreparedModel, views: Sequence[PreparedView], prior: PosePrior) -> ColdStart | None:
    """Find the pose from a wide prior; None where no view shows any vessel to match."""
    began = time.perf_counter()
    small = model.thinned(260)
    depths = tuple(np.array([-1.2, 0.0, 1.2]) * min(prior.depth_mm, 40.0))
    candidates = search(
        model.thinned(360), views[0], prior, rotations=rotation_grid(prior), depths_mm=depths, keep=_STARTS
    )
    if not candidates:
        return None
    starts = [prior.state, *(candidate.state for candidate in candidates)]
    searched = time.perf_counter()

    few = [view.thinned(260) for view in views]
    rough = [_tried(start, small, few, prior, _FIRST_SCALES_MM) for start in starts]
    rough.sort(key=lambda trial: -trial.rank)
    # Only the better half of the basins is worth more work.
    halfway = _distinct(rough, small, views)[:_SEMIFINALISTS]
    semifinals = [_tried(trial.state, small, few, prior, _ROUGH_SCALES_MM) for trial in halfway]
    semifinals.sort(key=lambda trial: -trial.rank)
    aligned = time.perf_counter()

    finalists = _distinct(semifinals, small, views)[:_FINALISTS]
    many = [view.thinned(700) for view in views]
    finals = []
    for trial in finalists:
        found = align(trial.state, model.thinned(500), many, prior, scales_mm=_FINE_SCALES_MM, iterations=6)
        judged = agreement(found.state, model, many)
        finals.append((judged.score - prior_penalty(found.state, views, prior), found, judged))
    rank, best, judged = max(finals, key=lambda final: final[0])
    done = time.perf_counter()
    share, runner_up = _standing(
        best.state, rank, [*semifinals, *rough], [f for f in finals if f[1] is not best], small, views
    )
    return ColdStart(
        alignment=best,
        agreement=judged,
        basin_share=share,
        runner_up=runner_up,
        stages=(
            Stage(name="coarse search", similarity=candidates[0].correlation, elapsed_ms=1e3 * (searched - began)),
            Stage(
                name="multi-start alignment",
                similarity=semifinals[0].judged.score,
                elapsed_ms=1e3 * (aligned - searched),
            ),
            Stage(name="fine alignment", similarity=judged.score, elapsed_ms=1e3 * (done - aligned)),
        ),
    )


def _tried(
    start: RigidState,
    model: PreparedModel,
    views: Sequence[PreparedView],
    prior: PosePrior,
    scales_mm: tuple[float, ...],
) -> _Trial:
    found = align(start, model, views, prior, scales_mm=scales_mm, iterations=5)
    judged = agreement(found.state, model, views)
    return _Trial(state=found.state, judged=judged, rank=judged.score - prior_penalty(found.state, views, prior))


def prior_penalty(state: RigidState, views: Sequence[PreparedView], prior: PosePrior) -> float:
    """What distance from the prior costs a basin's score: little, and never more than a few branches are worth."""
    return 0.01 * min(prior_distance(state, views, prior) ** 2, 15.0)


def prior_distance(state: RigidState, views: Sequence[PreparedView], prior: PosePrior) -> float:
    """Distance from the prior in standard deviations, over the six parameters."""
    cosine = 0.5 * (np.trace(state.rotation @ prior.state.rotation.T) - 1.0)
    turned = np.arccos(np.clip(cosine, -1.0, 1.0)) / prior.rotation_rad
    moved = views[0].camera_from_isocentre[:3, :3] @ (state.pivot_mm - prior.state.pivot_mm)
    scaled = moved / (prior.in_plane_mm, prior.in_plane_mm, prior.depth_mm)
    return float(np.sqrt(turned**2 + (scaled**2).sum()))


def plane_points(state: RigidState, model: PreparedModel, view: PreparedView, index: int) -> Float[np.ndarray, "n 2"]:
    """The model's points in the view's isocentre plane."""
    camera = camera_points(state, model.points_mm - model.pivot_mm, view, index)
    return camera[:, :2] * (view.sod_mm / np.maximum(camera[:, 2], MIN_DEPTH_MM))[:, None]


def apart_mm(a: RigidState, b: RigidState, model: PreparedModel, views: Sequence[PreparedView]) -> float:
    """Mean distance between two poses' projections, in the view where they differ most."""
    return max(
        float(np.linalg.norm(plane_points(a, model, v, i) - plane_points(b, model, v, i), axis=1).mean())
        for i, v in enumerate(views)
    )


def _distinct(trials: list[_Trial], model: PreparedModel, views: Sequence[PreparedView]) -> list[_Trial]:
    kept: list[_Trial] = []
    for trial in trials:
        if all(apart_mm(trial.state, other.state, model, views) > _SAME_BASIN_MM for other in kept):
            kept.append(trial)
    return kept


def _standing(
    best: RigidState,
    rank: float,
    rough: list[_Trial],
    others: list[tuple[float, Alignment, Agreement]],
    model: PreparedModel,
    views: Sequence[PreparedView],
) -> tuple[float, float]:
    apart = np.array([apart_mm(trial.state, best, model, views) for trial in rough])
    weight = np.array([max(trial.judged.score, 1e-3) for trial in rough])
    share = float(weight[apart <= _SAME_BASIN_MM].sum() / weight.sum())
    rivals = [other[0] for other in others if apart_mm(other[1].state, best, model, views) > _OTHER_BASIN_MM]
    rivals += [trial.rank for trial, far in zip(rough, apart, strict=True) if far > _OTHER_BASIN_MM]
    return share, float(np.clip(max(rivals, default=0.0) / max(rank, 1e-6), 0.0, 1.0))
