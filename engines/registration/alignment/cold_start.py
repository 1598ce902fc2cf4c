"""Registration from far away: coarse search, many short alignments, and a fine alignment of the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engines.registration.alignment.agreement import Agreement, agreement
from engines.registration.alignment.coarse_search import Candidate, search
from engines.registration.alignment.levenberg_marquardt import (
    EVIDENCE,
    FINE_EVIDENCE,
    Alignment,
    PosePrior,
    align,
    moved,
)
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import MIN_DEPTH_MM, RigidState, camera_points, feature_pairs
from engines.registration.progress import Between, go_on
from engines.registration.registration import Stage

# Takes promising poses and returns further starts.
Proposer = Callable[[Sequence[RigidState]], Sequence[RigidState]]

_STARTS = 12
_ASKED_ABOUT = 1
_SEMIFINALISTS = 5
_FINALISTS = 2
_SAME_BASIN_MM = 2.0
_OTHER_BASIN_MM = 5.0
_SEARCH_MM = 4.0
_FIRST_SCALES_MM = (8.0, 4.0)
_ROUGH_SCALES_MM = (4.0, 2.0)
_FINE_SCALES_MM = (2.5, 1.5, 1.0)
_POLISH_SCALES_MM = (1.0, 0.7)
_POLISH_ITERATIONS = 12
_WEAKEST = 2
_SWING_SIGMAS = 6.0
_SWING_MOST = 8.0  # in scaled parameters: 9 degrees, 8 mm in plane or 64 mm in depth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColdStart:
    """The best pose, and how clearly it beats the other basins of attraction.

    Args:
        system: the part of the model that is filled in the picture; the whole model if it is one tree.
        basin_share: share of the short alignments, weighted by their score, that ended in the winner's basin.
        runner_up: best score among other basins, relative to the winner's; 0 if there is none.
        beside: the poses that a search which did not finish could not tell from this one.
    """

    alignment: Alignment
    agreement: Agreement
    system: PreparedModel
    basin_share: float
    runner_up: float
    stages: tuple[Stage, ...]
    beside: tuple[RigidState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    alignment: Alignment
    system: int
    judged: Agreement
    rank: float

    @property
    def state(self) -> RigidState:
        return self.alignment.state


def cold_start(
    model: PreparedModel,
    views: Sequence[PreparedView],
    prior: PosePrior,
    *,
    propose: Proposer | None = None,
    held: RigidState | None = None,
    finish: bool = True,
    between: Between = go_on,
) -> ColdStart | None:
    """Find the pose from a wide prior; None if no view shows a vessel to match.

    Args:
        propose: takes the prior's pose and the best poses of the coarse search, and returns further starts.
        held: a pose that was found otherwise: it is the result, unmoved, and all that the search finds are its rivals.
        finish: align the best poses finely; False where a rendering takes them on from the short alignments.
        between: is called between the stages; what it raises ends the search.
    """
    began = time.perf_counter()
    systems = model.systems()
    depths = (-1.2 * min(prior.depth_mm, 40.0), 1.2 * min(prior.depth_mm, 40.0))
    candidates = search([s.thinned(360) for s in systems], views[0], prior, depths_mm=depths, keep=_STARTS)
    if not candidates:
        return None
    searched = time.perf_counter()
    between()

    small, few = [s.thinned(260) for s in systems], [view.thinned(260) for view in views]
    starts = [(prior.state, 0), *((candidate.state, candidate.system) for candidate in candidates)]
    if propose is not None:
        begins = [state for state, _ in starts[: 1 + _ASKED_ABOUT]]
        starts += [(state, _best_system(state, small, few)) for state in propose(begins)]
    if len(views) > 1:
        starts = [(seen_in_second_view(state, small[system], few, prior), system) for state, system in starts]
    rough = [_tried(state, system, small, few, prior, _FIRST_SCALES_MM) for state, system in starts]
    rough.sort(key=lambda trial: -trial.rank)
    # Only the better half of the basins is aligned further.
    halfway = _distinct(rough, small, views)[:_SEMIFINALISTS]
    semifinals = [_tried(trial.state, trial.system, small, few, prior, _ROUGH_SCALES_MM) for trial in halfway]
    semifinals.sort(key=lambda trial: -trial.rank)
    aligned = time.perf_counter()
    between()

    finalists = _distinct(semifinals, small, views)[:_FINALISTS]
    if not finish and held is None:
        return _unfinished(finalists, [*semifinals, *rough], systems, small[0], views, candidates, began, searched)
    middle, many = [s.thinned(500) for s in systems], [view.thinned(700) for view in views]
    finals = [_fine(trial.state, trial.system, middle, many, prior) for trial in finalists]
    finals += _swung(max(finals, key=lambda trial: trial.rank), middle, many, prior)
    finals.sort(key=lambda trial: -trial.rank)
    if held is None:
        best, others = _polished(finals[0], middle, many, prior), [*finals[1:], *semifinals, *rough]
    else:
        best, others = _held(held, middle, many, prior), [*finals, *semifinals, *rough]
    done = time.perf_counter()
    share, runner_up = _standing(best, others, small[0], views)
    return ColdStart(
        alignment=best.alignment,
        agreement=best.judged,
        system=systems[best.system],
        basin_share=share,
        runner_up=runner_up,
        stages=(
            *_stages(candidates[0], semifinals[0], began, searched, aligned),
            Stage(name="fine alignment", similarity=best.judged.score, elapsed_ms=1e3 * (done - aligned)),
        ),
    )


def _unfinished(
    finalists: Sequence[_Trial],
    others: Sequence[_Trial],
    systems: Sequence[PreparedModel],
    small: PreparedModel,
    views: Sequence[PreparedView],
    candidates: Sequence[Candidate],
    began: float,
    searched: float,
) -> ColdStart:
    best = finalists[0]
    share, runner_up = _standing(best, others, small, views)
    return ColdStart(
        alignment=best.alignment,
        agreement=best.judged,
        system=systems[best.system],
        basin_share=share,
        runner_up=runner_up,
        beside=tuple(trial.state for trial in finalists[1:]),
        stages=_stages(candidates[0], best, began, searched, time.perf_counter()),
    )


def _stages(candidate: Candidate, best: _Trial, began: float, searched: float, aligned: float) -> tuple[Stage, ...]:
    return (
        Stage(name="coarse search", similarity=candidate.correlation, elapsed_ms=1e3 * (searched - began)),
        Stage(name="multi-start alignment", similarity=best.judged.score, elapsed_ms=1e3 * (aligned - searched)),
    )


def _best_system(state: RigidState, systems: Sequence[PreparedModel], views: Sequence[PreparedView]) -> int:
    return max(range(len(systems)), key=lambda index: agreement(state, systems[index], views).score)


def _tried(
    start: RigidState,
    system: int,
    systems: Sequence[PreparedModel],
    views: Sequence[PreparedView],
    prior: PosePrior,
    scales_mm: tuple[float, ...],
    *,
    evidence: float = EVIDENCE,
    iterations: int = 5,
) -> _Trial:
    found = align(start, systems[system], views, prior, scales_mm=scales_mm, iterations=iterations, evidence=evidence)
    judged = agreement(found.state, systems[system], views)
    rank = judged.score - prior_penalty(found.state, views, prior)
    return _Trial(alignment=found, system=system, judged=judged, rank=rank)


def _fine(
    start: RigidState,
    system: int,
    systems: Sequence[PreparedModel],
    views: Sequence[PreparedView],
    prior: PosePrior,
) -> _Trial:
    return _tried(start, system, systems, views, prior, _FINE_SCALES_MM, evidence=FINE_EVIDENCE)


def _polished(
    best: _Trial, systems: Sequence[PreparedModel], views: Sequence[PreparedView], prior: PosePrior
) -> _Trial:
    """The winner aligned further until it no longer moves; the result counts only if it fits no worse."""
    on = _tried(
        best.state,
        best.system,
        systems,
        views,
        prior,
        _POLISH_SCALES_MM,
        evidence=FINE_EVIDENCE,
        iterations=_POLISH_ITERATIONS,
    )
    return on if on.rank >= best.rank else best


def _held(
    state: RigidState, systems: Sequence[PreparedModel], views: Sequence[PreparedView], prior: PosePrior
) -> _Trial:
    """A pose judged where it is: the first iteration measures and does not move."""
    last = _POLISH_SCALES_MM[-1:]
    system = _best_system(state, systems, views)
    return _tried(state, system, systems, views, prior, last, evidence=FINE_EVIDENCE, iterations=1)


def _swung(
    best: _Trial, systems: Sequence[PreparedModel], views: Sequence[PreparedView], prior: PosePrior
) -> list[_Trial]:
    """Alignments from starts beside the best pose, along the motions that the picture determines least.

    A vessel that is nearly a tube can turn about its own axis with almost no change of the picture. An alignment that
    begins on the wrong side stays there, although the few features that reveal the turn fit better on the other side.
    """
    spread, along = np.linalg.eigh(best.alignment.information)
    found = []
    for value, direction in list(zip(spread, along.T, strict=True))[:_WEAKEST]:
        step = direction * min(_SWING_SIGMAS / np.sqrt(max(value, 1e-9)), _SWING_MOST / np.abs(direction).max())
        for side in (-1.0, 1.0):
            start = moved(best.state, side * step, views)
            found.append(_fine(start, best.system, systems, views, prior))
    return found


def seen_in_second_view(
    state: RigidState, model: PreparedModel, views: Sequence[PreparedView], prior: PosePrior
) -> RigidState:
    """The pose with an unchanged first view, moved along its beam to the depth that fits the second view best.

    One view leaves depth uncertain by centimetres. In the other view that is a shift too large for a local alignment.
    """
    arm = views[0].camera_from_isocentre
    camera = arm[:3, :3] @ state.pivot_mm + arm[:3, 3]
    tried = []
    for offset_mm in np.arange(-2.0, 2.01, 0.25) * prior.depth_mm:
        there = camera * (camera[2] + offset_mm) / camera[2]
        moved = replace(state, pivot_mm=arm[:3, :3].T @ (there - arm[:3, 3]))
        tried.append((near_share(moved, model, views[1], 1), -abs(float(offset_mm)), moved))
    return max(tried, key=lambda entry: entry[:2])[2]


def near_share(state: RigidState, model: PreparedModel, view: PreparedView, index: int) -> float:
    """The share of the view's vessels near the model, with a soft distance as wide as a step of the search."""
    total = 0.0
    for pair in feature_pairs(state, model, view, index):
        seen = pair.model.plane_mm[pair.model.usable]
        if len(seen):
            distance = np.asarray(KDTree(seen).query(pair.seen.points_mm)[0])
            total += pair.share * float((1.0 / (1.0 + (distance / _SEARCH_MM) ** 2)).mean())
    return total


