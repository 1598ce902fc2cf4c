"""Simulated cases, made and registered one after the other: success, errors, trust, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engines.evaluation.cohort import Workplace, run_cohort
from engines.evaluation.ivus.gating_study import GatingRecord
from engines.evaluation.ivus.landmark_scores import LandmarkRecord, LandmarkTable, landmark_record, landmark_table
from engines.evaluation.ivus.metrics import IvusErrors, ivus_errors
from engines.evaluation.record_log import RecordLog
from engines.evaluation.statistics import Interval, mean_interval, median, percentile, share
from engines.inference.machine import Machine, this_machine
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Fusion
from engines.simulation.ivus.case import IvusCase, draw_case
from engines.simulation.ivus.ultrasound import PIXEL_MM

ARMS = ("frames", "contours")
FIRST = "ours"  # the method that others are compared with


class IvusRecord(BaseModel):
    """One registration of one simulated case."""

    model_config = ConfigDict(frozen=True)
    split: str
    seed: int
    arm: str
    method: str
    right: bool
    direction_right: bool
    handedness_right: bool
    f1: float
    cos_u: float
    cos_v: float
    longitudinal_mm: float
    longitudinal_p95_mm: float
    rotation_deg: float
    distance_mm: float
    confidence: float
    flags: list[str]
    signs: dict[str, float]
    branches: int
    calcium: int
    centerline_flaws: list[str]
    seconds: float
    landmarks: LandmarkRecord | None = None


class IvusSummary(BaseModel):
    """Figures over cases; `silent` are wrong answers without a flag."""

    cases: int
    success: Interval
    direction: Interval
    handedness: Interval
    f1_median: Interval
    cos_u_median: Interval
    cos_v_median: Interval
    longitudinal_mm_median: Interval
    longitudinal_mm_p95: Interval
    rotation_deg_median: Interval
    flagged: Interval
    right_among_unflagged: Interval
    flagged_among_wrong: Interval
    wrong_among_flagged: Interval
    silent: int
    seconds_median: Interval
    reliability: list[dict[str, float]]
    risk_coverage: list[dict[str, float]]


class IvusComparison(BaseModel):
    """Two methods on the same cases; the difference of their success is the first's minus the second's."""

    first: str
    second: str
    cases: int
    only_first_right: int
    only_second_right: int
    difference: Interval


class LandmarkSummary(BaseModel):
    """Landmarks and lumen of one split, as our method sees them."""

    cases: int
    table: dict[str, LandmarkTable]
    lumen_median_abs_mm: dict[str, Interval]
    lumen_bias_mm: dict[str, Interval]


class IvusReport(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    schema_: str = Field("guidance-app/evaluate-ivus/2", alias="schema")
    machine: Machine
    data: str
    seed: int
    summaries: dict[str, IvusSummary]
    comparisons: dict[str, IvusComparison]
    landmarks: dict[str, LandmarkSummary]
    gating: list[GatingRecord] = Field(default_factory=list)
    failures: list[dict[str, str]]
    cases: list[IvusRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class IvusTask:
    """One simulated case, drawn once for all its runs.

    Args:
        runs: (arm, method).
    """

    split: str
    seed: int
    runs: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return f"{self.split}-{self.seed}"


def evaluate_ivus(
    tasks: Sequence[IvusTask],
    *,
    report: Path | None = None,
    place: Workplace | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> IvusReport:
    """Register every task; finished runs of an interrupted evaluation are taken over."""
    log = RecordLog(IvusRecord, report, {"schema": 2}, progress=progress)
    done = {_key(r) for r in log.records}
    left = [
        replace(task, runs=tuple(run for run in task.runs if (task.split, task.seed, *run) not in done))
        for task in tasks
    ]
    left = [task for task in left if task.runs]
    listener = _Listener(log, progress)
    run_cohort(register_simulated, left, listener, place)
    wanted = {(task.split, task.seed, *run) for task in tasks for run in task.runs}
    records = sorted((r for r in log.records if _key(r) in wanted), key=lambda r: (r.split, r.arm, r.method, r.seed))
    groups: dict[tuple[str, str, str], list[IvusRecord]] = {}
    for record in records:
        groups.setdefault((record.split, record.arm, record.method), []).append(record)
    return IvusReport(
        schema="guidance-app/evaluate-ivus/2",
        machine=this_machine(),
        data="simulated CCTA-IVUS cases with exact truth",
        seed=min((task.seed for task in tasks), default=0),
        summaries={"/".join(group): summarise(members) for group, members in groups.items()},
        comparisons={
            f"{split}/{arm}/{method}": compare(groups[split, arm, FIRST], members)
            for (split, arm, method), members in groups.items()
            if method != FIRST and (split, arm, FIRST) in groups
        },
        landmarks=landmark_summaries(records),
        failures=listener.failures,
        cases=records,
    )


def _key(record: IvusRecord) -> tuple[str, int, str, str]:
    return record.split, record.seed, record.arm, record.method


def register_simulated(task: IvusTask, emit: Callable[[IvusRecord], None]) -> None:
    """One task: draw the case, register it by each of its runs, compare with the truth."""
    from engines.ivus.methods import register_by
    from engines.simulation.ivus.contours import true_centroids_mm

    case = draw_case(task.split, task.seed)
    for arm, method in task.runs:
        source, points = _source(case, arm), case.pullback.points_mm
        if arm == "contours":
            points = true_centroids_mm(case.shapes, case.pullback)
        began = time.perf_counter()
        fusion = register_by(method, case.ct, case.centerline_mm, source)
        seconds = time.perf_counter() - began
        seen = landmark_record(case, fusion) if (arm, method) == (ARMS[0], FIRST) else None
        emit(_record(case, (arm, method), fusion, errors_against(case, fusion, points), seconds, seen))


def compare(first: Sequence[IvusRecord], second: Sequence[IvusRecord]) -> IvusComparison:
    """Both methods on the cases that both have done, with a paired bootstrap."""
    one, other = ({record.seed: record.right for record in records} for records in (first, second))
    seeds = sorted(one.keys() & other.keys())
    apart = np.array([float(one[seed]) - float(other[seed]) for seed in seeds])
    low, high = mean_interval(apart) if len(apart) else (None, None)
    return IvusComparison(
        first=first[0].method, second=second[0].method, cases=len(seeds), only_first_right=int((apart > 0).sum()),
        only_second_right=int((apart < 0).sum()),
        difference=Interval(value=float(apart.mean()) if len(apart) else None, low=low, high=high, n=len(apart)),
    )  # fmt: skip


def landmark_summaries(records: Sequence[IvusRecord]) -> dict[str, LandmarkSummary]:
    """Landmarks and lumen by split."""
    found: dict[str, list[LandmarkRecord]] = {}
    for record in records:
        if record.landmarks is not None:
            found.setdefault(record.split, []).append(record.landmarks)

    def lumen(seen: Sequence[LandmarkRecord], part: str) -> dict[str, Interval]:
        return {name: median(np.array([getattr(r.lumen[name], part) for r in seen])) for name in ("ivus", "ct")}

    return {
        split: LandmarkSummary(cases=len(seen), table=landmark_table(seen),
                               lumen_median_abs_mm=lumen(seen, "median_abs_mm"), lumen_bias_mm=lumen(seen, "bias_mm"))
        for split, seen in found.items()
    }  # fmt: skip


def errors_against(case: IvusCase, fusion: Fusion, points_mm: np.ndarray) -> IvusErrors:
    """A registration against a case's truth."""
    pull = case.pullback
    return ivus_errors(
        points_mm=fusion.points_mm, u=fusion.u, v=fusion.v, true_points_mm=points_mm, true_u=pull.u, true_v=pull.v,
        axis_mm=case.vessel.frame.points_mm,
        direction_right=fusion.distal_to_proximal == pull.distal_to_proximal,
        handedness_right=fusion.handedness == pull.handedness,
    )  # fmt: skip


