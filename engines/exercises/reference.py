"""Pictures of a case whose right pose is known, and how well it is known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from calibration.carm import CArmGeometry
from calibration.errors import InputError, MissingGeometryError
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.cases.case import Case, bundled_cases_folder
from engines.anatomy.vessel_model import Branch, VesselModel
from engines.angiography.dsa import subtract
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.angiography.run import Run
from engines.registration.pose_file import PoseFile, read_pose, read_pose_file

ReferenceKind = Literal["truth", "registration"]

_STEP_MM = 1.0
_BACKGROUND_PX = 31  # wider than a vessel: its mean is what lies around
_FILLED_SHARE = 0.35  # of the strongest branches' contrast: a branch below it has not filled, or cannot be seen
_MOST_PICTURES = 4  # of one run
_SMALLEST_POINTS = 20
_MOST_LINE_MM = 1200.0  # of a head's three metres: the twigs would hide the vessels that they lie on
_STILL_FILLED = 0.7  # of the best frame's contrast: later ones show veins


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSource:
    """What a run's right pose rests on.

    Args:
        kind: `truth` if the pictures were made from this pose, `registration` if the program found it.
        confidence: of a registration, the probability that its mean projection error is below 5 mm; 1 for the truth.
        expected_error_mm: of a registration, as it states; 0 for the truth.
    """

    kind: ReferenceKind
    confidence: float
    expected_error_mm: float

    @property
    def words(self) -> str:
        """For a person, beside the score."""
        if self.kind == "truth":
            return "Reference: exact truth of a simulated run"
        return (
            f"Reference: a registration by the program, confidence {self.confidence:.2f}, expected error "
            f"{self.expected_error_mm:.1f} mm. Your score cannot be surer than that"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferencePicture:
    """One frame with its right pose.

    Args:
        case_mark: the id of a bundled case, else a hash: nothing that a person typed.
        run: number of the recording in its case, from 1.
        frame: from 0.
        grey: (rows, columns) windowed for a screen, vessels dark.
        branches: of the model, the widest that are seen filled here (all, where that cannot be told), every mm.
    """

    case_mark: str
    run: int
    frame: int
    geometry: CArmGeometry
    isocentre_from_lps: RigidPose
    grey: UInt8[np.ndarray, "rows columns"]
    branches: tuple[Branch, ...]
    source: ReferenceSource

    @property
    def projection(self) -> Projection:
        return self.geometry.projection(self.isocentre_from_lps)

    def points_mm(self) -> Float[np.ndarray, "n 3"]:
        """LPS points of the branches: what errors are measured on."""
        return np.concatenate([branch.points_mm for branch in self.branches])


def case_mark(case: Case) -> str:
    """Names a case in a history without anything that a person may have typed."""
    if case.folder.parent == bundled_cases_folder():
        return case.id
    hashes = "".join(sorted(file.sha256 for file in (*case.files.values(), *case.recordings)))
    return "case-" + hashlib.sha256(hashes.encode()).hexdigest()[:8]


def pose_file_of(case: Case, run: int, found: Path | None = None) -> Path | None:
    """Where the right pose of a recording is stated: the truth in the case's folder, else a registration found earlier.

    Args:
        run: number of the recording, from 1.
        found: folder of registrations that were made for training (`registered_name`).
    """
    truth = case.folder / "truth" / f"{case.recordings[run - 1].path.stem}.json"
    if truth.is_file():
        return truth
    if found is not None and (known := found / registered_name(case, run) / "pose.json").is_file():
        return known
    return None


def registered_name(case: Case, run: int) -> str:
    """Of the folder in which the program's own registration of this recording is kept."""
    return f"{case_mark(case)}-{case.recordings[run - 1].sha256[:12]}"


def reference_pictures(case: Case, *, found: Path | None = None) -> tuple[ReferencePicture, ...]:
    """The best filled frames of every recording whose right pose is known, best first.

    Raises:
        InputError: no recording of the case has a known pose, or a file is damaged.
    """
    model = case.vessel_model()
    pictures: list[ReferencePicture] = []
    for run in range(1, len(case.recordings) + 1):
        file = pose_file_of(case, run, found)
        if file is not None:
            pictures += _of_run(case, run, file, model)
    if not pictures:
        raise InputError(
            "no recording of this case has a known pose; let the program register one, or take a bundled case"
        )
    return tuple(pictures)


def shown_branches(model: VesselModel) -> tuple[Branch, ...]:
    """Arteries of the model every millimetre; veins only where there is nothing else.

    Raises:
        InputError: the model has no centerlines.
    """
    if model.centerlines is None or not model.centerlines.branches:
        raise InputError("the case has no centerlines; make it again with `case create`")
    branches = model.centerlines.resampled(_STEP_MM).branches
    return tuple(branch for branch in branches if branch.vessel_class != "vein") or branches


def _of_run(case: Case, run: int, file: Path, model: VesselModel) -> list[ReferencePicture]:
    content = read_pose_file(file)
    source = _source(content, file)
    opened = _opened(case, run)
    branches = shown_branches(model)
    ranked: list[tuple[float, ReferencePicture]] = []
    for view in _usable_views(content, file, opened):
        frame = opened.frame(content.views[view].frame)
        if frame.geometry is None:
            raise MissingGeometryError(f"run {run}: {frame.geometry_reason}; take a run that has its geometry")
        pose = read_pose(file, frame.geometry, view)
        darker = _darker_than_around(frame)
        contrast = np.array([_along(darker, branch, frame.geometry.projection(pose)) for branch in branches])
        picture = ReferencePicture(
            case_mark=case_mark(case),
            run=run,
            frame=frame.source_frame,
            geometry=frame.geometry,
            isocentre_from_lps=pose,
            grey=screen_grey(frame),
            branches=_filled(branches, contrast),
            source=source,
        )
        length = np.array([len(branch.points_mm) for branch in branches])
        narrow = np.isfinite(contrast)
        ranked.append((float(np.clip(contrast[narrow], 0.0, None) @ length[narrow]), picture))
    ranked.sort(key=lambda one: -one[0])
    return [picture for _, picture in _apart(ranked)]


