"""Simulated cases, made and registered one after the other: success, errors, trust, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engines.evaluation.cohort import Workplace, run_cohort
from engines.evaluation.ivus.metrics import IvusErrors, ivus_errors
from engines.evaluation.record_log import RecordLog
from engines.evaluation.statistics import Interval, median, percentile, share
from engines.inference.machine import Machine, this_machine
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Fusion
from engines.simulation.ivus.case import IvusCase, draw_case
from engines.simulation.ivus.ultrasound import PIXEL_MM

ARMS = ("frames", "contours")


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


class IvusReport(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    schema_: str = Field("guidance-app/evaluate-ivus/1", alias="schema")
    machine: Machine
    data: str
    seed: int
    summaries: dict[str, IvusSummary]
    failures: list[dict[str, str]]
    cases: list[IvusRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class IvusTask:
    split: str
    seed: int
    arm: str
    method: str

    @property
    def name(self) -> str:
        return f"{self.split}-{self.seed}/{self.arm}/{self.method}"


def evaluate_ivus(
    tasks: Sequence[IvusTask],
    *,
    report: Path | None = None,
    place: Workplace | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> IvusReport:
    """Register every task; finished ones of an interrupted run are taken over."""
    log = RecordLog(IvusRecord, report, {"schema": 1}, progress=progress)
    done = {(r.split, r.seed, r.arm, r.method) for r in log.records}
    left = [task for task in tasks if (task.split, task.seed, task.arm, task.method) not in done]
    listener = _Listener(log, len(left), progress)
    run_cohort(register_simulated, left, listener, place)
    wanted = {(task.split, task.seed, task.arm, task.method) for task in tasks}
    records = sorted(
        (r for r in log.records if (r.split, r.seed, r.arm, r.method) in wanted),
        key=lambda r: (r.split, r.arm, r.method, r.seed),
    )
    groups = sorted({(r.split, r.arm, r.method) for r in records})
    return IvusReport(
        schema="guidance-app/evaluate-ivus/1",
        machine=this_machine(),
        data="simulated CCTA-IVUS cases with exact truth",
        seed=min((task.seed for task in tasks), default=0),
        summaries={
            "/".join(group): summarise([r for r in records if (r.split, r.arm, r.method) == group]) for group in groups
        },
        failures=listener.failures,
        cases=records,
    )


def register_simulated(task: IvusTask, emit: Callable[[IvusRecord], None]) -> None:
    """One task: draw the case, register it, compare with the truth."""
    from engines.ivus.methods import register_by
    from engines.simulation.ivus.contours import true_centroids_mm

    case = draw_case(task.split, task.seed)
    source, points = _source(case, task.arm), case.pullback.points_mm
    if task.arm == "contours":
        points = true_centroids_mm(case.shapes, case.pullback)
    began = time.perf_counter()
    fusion = register_by(task.method, case.ct, case.centerline_mm, source)
    seconds = time.perf_counter() - began
    emit(_record(task, case, fusion, errors_against(case, fusion, points), seconds))


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


def _record(task: IvusTask, case: IvusCase, fusion: Fusion, errors: IvusErrors, seconds: float) -> IvusRecord:
    low, high = float(case.pullback.arc_mm.min()), float(case.pullback.arc_mm.max())
    return IvusRecord(
        split=task.split, seed=task.seed, arm=task.arm, method=task.method, right=errors.right,
        direction_right=errors.direction_right, handedness_right=errors.handedness_right, f1=errors.f1,
        cos_u=errors.cos_u, cos_v=errors.cos_v, longitudinal_mm=errors.longitudinal_mm,
        longitudinal_p95_mm=errors.longitudinal_p95_mm, rotation_deg=errors.rotation_deg,
        distance_mm=errors.distance_mm, confidence=fusion.confidence, flags=list(fusion.flags), signs=fusion.signs,
        branches=sum(low < branch.arc_mm < high for branch in case.vessel.branches),
        calcium=sum(low < piece.arc_mm < high for piece in case.vessel.calcium),
        centerline_flaws=list(case.flaws), seconds=seconds,
    )  # fmt: skip


class _Listener:
    def __init__(self, log: RecordLog[IvusRecord], count: int, progress: Callable[[str], None]) -> None:
        self._log, self._count, self._progress, self._done = log, count, progress, 0
        self.failures: list[dict[str, str]] = []

    def item(self, task: IvusTask, item: IvusRecord) -> None:
        self._log.add(item)
        verdict = "right" if item.right else "wrong"
        self._progress(
            f"{task.name}: {verdict}, {item.longitudinal_mm:.1f} mm, {item.rotation_deg:.0f} deg, confidence "
            f"{item.confidence:.2f}, {' '.join(item.flags) or 'no flag'}, {item.seconds:.1f} s"
        )

    def finished(self, task: IvusTask) -> None:  # noqa: ARG002 - the cohort tells every listener so
        self._done += 1

    def failed(self, task: IvusTask, reason: str) -> None:
        self._done += 1
        self.failures.append({"case": task.name, "reason": reason})
        self._progress(f"{task.name}: failed: {reason}")

    def note(self, text: str) -> None:
        self._progress(text)
