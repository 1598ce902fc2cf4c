"""Figures over many registrations: success, capture range, times, and the calibration of the confidence.

After van de Kraats et al. 2005 (IEEE TMI 24:1177): starts are binned by their initial error, success is a share of
starts with its confidence interval, and the capture range ends where the first bin falls below 95 % success.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel

from engines.evaluation.registration.trial import UNJUDGED, Trial
from engines.evaluation.statistics import Interval, mean_interval, median, percentile, share, share_over_groups

SUCCESS_MM = (1.0, 2.0, 5.0, 10.0)
WRONG_MM = 5.0
_CAPTURED_MM = 2.0
_CAPTURED_SHARE = 0.95
_BIN_MM = 5.0
_BIN_PX = 10.0
_CONFIDENCE_BINS = 10
_DECILES = 10
_DIVERGED_PX = 5.0  # Downs et al. 2025, figure 8: "diverges from y=5"


class StartBin(BaseModel):
    """Success of the starts whose initial MPE lies in [low, high)."""

    low: float
    high: float
    success: Interval


class CaptureRange(BaseModel):
    """The largest error of a start (initial MPE) from which registration succeeds; null if the nearest bin fails.

    `mm` and `px` end before the first bin with less than 95 % of its starts within 2 mm (bins without starts are
    skipped). `median_px` follows Downs et al. 2025: ten bins of equal counts, up to the first bin
    whose median MPE after registration exceeds 5 px.
    """

    success_limit_mm: float
    mm: float | None
    px: float | None
    median_px: float | None
    bins_mm: list[StartBin]
    bins_px: list[StartBin]


class ConfidenceBin(BaseModel):
    """Registrations of similar confidence, and how many of them were right."""

    low: float
    high: float
    mean_confidence: float | None
    within_5mm: Interval


class Calibration(BaseModel):
    """Reliability of the stated confidence of an error below 5 mm."""

    brier: float | None
    brier_interval: tuple[float, float] | None
    expected_calibration_error: float | None
    bins: list[ConfidenceBin]


class Summary(BaseModel):
    """Figures over the trials of one method from one kind of start.

    Intervals are 95 %. Those of `success` treat starts as independent, those of `success_over_cases` only patients.
    Figures that begin with `second_` are measured in the second view of pairs. The `accepted`, `wrong` and `right`
    shares and the calibration exist only for methods with a confidence.
    """

    trials: int
    failed: int
    error_mm: Interval
    error_p95_mm: float | None
    error_p95: Interval
    mpe_mm: Interval
    mpe_p95_mm: float | None
    mpe_p95: Interval
    mtre_mm: Interval
    second_error_mm: Interval
    success: dict[str, Interval]
    success_over_cases: dict[str, Interval]
    seconds: Interval
    within_3px_of_vessel: Interval
    second_within_3px_of_vessel: Interval
    status: dict[str, int]
    accepted_and_wrong: Interval
    wrong_and_not_accepted: Interval
    right_and_not_accepted: Interval
    brier_5mm: float | None
    capture_range: CaptureRange
    calibration: Calibration


class WrongAnatomy(BaseModel):
    """Verdicts on registrations with another patient's model, which should all be rejected."""

    trials: int
    status: dict[str, int]
    accepted: Interval
    rejected: Interval


def wrong_anatomy_of(trials: Sequence[Trial]) -> WrongAnatomy:
    """Counts of the verdicts; a registration that was refused with an error counts as rejected."""
    judged = [trial for trial in trials if trial.status != UNJUDGED]
    rejected = sum(trial.status in ("rejected", "error") for trial in judged)
    return WrongAnatomy(
        trials=len(trials),
        status={status: sum(t.status == status for t in trials) for status in sorted({t.status for t in trials})},
        accepted=share(sum(trial.status == "accepted" for trial in judged), len(judged)),
        rejected=share(rejected, len(judged)),
    )


