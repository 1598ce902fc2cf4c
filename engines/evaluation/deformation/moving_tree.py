"""Measure the overlay's error on a moving tree, rigid and deformed, for the same registrations and frames.

A run is registered once, at its fullest frame, and tracked from there to both ends as in the live path. Errors are
distances in the isocentre plane between the drawn and the true position of a centerline point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field

from engines.evaluation.deformation.moving_runs import MovingFrame, MovingRun
from engines.evaluation.statistics import Interval
from engines.inference.machine import Machine, this_machine
from engines.registration.engine import register
from engines.registration.features.image_features import prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.motion.deform import deformed
from engines.registration.motion.deform_basis import Deformation, MotionBasis, influence_of
from engines.registration.registration import Registration
from engines.registration.tracking.track import track

NEAR_MM = 2.0
_WORSE_MM = 0.1
_SYSTOLE = 0.5  # contraction from which a frame counts as moved
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameErrors:
    """Errors of one accepted frame.

    Args:
        rigid_mm, deformed_mm: (n,) error of every counted point of the injected tree.
        filled: (n,) which of them show contrast.
        motion_mm: mean size of the shown motion; 0 if the overlay stayed rigid.
        rigid_ms, deform_ms: time of the tracking and of the motion stage.
    """

    case: str
    run: str
    masks: str
    frame: int
    contraction: float
    rigid_mm: Float[np.ndarray, " n"]
    deformed_mm: Float[np.ndarray, " n"]
    filled: np.ndarray
    motion_mm: float
    rigid_ms: float
    deform_ms: float


class Summary(BaseModel):
    """Errors of all counted points of all accepted frames; 95 % intervals by resampling cases."""

    model_config = ConfigDict(frozen=True)
    cases: int
    frames: int
    points: int
    rigid_median_mm: Interval
    deformed_median_mm: Interval
    rigid_within_2mm: Interval
    deformed_within_2mm: Interval
    rigid_p95_mm: float | None
    deformed_p95_mm: float | None
    filled_rigid_within_2mm: float | None
    filled_deformed_within_2mm: float | None
    shown_deformed: float | None
    frames_worse: float | None
    motion_mm: float | None
    rigid_ms: float | None
    deform_ms: float | None


class FrameRow(BaseModel):
    """Medians and shares of one frame."""

    model_config = ConfigDict(frozen=True)
    case: str
    run: str
    masks: str
    frame: int
    contraction: float | None
    rigid_median_mm: float
    deformed_median_mm: float
    rigid_within_2mm: float
    deformed_within_2mm: float
    motion_mm: float
    rigid_ms: float
    deform_ms: float


class DeformationReport(BaseModel):
    """The file of `evaluate deformation`."""

    model_config = ConfigDict(serialize_by_alias=True)
    schema_: str = Field(default="guidance-app/evaluate-deformation/1", serialization_alias="schema")
    machine: Machine
    seed: int
    data: list[str]
    not_accepted: dict[str, int]
    groups: dict[str, Summary]
    frames: list[FrameRow]


def evaluate_runs(
    runs: Iterable[MovingRun], *, seed: int, data: list[str], progress: Callable[[str], None] = lambda _: None
) -> DeformationReport:
    """Evaluate every run; frames without an accepted pose are counted but not judged."""
    errors: list[FrameErrors] = []
    missed: dict[str, int] = {}
    for run in runs:
        found = follow(run)
        errors.extend(found)
        missed[run.masks] = missed.get(run.masks, 0) + len(run.frames) - len(found)
        progress(f"{run.case} {run.run} ({run.masks} masks): {summary_line(summarise(found))}")
    return _report_of(errors, missed, seed=seed, data=data)


def follow(run: MovingRun) -> list[FrameErrors]:
    """Register the fullest frame, track to both ends, and deform the tree on every accepted frame."""
    prepared = PreparedModel.of(run.model)
    basis = MotionBasis.of(prepared)
    first = run.frames[run.begin].view
    init = radiological_start() if run.start is None else start_near(run.start)
    cold = register([first], run.model, case_id=run.case, init=init)
    errors: list[FrameErrors] = []
    for part in (range(run.begin, len(run.frames)), range(run.begin - 1, -1, -1)):
        last = cold
        for number in part:
            view = run.frames[number].view
            # A drawn motion is a single picture, so the motion stage gets its cold-start pose.
            ready = prepare_view(view, edges=prepared.has_thick)
            found = cold if len(run.frames) == 1 else track(view, prepared, last, ready=ready)
            if found.status != "accepted":
                continue
            last = deformed(found, ready, prepared, basis, last=last.deformation)
            errors.append(_errors(run, run.frames[number], last))
    return sorted(errors, key=lambda entry: entry.frame)


def _report_of(
    errors: Sequence[FrameErrors], missed: dict[str, int], *, seed: int, data: list[str]
) -> DeformationReport:
    """A report with groups for each kind of mask and, for beating hearts, for contracted frames alone."""
    groups: dict[str, Summary] = {}
    for masks in dict.fromkeys(entry.masks for entry in errors):
        own = [entry for entry in errors if entry.masks == masks]
        groups[masks] = summarise(own, seed)
        systole = [entry for entry in own if entry.contraction >= _SYSTOLE]
        if systole:
            groups[f"{masks}, contracted"] = summarise(systole, seed)
    return DeformationReport(
        machine=this_machine(),
        seed=seed,
        data=data,
        not_accepted=missed,
        groups=groups,
        frames=[_row(entry) for entry in errors],
    )


def summarise(errors: Sequence[FrameErrors], seed: int = 0) -> Summary:
    """Summary of points pooled over frames; intervals resample cases, because a case is one anatomy."""
    names = sorted({entry.case for entry in errors})
    by_case = [[entry for entry in errors if entry.case == name] for name in names]
    rigid = [np.concatenate([entry.rigid_mm for entry in own]) for own in by_case]
    moved = [np.concatenate([entry.deformed_mm for entry in own]) for own in by_case]
    filled = np.concatenate([entry.filled for own in by_case for entry in own]) if errors else np.zeros(0, bool)
    all_rigid, all_moved = (np.concatenate(values) if values else np.zeros(0) for values in (rigid, moved))
    mean = lambda values: float(np.mean(values)) if len(values) else None  # noqa: E731
    return Summary(
        cases=len(names),
        frames=len(errors),
        points=len(all_rigid),
        rigid_median_mm=_interval(rigid, np.median, seed),
        deformed_median_mm=_interval(moved, np.median, seed),
        rigid_within_2mm=_interval(rigid, _near, seed),
        deformed_within_2mm=_interval(moved, _near, seed),
        rigid_p95_mm=float(np.percentile(all_rigid, 95)) if len(all_rigid) else None,
        deformed_p95_mm=float(np.percentile(all_moved, 95)) if len(all_moved) else None,
        filled_rigid_within_2mm=mean(all_rigid[filled] < NEAR_MM),
        filled_deformed_within_2mm=mean(all_moved[filled] < NEAR_MM),
        shown_deformed=mean([entry.motion_mm > 0 for entry in errors]),
        frames_worse=mean([entry.deformed_mm.mean() > entry.rigid_mm.mean() + _WORSE_MM for entry in errors]),
        motion_mm=mean([entry.motion_mm for entry in errors]),
        rigid_ms=float(np.median([entry.rigid_ms for entry in errors])) if errors else None,
        deform_ms=float(np.median([entry.deform_ms for entry in errors])) if errors else None,
    )


def summary_line(summary: Summary) -> str:
    """One line for a person: rigid -> deformed."""
    if not summary.frames:
        return "no accepted frame"
    near = [100 * (part.value or 0) for part in (summary.rigid_within_2mm, summary.deformed_within_2mm)]
    return (
        f"{summary.frames} frames, median {summary.rigid_median_mm.value:.2f} -> "
        f"{summary.deformed_median_mm.value:.2f} mm, within 2 mm {near[0]:.0f} -> {near[1]:.0f} %, "
        f"95 % below {summary.rigid_p95_mm:.1f} -> {summary.deformed_p95_mm:.1f} mm, deformed "
        f"{100 * (summary.shown_deformed or 0):.0f} % of frames, made worse {100 * (summary.frames_worse or 0):.0f} %"
    )


def drawn_px(
    run: MovingRun, frame: MovingFrame, found: Registration, deformation: Deformation | None
) -> Float[np.ndarray, "n 2"]:
    """Pixels at which the model's centerline points are drawn."""
    assert run.model.centerlines is not None
    points = run.model.centerlines.points_mm()
    if deformation is not None:
        points = points + deformation.offsets_mm(influence_of(deformation.knots_mm, points))
    return frame.view.geometry.projection(found.isocentre_from_lps).project(points)[0]