def prior_penalty(state: RigidState, views: Sequence[PreparedView], prior: PosePrior) -> float:
    """The score that a basin loses for its distance from the prior: never more than a few branches are worth."""
    return 0.01 * min(prior_distance(state, views, prior) ** 2, 15.0)


def prior_distance(state: RigidState, views: Sequence[PreparedView], prior: PosePrior) -> float:
    """Distance from the prior over the six parameters, in standard deviations."""
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
    """Mean distance between the projections at two poses, in the view in which they differ most."""
    return max(
        float(np.linalg.norm(plane_points(a, model, v, i) - plane_points(b, model, v, i), axis=1).mean())
        for i, v in enumerate(views)
    )


def _distinct(
    trials: Sequence[_Trial], systems: Sequence[PreparedModel], views: Sequence[PreparedView]
) -> list[_Trial]:
    """One trial per basin and system, in the given order."""
    kept: list[_Trial] = []
    for trial in trials:
        twins = (other for other in kept if other.system == trial.system)
        if all(apart_mm(trial.state, other.state, systems[trial.system], views) > _SAME_BASIN_MM for other in twins):
            kept.append(trial)
    return kept


def _standing(
    best: _Trial, others: Sequence[_Trial], model: PreparedModel, views: Sequence[PreparedView]
) -> tuple[float, float]:
    """The score-weighted share of trials in the winner's basin, and the best score outside it."""
    apart = np.array([apart_mm(trial.state, best.state, model, views) for trial in others])
    weight = np.array([max(trial.judged.score, 1e-3) for trial in others])
    share = float(weight[apart <= _SAME_BASIN_MM].sum() / weight.sum())
    rivals = [trial.rank for trial, far in zip(others, apart, strict=True) if far > _OTHER_BASIN_MM]
    return share, float(np.clip(max(rivals, default=0.0) / max(best.rank, 1e-6), 0.0, 1.0))
