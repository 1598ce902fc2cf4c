"""How well registration works: many seeded starts a view against a known or a reference pose.

After van de Kraats et al. 2005 (IEEE TMI 24:1177): starts are drawn around the reference, the error is measured on the
structure that matters, and success is a share of starts with its confidence interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial.transform import Rotation

from calibration.carm import CArmGeometry
from calibration.errors import GuidanceError
from calibration.pose import RigidPose
from calibration.projection import Projection, camera_from_projection_matrix
from engines.anatomy.vessel_model import VesselModel
from engines.evaluation.machine import Machine, this_machine
from engines.evaluation.statistics import Interval, median, share
from engines.registration.engine import register
from engines.registration.initial_pose import InitialPose, radiological_start, start_near
from engines.registration.options import RegistrationOptions
from engines.registration.pose_file import read_pose_file
from engines.registration.registration import Registration
from engines.registration.view import RegistrationView

SUCCESS_MM = (1.0, 2.0, 5.0, 10.0)
_WRONG_MM = 5.0
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSpread:
    """Standard deviations that starts are drawn with about the model's centroid."""

    rotation_deg: float = 7.0
    in_plane_mm: float = 15.0
    depth_mm: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One view with a pose to compare with.

    Args:
        true_isocentre_from_lps: exact for a simulated case, a reference for real data.
        reference: "truth" or "placement" - whether errors are errors or only differences.
    """

    case: str
    run: str
    view: RegistrationView
    model: VesselModel
    true_isocentre_from_lps: RigidPose
    reference: str = "truth"


class Trial(BaseModel):
    """One registration; lengths in the isocentre plane."""

    model_config = ConfigDict(frozen=True)
    case: str
    run: str
    frame: int
    start: str
    start_error_mm: float
    error_mm: float | None
    depth_error_mm: float | None = None
    vessel_distance_px: float | None = None
    status: str
    confidence: float
    expected_error_mm: float | None
    depth_sigma_mm: float | None
    elapsed_ms: float
    reason: str = ""


class Summary(BaseModel):
    """Figures over the trials of one kind of start."""

    trials: int
    failed: int
    error_mm: Interval
    success: dict[str, Interval]
    seconds: Interval
    within_3px_of_vessel: Interval
    status: dict[str, int]
    accepted_and_wrong: Interval
    wrong_and_not_accepted: Interval
    right_and_not_accepted: Interval
    brier_5mm: float | None


class Report(BaseModel):
    """The file of `evaluate registration`."""

    model_config = ConfigDict(serialize_by_alias=True)
    schema_: str = Field(default="guidance-app/evaluate-registration/1", serialization_alias="schema")
    machine: Machine
    seed: int
    data: list[str]
    spread: dict[str, float]
    total: dict[str, Summary]
    per_run: dict[str, dict[str, Summary]]
    failures: list[str]
    trials: list[Trial]


def evaluate(
    sources: Sequence[tuple[str, Callable[[], Sequence[Subject]]]],
    *,
    starts: int,
    seed: int,
    spread: StartSpread | None = None,
    options: RegistrationOptions | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Register every subject of every source from `starts` drawn poses and once from its header alone.

    A source that cannot be read is noted and the others go on.

    Args:
        sources: name and loader of each folder.
    """
    spread, options = spread or StartSpread(), options or RegistrationOptions(refine_drr=False)
    trials: list[Trial] = []
    failures: list[str] = []
    for number, (name, load) in enumerate(sources):
        try:
            subjects = load()
        except GuidanceError as error:
            failures.append(f"{name}: {error}")
            progress(f"[{number + 1}/{len(sources)}] {name}: {error}")
            continue
        for index, subject in enumerate(subjects):
            rng = np.random.default_rng([seed, number, index])
            found = [_trial(subject, start, label, options) for label, start in _starts(subject, starts, spread, rng)]
            trials.extend(found)
            good = [t for t in found if t.error_mm is not None and t.error_mm < 2.0]
            progress(
                f"[{number + 1}/{len(sources)}] {subject.case} {subject.run}: {len(good)}/{len(found)} within 2 mm"
            )
    runs = sorted({f"{trial.case}/{trial.run}" for trial in trials})
    return Report(
        machine=this_machine(),
        seed=seed,
        data=[name for name, _ in sources],
        spread={"rotation_deg": spread.rotation_deg, "in_plane_mm": spread.in_plane_mm, "depth_mm": spread.depth_mm},
        total=_by_start(trials),
        per_run={run: _by_start([t for t in trials if f"{t.case}/{t.run}" == run]) for run in runs},
        failures=failures,
        trials=trials,
    )


def drawn_start(
    true_isocentre_from_lps: RigidPose,
    pivot_mm: Float[np.ndarray, " 3"],
    geometry: CArmGeometry,
    spread: StartSpread,
    rng: np.random.Generator,
) -> RigidPose:
    """The pose turned about the pivot and moved along the camera's axes, all normally distributed."""
    turn = Rotation.from_rotvec(np.deg2rad(rng.normal(0.0, spread.rotation_deg, 3))).as_matrix()
    move = rng.normal(0.0, 1.0, 3) * (spread.in_plane_mm, spread.in_plane_mm, spread.depth_mm)
    pivot = true_isocentre_from_lps.apply(pivot_mm[None])[0]
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ true_isocentre_from_lps.rotation
    matrix[:3, 3] = pivot + geometry.camera_from_isocentre().rotation.T @ move - matrix[:3, :3] @ pivot_mm
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def projection_error_mm(
    found: Projection, true: Projection, points_mm: Float[np.ndarray, "n 3"], geometry: CArmGeometry
) -> float:
    """Mean distance between both projections of the points, in the isocentre plane."""
    there, depth = found.project(points_mm)
    here, true_depth = true.project(points_mm)
    in_front = (depth > 1.0) & (true_depth > 1.0)
    if not in_front.any():
        return float("inf")
    return float(np.linalg.norm(there - here, axis=1)[in_front].mean() * geometry.isocentre_mm_per_px)