def _errors(run: MovingRun, frame: MovingFrame, found: Registration) -> FrameErrors:
    mm_per_px = frame.view.geometry.isocentre_mm_per_px
    away = [
        np.linalg.norm(drawn_px(run, frame, found, motion) - frame.true_px, axis=1)[frame.counted] * mm_per_px
        for motion in (None, found.deformation)
    ]
    deform_ms = found.stages[-1].elapsed_ms
    return FrameErrors(
        case=run.case,
        run=run.run,
        masks=run.masks,
        frame=frame.view.frame,
        contraction=frame.contraction,
        rigid_mm=away[0],
        deformed_mm=away[1],
        filled=frame.filled[frame.counted],
        motion_mm=0.0 if found.deformation is None else found.deformation.mean_mm,
        rigid_ms=found.elapsed_ms - deform_ms,
        deform_ms=deform_ms,
    )


def _near(values: Float[np.ndarray, " n"]) -> float:
    return float((values < NEAR_MM).mean())


def _interval(
    clusters: Sequence[Float[np.ndarray, " n"]], figure: Callable[[Float[np.ndarray, " n"]], float], seed: int
) -> Interval:
    """A figure of all values with its percentile bootstrap interval over clusters; no interval for a single cluster."""
    if not clusters:
        return Interval(value=None, low=None, high=None, n=0)
    value = float(figure(np.concatenate(clusters)))
    if len(clusters) < 2:
        return Interval(value=value, low=None, high=None, n=1)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(clusters), size=(_RESAMPLES, len(clusters)))
    again = [float(figure(np.concatenate([clusters[i] for i in row]))) for row in drawn]
    low, high = np.percentile(again, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high), n=len(clusters))


def _row(entry: FrameErrors) -> FrameRow:
    return FrameRow(
        case=entry.case,
        run=entry.run,
        masks=entry.masks,
        frame=entry.frame,
        contraction=None if np.isnan(entry.contraction) else entry.contraction,
        rigid_median_mm=float(np.median(entry.rigid_mm)),
        deformed_median_mm=float(np.median(entry.deformed_mm)),
        rigid_within_2mm=_near(entry.rigid_mm),
        deformed_within_2mm=_near(entry.deformed_mm),
        motion_mm=entry.motion_mm,
        rigid_ms=entry.rigid_ms,
        deform_ms=entry.deform_ms,
    )
