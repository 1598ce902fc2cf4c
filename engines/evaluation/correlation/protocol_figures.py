"""Figures of the correlation protocol, named as in the poster, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field

from engines.evaluation.correlation.protocol_trials import ProtocolTrial
from engines.evaluation.statistics import Interval, median, share, share_over_groups
from engines.inference.machine import Machine

_RESAMPLES = 2000


class Best(BaseModel):
    """Mean and standard deviation of the best share of the cases (the poster's "top 95 %"), in mm."""

    share: float
    mean: float
    sd: float


class RowFigures(BaseModel):
    """One row of the table; mTRE in space, mean projection distance in the isocentre plane.

    Intervals treat cases as independent; that of `within_10mm_over_patients` treats only patients as independent.
    """

    cases: int
    best: list[Best]
    mtre_mm: Interval
    mtre_p95_mm: float
    within_10mm: Interval
    within_5mm: Interval
    within_10mm_over_patients: Interval
    mpd_mm: Interval
    seconds: Interval


class Compared(BaseModel):
    """A row against the reference row on the same cases: differences with 95 % paired bootstrap intervals.

    `success_points` is the gain in the share within 10 mm, in percentage points; `mtre_mm` the mean gain, with errors
    limited to 100 mm, so that a single lost case cannot decide.
    """

    cases: int
    success_points: Interval
    mtre_mm: Interval


class ProtocolReport(BaseModel):
    """The file of `evaluate correlation-protocol`."""

    model_config = ConfigDict(serialize_by_alias=True)
    schema_: str = Field(default="guidance-app/correlation-protocol/1", serialization_alias="schema")
    machine: Machine
    seed: int
    variant: str
    data: str
    settings: dict[str, str]
    reference: str
    rows: dict[str, RowFigures]
    against_reference: dict[str, Compared]
    trials: list[ProtocolTrial]


def row_figures(trials: Sequence[ProtocolTrial]) -> RowFigures:
    """Figures over the cases of one row."""
    mtre = np.array([trial.mtre_mm for trial in trials])
    return RowFigures(
        cases=len(mtre),
        best=[best_share(mtre, part) for part in (0.95, 0.75, 0.5)],
        mtre_mm=median(mtre),
        mtre_p95_mm=float(np.percentile(mtre, 95)),
        within_10mm=share(int((mtre < 10.0).sum()), len(mtre)),
        within_5mm=share(int((mtre < 5.0).sum()), len(mtre)),
        within_10mm_over_patients=share_over_groups(mtre < 10.0, [trial.patient for trial in trials]),
        mpd_mm=median(np.array([trial.mpd_mm for trial in trials])),
        seconds=median(np.array([trial.seconds for trial in trials])),
    )


def best_share(errors_mm: Float[np.ndarray, " n"], part: float) -> Best:
    """Mean and standard deviation of the lowest `part` of the errors, at least one."""
    kept = np.sort(errors_mm)[: max(1, round(part * len(errors_mm)))]
    return Best(share=part, mean=float(kept.mean()), sd=float(kept.std()))


def compared(trials: Sequence[ProtocolTrial], reference: Sequence[ProtocolTrial], *, seed: int = 0) -> Compared:
    """Gains over the reference on the cases of both."""
    theirs = {trial.case: trial.mtre_mm for trial in reference}
    pairs = np.array([(t.mtre_mm, theirs[t.case]) for t in trials if t.case in theirs])
    if not len(pairs):
        nothing = Interval(value=None, low=None, high=None, n=0)
        return Compared(cases=0, success_points=nothing, mtre_mm=nothing)
    success = 100.0 * ((pairs[:, 0] < 10.0).astype(float) - (pairs[:, 1] < 10.0))
    gain = np.minimum(pairs[:, 1], 100.0) - np.minimum(pairs[:, 0], 100.0)
    return Compared(cases=len(pairs), success_points=_mean_interval(success, seed), mtre_mm=_mean_interval(gain, seed))


def _mean_interval(values: Float[np.ndarray, " n"], seed: int) -> Interval:
    drawn = np.random.default_rng(seed).choice(values, size=(_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(value=float(values.mean()), low=float(low), high=float(high), n=len(values))
