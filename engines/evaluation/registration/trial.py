"""One measured registration: one start, one method."""

from __future__ import annotations

import math
import time

from pydantic import BaseModel, ConfigDict

from calibration.errors import GuidanceError
from calibration.projection import Projection
from engines.evaluation.registration.metrics import (
    box_corners_mm,
    depth_error_mm,
    projection_error_mm,
    target_error_mm,
    vessel_distance_px,
)
from engines.evaluation.registration.subject import DrawnStart, Subject
from engines.registration.methods.method import MethodResult, RegistrationMethod, start_pose

UNJUDGED = "unjudged"  # status of a method without a confidence


TrialKey = tuple[str, str, str, str, int]


TRIALS = "trials"  # in the name of the log that finished ones are kept in


class Trial(BaseModel):
    """One registration; lengths in the isocentre plane unless they are stated in space or along the beam.

    `error_mm` is the mean projection distance on the vessels (mPD), `mpe_mm` that of the eight corners of the box
    around them (MPE), both in the first view. Figures with `second_` are measured in the second view, in its own
    isocentre plane. `mtre_mm` is measured in space, against the first view's pose. With another patient's model
    (`model_of`) there is no error; only the verdict counts.
    """

    model_config = ConfigDict(frozen=True)
    method: str = "ours"
    source: str = ""
    case: str
    run: str
    model_of: str = ""
    frame: int
    views: int = 1
    start: str
    number: int = -1
    start_error_mm: float
    start_mpe_mm: float
    start_mpe_px: float
    error_mm: float | None
    mpe_mm: float | None = None
    mpe_px: float | None = None
    mtre_mm: float | None = None
    depth_error_mm: float | None = None
    vessel_distance_px: float | None = None
    second_error_mm: float | None = None
    second_vessel_distance_px: float | None = None
    status: str
    confidence: float | None
    expected_error_mm: float | None = None
    depth_sigma_mm: float | None = None
    elapsed_ms: float
    reason: str = ""

    @property
    def key(self) -> TrialKey:
        """The key that identifies the trial within an evaluation."""
        return self.method, self.source, self.case, self.run, self.number


def run_trial(subject: Subject, start: DrawnStart, method: RegistrationMethod) -> tuple[Trial, MethodResult | None]:
    """Register once and measure; if the method refuses the input, the trial has no pose but the reason."""
    geometry, points = subject.view.geometry, subject.vessel_points_mm()
    corners, truth = box_corners_mm(points), subject.true_isocentre_from_lps
    true = geometry.projection(truth)
    begin = geometry.projection(start_pose(start.init, subject.model))
    start_mpe_mm = projection_error_mm(begin, true, corners, geometry)
    base = {
        "method": method.name,
        "case": subject.case,
        "run": subject.run,
        "model_of": subject.model_of,
        "frame": subject.view.frame,
        "views": len(subject.views),
        "start": start.kind,
        "number": start.number,
        "start_error_mm": projection_error_mm(begin, true, points, geometry),
        "start_mpe_mm": start_mpe_mm,
        "start_mpe_px": start_mpe_mm / geometry.isocentre_mm_per_px,
    }
    began = time.perf_counter()
    try:
        result = method.register(subject.views, subject.model, start.init)
    except GuidanceError as error:
        elapsed_ms = 1e3 * (time.perf_counter() - began)
        refused = Trial(**base, error_mm=None, status="error", confidence=0.0, elapsed_ms=elapsed_ms, reason=str(error))
        return refused, None
    found = geometry.projection(result.isocentre_from_lps)
    judged = result.registration
    verdict = {
        "vessel_distance_px": vessel_distance_px(found, points, subject.view),
        "status": UNJUDGED if judged is None else judged.status,
        "confidence": None if judged is None else judged.confidence,
        "expected_error_mm": None if judged is None else judged.expected_error_mm,
        "depth_sigma_mm": None if judged is None else judged.depth_sigma_mm,
        "elapsed_ms": 1e3 * result.seconds,
        "reason": "" if judged is None else "; ".join(judged.reasons),
    }
    if subject.model_of:
        return Trial(**base, error_mm=None, **verdict), result
    mpe_mm = projection_error_mm(found, true, corners, geometry)
    trial = Trial(
        **base,
        error_mm=_finite(projection_error_mm(found, true, points, geometry)),
        mpe_mm=_finite(mpe_mm),
        mpe_px=_finite(mpe_mm / geometry.isocentre_mm_per_px),
        mtre_mm=target_error_mm(result.isocentre_from_lps, truth, points),
        depth_error_mm=_finite(depth_error_mm(found, true, points)),
        **_in_second_view(subject, result),
        **verdict,
    )
    return trial, result


def second_projection(subject: Subject, result: MethodResult) -> Projection | None:
    """The projection of a pair's other view, including the table's move if the method finds one."""
    if subject.second is None:
        return None
    judged = result.registration
    if judged is not None and len(judged.views) > 1:
        return judged.views[1].projection
    return subject.second.geometry.projection(result.isocentre_from_lps)


def _in_second_view(subject: Subject, result: MethodResult) -> dict[str, float | None]:
    found, there = second_projection(subject, result), subject.second_isocentre_from_lps
    if found is None or there is None or subject.second is None:
        return {}
    geometry, points = subject.second.geometry, subject.vessel_points_mm()
    return {
        "second_error_mm": _finite(projection_error_mm(found, geometry.projection(there), points, geometry)),
        "second_vessel_distance_px": vessel_distance_px(found, points, subject.second),
    }


def _finite(value: float) -> float | None:
    """The value, or None if not finite: a pose with everything behind the source has no error and counts as failed."""
    return value if math.isfinite(value) else None
