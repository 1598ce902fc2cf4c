"""Evaluate the way from a CTA and a first run to an overlay without a click: how often accepted, how often right."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field

from calibration.errors import GuidanceError, InputError
from engines.anatomy.cases.case import Case, load_case
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.structure_names import vessel_class_of
from engines.anatomy.vessel_model import LabelVolume, VesselModel
from engines.evaluation.registration.metrics import projection_error_mm
from engines.evaluation.registration.subject import true_pose
from engines.evaluation.statistics import Interval, median, share
from engines.inference.machine import Machine, this_machine
from engines.registration.engine import register
from engines.registration.initial_pose import radiological_start
from engines.registration.registration import Registration
from engines.registration.run_view import other_views_of_run, view_of_run
from engines.registration.view import RegistrationView
from engines.segmentation.segmenter import Segmenter, load_segmenter, model_for_kind

_OTHER_MOMENTS = 3  # other frames tried if the fullest one gives a doubtful result, as in `register`
_RIGHT_MM, _CLOSE_MM = 5.0, 2.0


class ModelScore(BaseModel):
    """Agreement of the extracted vessels with the simulated ones.

    `cl_dice` counts centerline points (Shit et al., CVPR 2021): found ones in true vessels, true ones in found vessels.
    """

    model_config = ConfigDict(frozen=True)
    seconds: float
    dice: float
    dice_by_class: dict[str, float]
    cl_dice: float


class RunScore(BaseModel):
    """One run, registered without a person's start; errors on the true centerlines, in the isocentre plane."""

    model_config = ConfigDict(frozen=True)
    run: str
    status: str
    confidence: float
    error_mm: float | None
    seconds: float
    reasons: tuple[str, ...]


class CaseScore(BaseModel):
    model_config = ConfigDict(frozen=True)
    case: str
    kind: str
    model: ModelScore | None
    runs: tuple[RunScore, ...]
    failure: str = ""


class ZeroTouchSummary(BaseModel):
    """Over all runs of one kind of case; a run whose model could not be made counts as neither accepted nor right."""

    model_config = ConfigDict(frozen=True)
    accepted_and_within_5mm: Interval
    accepted_and_within_2mm: Interval
    accepted_and_wrong: Interval
    within_5mm: Interval
    error_mm: Interval
    pose_seconds: Interval
    model_seconds: Interval
    dice: Interval
    cl_dice: Interval


