"""How well the residuals of branches tell right overlays from wrong ones, beside the program's own confidence.

Overlays are drawn around the true pose: a right one is off by no more than a good registration leaves, a wrong one by
as much as still looks plausible. Nothing registers here; both judges see the very same poses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation
from scipy.stats import rankdata

from calibration.pose import RigidPose
from engines.evaluation.registration.judged_views import JudgedView
from engines.evaluation.registration.metrics import projection_error_mm
from engines.evaluation.registration.subject import Subject, turned_and_moved
from engines.evaluation.statistics import Interval
from engines.registration.initial_pose import start_near
from engines.registration.judged_pose import judged_pose
from engines.registration.registration import RegistrationBackend
from engines.registration.residuals.branch_evidence import REACH_MM
from engines.registration.residuals.branch_residuals import middle_mm, worst_mm
from engines.registration.residuals.class_residuals import ClassedModel

RIGHT_MM = (0.0, 1.0)  # mean projection error in the isocentre plane
WRONG_MM = (3.0, 8.0)
# Only the proportions count: the whole offset is scaled to the error that is wanted.
_TURN_DEG, _IN_PLANE_MM, _DEPTH_MM = 4.0, 6.0, 12.0
_RESAMPLES = 2000
_BACKEND = RegistrationBackend(render="none", inference="none", device="cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOverlay:
    """One overlay and what was said of it.

    Args:
        error_mm: mean projection error of the vessels, isocentre plane.
        worst_mm, middle_mm: of the branches' residuals; the whole reach where no branch has one.
        confidence: the program's own of this pose; None where it was not asked.
    """

    case: str
    run: str
    right: bool
    error_mm: float
    worst_mm: float
    middle_mm: float
    branches: int
    confidence: float | None

    def content(self) -> dict[str, Any]:
        names = ("case", "run", "right", "error_mm", "worst_mm", "middle_mm", "branches", "confidence")
        return {name: getattr(self, name) for name in names}


def judged_overlays(
    views: Sequence[JudgedView],
    *,
    each: int,
    seed: int,
    confidence: bool = True,
    progress: Callable[[str], None] = lambda _line: None,
) -> list[JudgedOverlay]:
    """So many right and so many wrong overlays, spread evenly over the views.

    Args:
        confidence: ask for the program's own too, which searches for rivals and takes seconds a pose.
    """
    found, models = [], dict[str, ClassedModel]()
    for number, view in enumerate(views):
        subject, rng = view.subject, np.random.default_rng([seed, number])
        model = models.setdefault(subject.case, ClassedModel(subject.model))
        for right, pose in _poses(subject, share_of(each, len(views), number), rng):
            residuals = model.residuals(pose, subject.view.geometry, view.seen)
            worst, middle = worst_mm(residuals), middle_mm(residuals)
            found.append(
                JudgedOverlay(
                    case=subject.case, run=view.name, right=right, error_mm=_error_mm(subject, pose),
                    worst_mm=REACH_MM if worst is None else worst, middle_mm=REACH_MM if middle is None else middle,
                    branches=sum(one.residual_mm is not None for one in residuals),
                    confidence=_own_confidence(subject, pose) if confidence else None,
                )
            )  # fmt: skip
        progress(f"[{number + 1}/{len(views)}] {subject.case} {view.name}")
    return found


def share_of(total: int, parts: int, number: int) -> int:
    """How many of `total` fall to this part, so that all parts together have them all."""
    return total // parts + (number < total % parts)


def area_under_curve(doubt: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> float:
    """Share of pairs in which the wrong overlay is doubted more; ties count half (Mann and Whitney 1947)."""
    ranks = rankdata(doubt)
    wrong = ~right
    pairs = int(wrong.sum()) * int(right.sum())
    if pairs == 0:
        return float("nan")
    return float((ranks[wrong].sum() - 0.5 * wrong.sum() * (wrong.sum() + 1)) / pairs)


def area_with_interval(
    doubt: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], groups: Sequence[str], *, seed: int = 0
) -> Interval:
    """The area with a percentile bootstrap that resamples whole views: overlays of one view are not independent."""
    names = sorted(set(groups))
    members = [np.flatnonzero([group == name for group in groups]) for name in names]
    rng = np.random.default_rng(seed)
    areas = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([members[index] for index in rng.integers(len(names), size=len(names))])
        areas.append(area_under_curve(doubt[drawn], right[drawn]))
    low, high = np.nanpercentile(areas, (2.5, 97.5))
    return Interval(value=area_under_curve(doubt, right), low=float(low), high=float(high), n=len(doubt))


def areas(rows: Sequence[JudgedOverlay]) -> dict[str, Interval]:
    """By judge: residual of the worst branch, of the middle one, and the program's own confidence."""
    right = np.array([row.right for row in rows])
    groups = [f"{row.case} {row.run}" for row in rows]
    judges = {
        "worst branch": np.array([row.worst_mm for row in rows]),
        "middle branch": np.array([row.middle_mm for row in rows]),
    }
    told = [row.confidence for row in rows]
    if all(value is not None for value in told):
        judges["own confidence"] = -np.array(told, dtype=np.float64)
    return {name: area_with_interval(doubt, right, groups) for name, doubt in judges.items()}


def _poses(subject: Subject, count: int, rng: np.random.Generator) -> Iterator[tuple[bool, RigidPose]]:
    for right, limits in ((True, RIGHT_MM), (False, WRONG_MM)):
        for _ in range(count):
            yield right, pose_off_by(subject, float(rng.uniform(*limits)), rng)


def pose_off_by(subject: Subject, wanted_mm: float, rng: np.random.Generator) -> RigidPose:
    """The true pose turned and moved in a drawn direction, as far as gives this mean projection error."""
    turn = np.deg2rad(_TURN_DEG) * rng.standard_normal(3)
    camera = subject.view.geometry.camera_from_isocentre().rotation
    move = camera.T @ (rng.standard_normal(3) * (_IN_PLANE_MM, _IN_PLANE_MM, _DEPTH_MM))
    middle = subject.model.centroid_mm()

    def scaled(by: float) -> RigidPose:
        rotation = Rotation.from_rotvec(by * turn).as_matrix()
        return turned_and_moved(subject.true_isocentre_from_lps, middle, rotation, by * move)

    low, high = 0.0, 1.0
    while _error_mm(subject, scaled(high)) < wanted_mm:
        high *= 2.0
    for _ in range(20):
        half = 0.5 * (low + high)
        low, high = (half, high) if _error_mm(subject, scaled(half)) < wanted_mm else (low, half)
    return scaled(low)


def _error_mm(subject: Subject, pose: RigidPose) -> float:
    geometry = subject.view.geometry
    true = geometry.projection(subject.true_isocentre_from_lps)
    return projection_error_mm(geometry.projection(pose), true, subject.vessel_points_mm(), geometry)


def _own_confidence(subject: Subject, pose: RigidPose) -> float:
    """Of this very pose, with nothing held against it for where it started."""
    return judged_pose(
        pose, subject.views, subject.model, init=start_near(pose), case_id=subject.case, stages=(), seconds=0.0,
        backend=_BACKEND,
    ).confidence  # fmt: skip