def summarise(trials: Sequence[Trial]) -> Summary:
    """Figures of a set of trials; a trial that ended in an error counts as not successful."""
    n = len(trials)
    error, mpe = _values(trials, "error_mm"), _values(trials, "mpe_mm")
    error_p95, mpe_p95 = percentile(error, 95.0), percentile(mpe, 95.0)
    finished = [trial for trial in trials if trial.error_mm is not None]
    judged = [trial for trial in trials if trial.status != UNJUDGED]
    accepted = np.array([trial.status == "accepted" for trial in judged], dtype=bool)
    wrong = _values(judged, "error_mm") > WRONG_MM
    pairs = [trial for trial in trials if trial.views > 1]
    calibration = calibration_of(judged)
    return Summary(
        trials=n,
        failed=n - len(finished),
        error_mm=median(error),
        error_p95_mm=error_p95.value,
        error_p95=error_p95,
        mpe_mm=median(mpe),
        mpe_p95_mm=mpe_p95.value,
        mpe_p95=mpe_p95,
        # In space only with two views: with one view, mTRE would measure the depth, which the view does not show.
        mtre_mm=median(_values(pairs, "mtre_mm")),
        second_error_mm=median(_values(pairs, "second_error_mm")),
        success={f"{limit:g}mm": share(int((error < limit).sum()), n) for limit in SUCCESS_MM},
        success_over_cases={
            f"{limit:g}mm": share_over_groups(error < limit, [trial.case for trial in trials]) for limit in SUCCESS_MM
        },
        seconds=median(np.array([trial.elapsed_ms / 1e3 for trial in finished])),
        within_3px_of_vessel=_near([trial.vessel_distance_px for trial in trials]),
        second_within_3px_of_vessel=_near([trial.second_vessel_distance_px for trial in pairs]),
        status={status: sum(t.status == status for t in trials) for status in sorted({t.status for t in trials})},
        accepted_and_wrong=share(int((accepted & wrong).sum()), int(accepted.sum())),
        wrong_and_not_accepted=share(int((wrong & ~accepted).sum()), int(wrong.sum())),
        right_and_not_accepted=share(int((~wrong & ~accepted).sum()), int((~wrong).sum())),
        brier_5mm=calibration.brier,
        capture_range=capture_range(trials),
        calibration=calibration,
    )


def capture_range(trials: Sequence[Trial], *, success_limit_mm: float = _CAPTURED_MM) -> CaptureRange:
    """The largest initial error from which registration almost always succeeds."""
    right = _values(trials, "error_mm") < success_limit_mm
    bins_mm = _start_bins(np.array([t.start_mpe_mm for t in trials]), right, _BIN_MM)
    bins_px = _start_bins(np.array([t.start_mpe_px for t in trials]), right, _BIN_PX)
    return CaptureRange(
        success_limit_mm=success_limit_mm,
        mm=_captured(bins_mm),
        px=_captured(bins_px),
        median_px=_median_captured_px(trials),
        bins_mm=bins_mm,
        bins_px=bins_px,
    )


def calibration_of(trials: Sequence[Trial]) -> Calibration:
    """How often registrations of each confidence were right; an error counts as confidence 0 and wrong."""
    stated = np.array([0.0 if t.confidence is None else t.confidence for t in trials])
    return reliability_of(stated, _values(trials, "error_mm") < WRONG_MM)


def reliability_of(stated: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> Calibration:
    """Stated confidences in tenths, against the share that was right."""
    edges = np.linspace(0.0, 1.0, _CONFIDENCE_BINS + 1)
    place = np.clip((stated * _CONFIDENCE_BINS).astype(int), 0, _CONFIDENCE_BINS - 1)
    bins, gap = [], 0.0
    for index in range(_CONFIDENCE_BINS):
        inside = place == index
        count = int(inside.sum())
        mean = float(stated[inside].mean()) if count else None
        gap += 0.0 if mean is None else count * abs(mean - float(right[inside].mean()))
        within = share(int(right[inside].sum()), count)
        bins.append(
            ConfidenceBin(
                low=float(edges[index]), high=float(edges[index + 1]), mean_confidence=mean, within_5mm=within
            )
        )
    n = len(stated)
    squares = (stated - right) ** 2
    return Calibration(
        brier=float(squares.mean()) if n else None,
        brier_interval=mean_interval(squares) if n else None,
        expected_calibration_error=gap / n if n else None,
        bins=bins,
    )


def _near(distances_px: Sequence[float | None]) -> Interval:
    known = [distance for distance in distances_px if distance is not None]
    return share(sum(distance <= 3.0 for distance in known), len(known))


def _values(trials: Sequence[Trial], name: str) -> Float[np.ndarray, " n"]:
    found = [getattr(trial, name) for trial in trials]
    return np.array([np.inf if value is None else value for value in found], dtype=np.float64)


def _start_bins(initial: Float[np.ndarray, " n"], right: np.ndarray, width: float) -> list[StartBin]:
    finite = np.isfinite(initial)
    place = np.where(finite, np.where(finite, initial, 0.0) // width, -1).astype(int)
    return [
        StartBin(
            low=index * width,
            high=(index + 1) * width,
            success=share(int(right[place == index].sum()), int((place == index).sum())),
        )
        for index in range(int(place.max(initial=-1)) + 1)
    ]


def _captured(bins: Sequence[StartBin]) -> float | None:
    reached = None
    for found in bins:
        if found.success.value is None:
            continue
        if found.success.value < _CAPTURED_SHARE:
            break
        reached = found.high
    return reached


def _median_captured_px(trials: Sequence[Trial]) -> float | None:
    ordered = sorted((t for t in trials if np.isfinite(t.start_mpe_px)), key=lambda t: t.start_mpe_px)
    if len(ordered) < _DECILES:
        return None
    reached = None
    for part in np.array_split(np.arange(len(ordered)), _DECILES):
        after = _values([ordered[index] for index in part], "mpe_px")
        if float(np.median(after)) > _DIVERGED_PX:
            break
        reached = ordered[part[-1]].start_mpe_px
    return reached