class ZeroTouchReport(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: str = Field(default="guidance-app/evaluate-zero-touch/1", alias="schema")
    machine: Machine
    data: tuple[str, ...]
    kinds: dict[str, ZeroTouchSummary]
    cases: tuple[CaseScore, ...]


def evaluate_zero_touch(
    folders: Sequence[str], *, backend: str = "auto", progress: Callable[[str], None] = lambda _: None
) -> ZeroTouchReport:
    """Make every case anew from its CTA, register all its runs from the header, and compare with the truth.

    Args:
        folders: simulated cases with `truth/<run>.json`; their models are used for scores only.
        backend: runtime of the segmentation network.
        progress: called with one line per case.

    Raises:
        InputError: a folder is no case, or has no CTA, or no truth.
    """
    scores = []
    for folder in folders:
        score = score_case(load_case(folder), backend=backend)
        progress(_line(score))
        scores.append(score)
    kinds = {kind: _summary([s for s in scores if s.kind == kind]) for kind in sorted({s.kind for s in scores})}
    return ZeroTouchReport(machine=this_machine(), data=tuple(folders), kinds=kinds, cases=tuple(scores))


def score_case(case: Case, *, backend: str = "auto") -> CaseScore:
    """Score one case from its CTA alone."""
    cta = case.folder / "cta.nii.gz"
    runs = [r.path for r in case.recordings if (case.folder / "truth" / f"{r.path.stem}.json").is_file()]
    if not cta.is_file() or not runs:
        raise InputError(f"{case.folder}: zero touch needs cta.nii.gz and runs with truth/<run>.json; simulate a case")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        try:
            made = create_case(Path(folder) / "case", case.kind, cta=cta, case_id=case.id)
            model = made.vessel_model()
        except GuidanceError as error:
            lost = tuple(_lost(path.stem, str(error)) for path in runs)
            return CaseScore(case=case.id, kind=case.kind, model=None, runs=lost, failure=str(error))
        seconds = time.perf_counter() - began
    truth = case.vessel_model()
    segmenter = load_segmenter(model_for_kind(case.kind), backend=backend)
    return CaseScore(
        case=case.id,
        kind=case.kind,
        model=model_score(model, truth, seconds),
        runs=tuple(_score_run(case, path, model, truth, segmenter) for path in runs),
    )


def model_score(found: VesselModel, truth: VesselModel, seconds: float) -> ModelScore:
    """Overlap of labels on the found grid, and of centerlines with labels."""
    assert found.labels is not None
    assert truth.labels is not None
    assert found.centerlines is not None
    assert truth.centerlines is not None
    true_number = _resampled(truth.labels, found.labels)
    by_class = {}
    for vessel_class in ("artery", "vein", "aorta"):
        ours = np.isin(found.labels.labels, _numbers(found.labels, vessel_class))
        theirs = np.isin(true_number, _numbers(truth.labels, vessel_class))
        if theirs.any():
            by_class[vessel_class] = _dice(ours, theirs)
    precision = _share_inside(found.centerlines.points_mm(), truth.labels)
    recall = _share_inside(truth.centerlines.points_mm(), found.labels)
    return ModelScore(
        seconds=seconds,
        dice=_dice(found.labels.labels > 0, true_number > 0),
        dice_by_class=by_class,
        cl_dice=2.0 * precision * recall / max(precision + recall, 1e-9),
    )


def _score_run(case: Case, path: Path, model: VesselModel, truth: VesselModel, segmenter: Segmenter) -> RunScore:
    began = time.perf_counter()
    try:
        view = view_of_run(path, segmenter, case_kind=case.kind)
        found, view = _registered(case, path, view, model, segmenter)
    except GuidanceError as error:
        return _lost(path.stem, str(error), time.perf_counter() - began)
    seconds = time.perf_counter() - began
    assert truth.centerlines is not None
    true = true_pose(case.folder / "truth" / f"{path.stem}.json", view.frame, view.geometry)
    error_mm = projection_error_mm(
        view.geometry.projection(found.isocentre_from_lps),
        view.geometry.projection(true),
        truth.centerlines.points_mm(),
        view.geometry,
    )
    return RunScore(
        run=path.stem,
        status=found.status,
        confidence=found.confidence,
        error_mm=error_mm if np.isfinite(error_mm) else None,
        seconds=seconds,
        reasons=found.reasons,
    )


def _registered(
    case: Case, path: Path, view: RegistrationView, model: VesselModel, segmenter: Segmenter
) -> tuple[Registration, RegistrationView]:
    """Register a run from the header, with up to three other frames if the fullest gives a doubtful result."""
    best = register([view], model, case_id=case.id, init=radiological_start()), view
    if best[0].status == "accepted":
        return best
    others: Iterable[RegistrationView] = other_views_of_run(path, segmenter, case_kind=case.kind, than=view.frame)
    for other in itertools.islice(others, _OTHER_MOMENTS):
        result = register([other], model, case_id=case.id, init=radiological_start())
        if result.confidence > best[0].confidence:
            best = result, other
        if best[0].status == "accepted":
            break
    return best


def _lost(run: str, reason: str, seconds: float = 0.0) -> RunScore:
    return RunScore(run=run, status="error", confidence=0.0, error_mm=None, seconds=seconds, reasons=(reason,))


def _summary(scores: list[CaseScore]) -> ZeroTouchSummary:
    runs = [run for score in scores for run in score.runs]
    models = [score.model for score in scores if score.model is not None]
    count: Counter[str] = Counter()
    for run in runs:
        error_mm = float("inf") if run.error_mm is None else run.error_mm
        accepted = run.status == "accepted"
        count["within"] += error_mm < _RIGHT_MM
        count["right"] += accepted and error_mm < _RIGHT_MM
        count["close"] += accepted and error_mm < _CLOSE_MM
        count["wrong"] += accepted and error_mm >= _RIGHT_MM
    return ZeroTouchSummary(
        accepted_and_within_5mm=share(count["right"], len(runs)),
        accepted_and_within_2mm=share(count["close"], len(runs)),
        accepted_and_wrong=share(count["wrong"], len(runs)),
        within_5mm=share(count["within"], len(runs)),
        error_mm=median(np.array([run.error_mm for run in runs if run.error_mm is not None])),
        pose_seconds=median(np.array([run.seconds for run in runs])),
        model_seconds=median(np.array([model.seconds for model in models])),
        dice=median(np.array([model.dice for model in models])),
        cl_dice=median(np.array([model.cl_dice for model in models])),
    )


def _line(score: CaseScore) -> str:
    if score.model is None:
        return f"{score.case}: no model ({score.failure})"
    runs = ", ".join(
        f"{run.run} {run.status} {'-' if run.error_mm is None else f'{run.error_mm:.1f} mm'} in {run.seconds:.1f} s"
        for run in score.runs
    )
    model = score.model
    return f"{score.case}: model {model.seconds:.0f} s, Dice {model.dice:.2f}, clDice {model.cl_dice:.2f}; {runs}"


def _numbers(labels: LabelVolume, vessel_class: str) -> list[int]:
    return [number for number, name in labels.names.items() if vessel_class_of(name) == vessel_class]


def _resampled(source: LabelVolume, like: LabelVolume) -> np.ndarray:
    """The source's label at every voxel centre of another grid."""
    index = np.indices(like.labels.shape).reshape(3, -1).T
    points_mm = index @ like.lps_from_index[:3, :3].T + like.lps_from_index[:3, 3]
    return _labels_at(points_mm, source).reshape(like.labels.shape)


def _labels_at(points_mm: Float[np.ndarray, "n 3"], labels: LabelVolume) -> np.ndarray:
    index_from_lps = np.linalg.inv(labels.lps_from_index)
    index = np.rint(points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < labels.labels.shape)).all(axis=1)
    found = np.zeros(len(points_mm), dtype=labels.labels.dtype)
    found[inside] = labels.labels[tuple(index[inside].T)]
    return found


def _share_inside(points_mm: Float[np.ndarray, "n 3"], labels: LabelVolume) -> float:
    return float((_labels_at(points_mm, labels) > 0).mean()) if len(points_mm) else 0.0


def _dice(ours: Bool[np.ndarray, "i j k"], theirs: Bool[np.ndarray, "i j k"]) -> float:
    total = int(ours.sum()) + int(theirs.sum())
    return 2.0 * int((ours & theirs).sum()) / total if total else 1.0
