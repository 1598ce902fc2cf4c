"""How well landmarks and lumen are found in each picture, in the layout of Table I of seed 000."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.evaluation.ivus.truth import angles_about, course_labels, landmark_cells, lumen_radii, wire_cells
from engines.ivus.fusion import Fusion
from engines.simulation.ivus.case import IvusCase

KINDS = ("ivus/guidewire", "ivus/bifurcation", "ivus/calcification", "ct/bifurcation", "ct/calcification")
_TOLD = 0.5
_ROWS = 2  # every second place of the CT, 0.6 mm apart: neighbours say the same
_BINS = 10


class LandmarkCounts(BaseModel):
    """Hits, false alarms and misses of one class: of angles, and of frames that show it at any angle.

    Args:
        stated, true, count: sums of probability and of truth, and the number of angles, by tenths of probability.
    """

    model_config = ConfigDict(frozen=True)
    angles: tuple[int, int, int]
    frames: tuple[int, int, int]
    stated: list[float]
    true: list[float]
    count: list[int]


class LumenErrors(BaseModel):
    """Radius of the circle with the lumen's area, found minus true, in mm."""

    model_config = ConfigDict(frozen=True)
    median_abs_mm: float
    bias_mm: float
    correlation: float


class LandmarkRecord(BaseModel):
    """Args:
    classes: by the names in `KINDS`.
    lumen: by "ivus" and "ct".
    """

    model_config = ConfigDict(frozen=True)
    classes: dict[str, LandmarkCounts]
    lumen: dict[str, LumenErrors]


class LandmarkTable(BaseModel):
    """One class over many cases; micro counts angles, macro frames (seed 000, IV-A)."""

    recall_micro: float | None
    recall_macro: float | None
    precision_micro: float | None
    precision_macro: float | None
    f1_micro: float | None
    f1_macro: float | None
    calibration_error: float


def landmark_record(case: IvusCase, fusion: Fusion) -> LandmarkRecord:
    """What a registration saw in both pictures against what is there."""
    frames, chosen = fusion.frame_maps, fusion.frame_index
    openings, calcium = (angles_about(cells[chosen], frames.centre_mm) for cells in landmark_cells(case.shapes))
    wires = angles_about(wire_cells(case)[chosen], frames.centre_mm)
    course = fusion.course
    line = course.frame
    given = np.flatnonzero((line.arc_mm >= 0.0) & (line.arc_mm <= course.given_mm))[::_ROWS]
    labels, radius = course_labels(
        case, MovingFrame(**{field.name: getattr(line, field.name)[given] for field in fields(MovingFrame)})
    )
    pairs = {
        "ivus/guidewire": (1.0 - frames.valid, wires), "ivus/bifurcation": (frames.branch, openings),
        "ivus/calcification": (frames.calcium, calcium),
        "ct/bifurcation": (fusion.course_maps.branch[given], labels[0]),
        "ct/calcification": (fusion.course_maps.calcium[given], labels[1]),
    }  # fmt: skip
    sizes = {
        "ivus": (frames.size_mm, _size(lumen_radii(case.shapes))[chosen]),
        "ct": (fusion.course_maps.size_mm[given], _size(radius)),
    }
    return LandmarkRecord(
        classes={name: _counts(*pair) for name, pair in pairs.items()},
        lumen={name: _lumen(*pair) for name, pair in sizes.items()},
    )


def landmark_table(records: Sequence[LandmarkRecord]) -> dict[str, LandmarkTable]:
    """Figures of each class over all cases."""
    return {name: _table([record.classes[name] for record in records]) for name in KINDS}


def _table(counts: Sequence[LandmarkCounts]) -> LandmarkTable:
    micro, macro = (np.sum([getattr(c, part) for c in counts], axis=0) for part in ("angles", "frames"))
    stated, true, count = (np.sum([getattr(c, part) for c in counts], axis=0) for part in ("stated", "true", "count"))
    return LandmarkTable(
        recall_micro=_ratio(micro[0], micro[0] + micro[2]), recall_macro=_ratio(macro[0], macro[0] + macro[2]),
        precision_micro=_ratio(micro[0], micro[0] + micro[1]), precision_macro=_ratio(macro[0], macro[0] + macro[1]),
        f1_micro=_ratio(2 * micro[0], 2 * micro[0] + micro[1] + micro[2]),
        f1_macro=_ratio(2 * macro[0], 2 * macro[0] + macro[1] + macro[2]),
        calibration_error=float(np.abs(stated - true).sum() / max(float(count.sum()), 1.0)),
    )  # fmt: skip


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _counts(chance: Float[np.ndarray, "n a"], truth: Float[np.ndarray, "n a"]) -> LandmarkCounts:
    told, there = np.asarray(chance > _TOLD), np.asarray(truth > 0.5)
    tenth = np.minimum((np.clip(chance, 0.0, 1.0) * _BINS).astype(int), _BINS - 1).ravel()

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(tenth, weights=values.ravel().astype(np.float64), minlength=_BINS)

    return LandmarkCounts(
        angles=_hits(told, there), frames=_hits(np.any(told, axis=1), np.any(there, axis=1)),
        stated=sums(chance).tolist(), true=sums(there).tolist(),
        count=np.bincount(tenth, minlength=_BINS).tolist(),
    )  # fmt: skip


def _hits(told: np.ndarray, there: np.ndarray) -> tuple[int, int, int]:
    return int((told & there).sum()), int((told & ~there).sum()), int((~told & there).sum())


def _size(radius_mm: Float[np.ndarray, "n a"]) -> Float[np.ndarray, " n"]:
    return np.sqrt((radius_mm**2).mean(axis=1))


def _lumen(found_mm: Float[np.ndarray, " n"], true_mm: Float[np.ndarray, " n"]) -> LumenErrors:
    apart = found_mm - true_mm
    spread = float(found_mm.std() * true_mm.std())
    together = float(((found_mm - found_mm.mean()) * (true_mm - true_mm.mean())).mean())
    return LumenErrors(
        median_abs_mm=float(np.median(np.abs(apart))), bias_mm=float(np.median(apart)),
        correlation=together / spread if spread > 1e-9 else 0.0,
    )  # fmt: skip