def _source(content: PoseFile, file: Path) -> ReferenceSource:
    if content.backend.render == "simulation":
        return ReferenceSource(kind="truth", confidence=1.0, expected_error_mm=0.0)
    if content.status == "rejected":
        raise InputError(
            f"{file.name}: the program rejected this registration, so it is no reference; take another run"
        )
    return ReferenceSource(
        kind="registration",
        confidence=content.confidence or 0.0,
        expected_error_mm=content.expected_error_mm if content.expected_error_mm is not None else float("nan"),
    )


def _opened(case: Case, run: int) -> Run:
    opened = open_run(case.recordings[run - 1].path)
    return subtract(opened) if opened.mask else opened


def _usable_views(content: PoseFile, file: Path, run: Run) -> list[int]:
    """Numbers of the views that show contrast while the pose is exact: a beating heart is rigid at end-diastole only.

    Raises:
        InputError: none is left.
    """
    extra = content.model_extra or {}
    exact = extra.get("end_diastolic_frames")
    usable = [
        number
        for number, view in enumerate(content.views)
        if 0 <= view.frame < run.frame_count
        and (view.model_extra or {}).get("contrast", True)
        and (not isinstance(exact, list) or view.frame in exact)
    ]
    if not usable:
        raise InputError(f"{file.name}: states a pose for no single frame that shows contrast; register one frame")
    return usable


def _apart(ranked: Sequence[tuple[float, ReferencePicture]]) -> list[tuple[float, ReferencePicture]]:
    """The best, and others that are filled nearly as well and are not its neighbours in time."""
    kept: list[tuple[float, ReferencePicture]] = []
    for one in ranked:
        if one[0] < _STILL_FILLED * ranked[0][0]:
            break
        if all(abs(one[1].frame - other[1].frame) > 1 for other in kept):
            kept.append(one)
        if len(kept) == _MOST_PICTURES:
            break
    return kept


def _darker_than_around(frame: Frame) -> Float[np.ndarray, "rows columns"]:
    picture = frame.pixels.astype(np.float32)
    around = cv2.blur(picture, (_BACKGROUND_PX, _BACKGROUND_PX))
    return picture - around if frame.vessels_bright else around - picture


def _along(darker: Float[np.ndarray, "rows columns"], branch: Branch, projection: Projection) -> float:
    """Mean contrast along a branch.

    NaN where most of it lies outside the picture; infinite for one too wide to stand out from what lies around, as an
    aorta: it is always shown.
    """
    points_px, depth_mm = projection.project(branch.points_mm)
    column, row = np.rint(np.nan_to_num(points_px, nan=-1.0)).astype(int).T
    inside = (column >= 0) & (column < darker.shape[1]) & (row >= 0) & (row < darker.shape[0])
    if inside.mean() < 0.5:
        return float("nan")
    width_px = 2.0 * np.nan_to_num(branch.radius_mm) * abs(projection.intrinsics_px[0, 0]) / depth_mm
    if np.median(width_px) > 0.5 * _BACKGROUND_PX:
        return float("inf")
    return float(darker[row[inside], column[inside]].mean())


def _filled(branches: tuple[Branch, ...], contrast: Float[np.ndarray, " b"]) -> tuple[Branch, ...]:
    """Branches that stand out as the strongest ones do; all of them where hardly any does."""
    narrow = contrast[np.isfinite(contrast)]
    strong = float(np.quantile(narrow, 0.9)) if len(narrow) else 0.0
    kept = tuple(
        branch
        for branch, found in zip(branches, contrast, strict=True)
        if found == np.inf or found >= _FILLED_SHARE * strong > 0  # false for NaN
    )
    return _widest(kept if sum(len(branch.points_mm) for branch in kept) >= _SMALLEST_POINTS else branches)


def _widest(branches: tuple[Branch, ...]) -> tuple[Branch, ...]:
    """As many of the widest as a person can tell apart, in their order."""
    radius_mm = [float(np.nan_to_num(branch.radius_mm).mean()) for branch in branches]
    kept: set[int] = set()
    length_mm = 0.0
    for number in np.argsort(radius_mm, kind="stable")[::-1].tolist():
        length_mm += _STEP_MM * len(branches[number].points_mm)
        if kept and length_mm > _MOST_LINE_MM:
            break
        kept.add(number)
    return tuple(branch for number, branch in enumerate(branches) if number in kept)


def screen_grey(frame: Frame) -> UInt8[np.ndarray, "rows columns"]:
    """The frame for a screen, with dark vessels."""
    picture = frame.pixels.astype(np.float32)
    rows, columns = picture.shape
    middle = picture[rows // 8 : -rows // 8, columns // 8 : -columns // 8]  # without the collimator
    low, high = np.percentile(middle, [0.5, 99.5])
    grey = np.clip((picture - low) * (255.0 / max(float(high - low), 1e-6)), 0, 255).astype(np.uint8)
    return 255 - grey if frame.vessels_bright else grey