def summarise(records: Sequence[IvusRecord]) -> IvusSummary:
    """Figures of one group."""
    right = np.array([r.right for r in records], dtype=bool)
    flagged = np.array([bool(r.flags) for r in records], dtype=bool)
    long = np.array([r.longitudinal_mm for r in records])
    count = len(records)
    return IvusSummary(
        cases=count,
        success=share(int(right.sum()), count),
        direction=share(sum(r.direction_right for r in records), count),
        handedness=share(sum(r.handedness_right for r in records), count),
        f1_median=median(np.array([r.f1 for r in records])),
        cos_u_median=median(np.array([r.cos_u for r in records])),
        cos_v_median=median(np.array([r.cos_v for r in records])),
        longitudinal_mm_median=median(long),
        longitudinal_mm_p95=percentile(long, 95.0),
        rotation_deg_median=median(np.array([r.rotation_deg for r in records])),
        flagged=share(int(flagged.sum()), count),
        right_among_unflagged=share(int((right & ~flagged).sum()), int((~flagged).sum())),
        flagged_among_wrong=share(int((flagged & ~right).sum()), int((~right).sum())),
        wrong_among_flagged=share(int((flagged & ~right).sum()), int(flagged.sum())),
        silent=int((~flagged & ~right).sum()),
        seconds_median=median(np.array([r.seconds for r in records])),
        reliability=_reliability(np.array([r.confidence for r in records]), right),
        risk_coverage=_risk_coverage(np.array([r.confidence for r in records]), right),
    )


