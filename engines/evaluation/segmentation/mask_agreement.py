"""Measure how well masks agree, for each image and over a set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from skimage.morphology import skeletonize

from engines.evaluation.statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskScores:
    """Agreement of one mask with its reference; all in 0..1, and NaN if both masks are empty.

    `cl_dice` is centreline Dice (Shit et al., CVPR 2021): it counts branches, not area.
    """

    dice: float
    precision: float
    recall: float
    cl_dice: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, quartiles and the median's 95 % bootstrap interval over a set, and the number of values."""

    median: float
    lower_quartile: float
    upper_quartile: float
    count: int
    median_low: float
    median_high: float


def score_mask(found: Bool[np.ndarray, "rows columns"], reference: Bool[np.ndarray, "rows columns"]) -> MaskScores:
    """Dice, precision and recall (Li et al., eq. 6 to 8) and clDice."""
    found, reference = np.asarray(found, bool), np.asarray(reference, bool)
    both = float((found & reference).sum())
    precision = _share(both, float(found.sum()), float(reference.sum()))
    recall = _share(both, float(reference.sum()), float(found.sum()))
    found_line, reference_line = skeletonize(found), skeletonize(reference)
    line_precision = _share(float((found_line & reference).sum()), float(found_line.sum()), float(reference_line.sum()))
    line_recall = _share(float((reference_line & found).sum()), float(reference_line.sum()), float(found_line.sum()))
    return MaskScores(
        dice=_harmonic(precision, recall), precision=precision, recall=recall,
        cl_dice=_harmonic(line_precision, line_recall),
    )  # fmt: skip


def summarise(scores: Iterable[MaskScores]) -> dict[str, Spread]:
    """Median and quartiles of each figure; an image with an undefined figure is left out of it."""
    scores = list(scores)
    return {name: _spread([getattr(s, name) for s in scores]) for name in ("dice", "precision", "recall", "cl_dice")}


def _share(part: float, whole: float, other: float) -> float:
    if whole == 0:
        return float("nan") if other == 0 else 0.0
    return part / whole


def _harmonic(a: float, b: float) -> float:
    if np.isnan(a) or np.isnan(b):
        return float("nan")
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def _spread(values: list[float]) -> Spread:
    finite = np.array([v for v in values if not np.isnan(v)])
    if finite.size == 0:
        nan = float("nan")
        return Spread(median=nan, lower_quartile=nan, upper_quartile=nan, count=0, median_low=nan, median_high=nan)
    lower, upper = np.percentile(finite, [25, 75])
    middle = median(finite)
    assert middle.value is not None
    assert middle.low is not None
    assert middle.high is not None
    return Spread(
        median=middle.value, lower_quartile=float(lower), upper_quartile=float(upper), count=int(finite.size),
        median_low=middle.low, median_high=middle.high,
    )  # fmt: skip