def true_pose(truth: Path, frame: int, geometry: CArmGeometry) -> RigidPose:
    """isocentre_from_lps of a frame in a file of POSE.json's schema with one view a frame; frame -1 takes the first."""
    views = read_pose_file(truth).views
    match = [view for view in views if view.frame == frame] or views[:1]
    matrix = np.array(match[0].projection_px_from_lps_mm)
    return geometry.camera_from_isocentre().inverse() @ camera_from_projection_matrix(matrix, geometry.intrinsics_px())


def _starts(
    subject: Subject, starts: int, spread: StartSpread, rng: np.random.Generator
) -> list[tuple[str, InitialPose]]:
    pivot = subject.model.centroid_mm()
    drawn = [
        start_near(drawn_start(subject.true_isocentre_from_lps, pivot, subject.view.geometry, spread, rng))
        for _ in range(starts)
    ]
    return [("radiological", radiological_start()), *(("drawn", start) for start in drawn)]


def _trial(subject: Subject, start: InitialPose, label: str, options: RegistrationOptions) -> Trial:
    geometry, model = subject.view.geometry, subject.model
    assert model.centerlines is not None
    points = model.centerlines.points_mm()
    true = geometry.projection(subject.true_isocentre_from_lps)
    begin = start.isocentre_from_lps or _centred(model)
    base = {
        "case": subject.case,
        "run": subject.run,
        "frame": subject.view.frame,
        "start": label,
        "start_error_mm": projection_error_mm(geometry.projection(begin), true, points, geometry),
    }
    try:
        result = register([subject.view], model, case_id=subject.case, init=start, options=options)
    except GuidanceError as error:
        return Trial(
            **base, error_mm=None, status="error", confidence=0.0, expected_error_mm=None, depth_sigma_mm=None,
            elapsed_ms=0.0, reason=str(error),
        )  # fmt: skip
    return Trial(
        **base,
        error_mm=projection_error_mm(result.views[0].projection, true, points, geometry),
        depth_error_mm=_depth_error_mm(result, true, points),
        vessel_distance_px=vessel_distance_px(result.views[0].projection, points, subject.view),
        status=result.status,
        confidence=result.confidence,
        expected_error_mm=result.expected_error_mm,
        depth_sigma_mm=result.depth_sigma_mm,
        elapsed_ms=result.elapsed_ms,
        reason="; ".join(result.reasons),
    )


def vessel_distance_px(
    projection: Projection, points_mm: Float[np.ndarray, "n 3"], view: RegistrationView
) -> float | None:
    """Median distance of the projected points to the nearest segmented vessel pixel; points outside count as far."""
    import cv2

    mask = view.vessel > view.threshold
    if not mask.any():
        return None
    away = np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5))
    px, _ = projection.project(points_mm)
    rows, columns = mask.shape
    column, row = np.nan_to_num(px, nan=-1e4).T
    inside = (column > -0.5) & (column < columns - 0.5) & (row > -0.5) & (row < rows - 0.5)
    distance = np.full(len(px), float(max(rows, columns)))
    distance[inside] = away[np.rint(row[inside]).astype(int), np.rint(column[inside]).astype(int)]
    return float(np.median(distance))


def _depth_error_mm(result: Registration, true: Projection, points_mm: Float[np.ndarray, "n 3"]) -> float:
    found = result.views[0].projection.project(points_mm)[1]
    return float(np.abs((found - true.project(points_mm)[1]).mean()))


def _centred(model: VesselModel) -> RigidPose:
    matrix = np.eye(4)
    matrix[:3, 3] = -model.centroid_mm()
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def _by_start(trials: Sequence[Trial]) -> dict[str, Summary]:
    return {
        start: summarise([trial for trial in trials if trial.start == start])
        for start in sorted({trial.start for trial in trials})
    }


def summarise(trials: Sequence[Trial]) -> Summary:
    """Figures of a set of trials; a trial that ended in an error counts as not successful."""
    n = len(trials)
    error = np.array([np.inf if trial.error_mm is None else trial.error_mm for trial in trials])
    accepted = np.array([trial.status == "accepted" for trial in trials], dtype=bool)
    wrong = error > _WRONG_MM
    finished = [trial for trial in trials if trial.error_mm is not None]
    distance = [trial.vessel_distance_px for trial in trials if trial.vessel_distance_px is not None]
    confidence = np.array([trial.confidence for trial in trials])
    return Summary(
        trials=n,
        failed=n - len(finished),
        error_mm=median(error),
        success={f"{limit:g}mm": share(int((error < limit).sum()), n) for limit in SUCCESS_MM},
        seconds=median(np.array([trial.elapsed_ms / 1e3 for trial in finished])),
        within_3px_of_vessel=share(sum(d <= 3.0 for d in distance), len(distance)),
        status={status: sum(t.status == status for t in trials) for status in sorted({t.status for t in trials})},
        accepted_and_wrong=share(int((accepted & wrong).sum()), int(accepted.sum())),
        wrong_and_not_accepted=share(int((wrong & ~accepted).sum()), int(wrong.sum())),
        right_and_not_accepted=share(int((~wrong & ~accepted).sum()), int((~wrong).sum())),
        brier_5mm=float(((confidence - ~wrong) ** 2).mean()) if n else None,
    )