def _reliability(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    edges = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0001])
    rows = []
    for low, high in pairwise(edges):
        within = (confidence >= low) & (confidence < high)
        if within.any():
            rows.append({"stated": float(confidence[within].mean()), "right": float(right[within].mean()),
                         "cases": float(within.sum())})  # fmt: skip
    return rows


def _risk_coverage(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    count = np.arange(1, len(order) + 1)
    rows = zip(count / max(len(order), 1), wrong / count, confidence[order], strict=True)
    return [{"coverage": float(c), "risk": float(w), "confidence": float(p)} for c, w, p in rows]


def _source(case: IvusCase, arm: str) -> Any:
    if arm == "frames":
        middle = case.frames.shape[1] // 2
        return Pullback(frames=case.frames, pixel_mm=PIXEL_MM, centre_px=(middle, middle),
                        z_mm=case.pullback.nominal_mm, source=f"{case.split}-{case.seed}")  # fmt: skip
    import tempfile

    from engines.ivus.files.contour_tables import read_contours
    from engines.simulation.ivus.contours import contour_tables

    with tempfile.TemporaryDirectory() as folder:
        for name, text in contour_tables(case.shapes, case.pullback).items():
            (Path(folder) / f"{name}.csv").write_text(text)
        return read_contours(folder)


def _record(
    case: IvusCase, run: tuple[str, str], fusion: Fusion, errors: IvusErrors, seconds: float,
    landmarks: LandmarkRecord | None,
) -> IvusRecord:  # fmt: skip
    low, high = float(case.pullback.arc_mm.min()), float(case.pullback.arc_mm.max())
    return IvusRecord(
        split=case.split, seed=case.seed, arm=run[0], method=run[1], right=errors.right,
        direction_right=errors.direction_right, handedness_right=errors.handedness_right, f1=errors.f1,
        cos_u=errors.cos_u, cos_v=errors.cos_v, longitudinal_mm=errors.longitudinal_mm,
        longitudinal_p95_mm=errors.longitudinal_p95_mm, rotation_deg=errors.rotation_deg,
        distance_mm=errors.distance_mm, confidence=fusion.confidence, flags=list(fusion.flags), signs=fusion.signs,
        branches=sum(low < branch.arc_mm < high for branch in case.vessel.branches),
        calcium=sum(low < piece.arc_mm < high for piece in case.vessel.calcium),
        centerline_flaws=list(case.flaws), seconds=seconds, landmarks=landmarks,
    )  # fmt: skip


class _Listener:
    def __init__(self, log: RecordLog[IvusRecord], progress: Callable[[str], None]) -> None:
        self._log, self._progress = log, progress
        self.failures: list[dict[str, str]] = []

    def item(self, task: IvusTask, item: IvusRecord) -> None:
        self._log.add(item)
        verdict = "right" if item.right else "wrong"
        self._progress(
            f"{task.name}/{item.arm}/{item.method}: {verdict}, {item.longitudinal_mm:.1f} mm, "
            f"{item.rotation_deg:.0f} deg, confidence {item.confidence:.2f}, {' '.join(item.flags) or 'no flag'}, "
            f"{item.seconds:.1f} s"
        )

    def finished(self, task: IvusTask) -> None:
        """Its items were told."""

    def failed(self, task: IvusTask, reason: str) -> None:
        self.failures.append({"case": task.name, "reason": reason})
        self._progress(f"{task.name}: failed: {reason}")

    def note(self, text: str) -> None:
        self._progress(text)
