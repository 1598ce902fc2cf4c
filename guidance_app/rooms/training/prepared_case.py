"""What a case offers a trainee, read off Qt's thread; and the job that makes a reference where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from calibration.errors import GuidanceError, InputError
from engines.anatomy.cases.case import Case
from engines.exercises.reference import ReferencePicture, pose_file_of, reference_pictures, shown_branches
from engines.planning.segment_views import Segment, segments_of
from guidance_app.panels.jobs.work import TellProgress
from guidance_app.views.language import tr


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedCase:
    """Pictures with a known pose, and segments to choose a projection for; `problem` says why there are no pictures."""

    case: Case
    pictures: tuple[ReferencePicture, ...]
    segments: tuple[Segment, ...]
    problem: str

    @property
    def words(self) -> str:
        """For the start page."""
        if not self.pictures:
            return tr("Case {id}: {problem}").format(id=self.case.id, problem=self.problem)
        runs = sorted({picture.run for picture in self.pictures})
        sources = {tr(picture.source.words) for picture in self.pictures}
        named = tr("run {run}").format(run=runs[0])
        if len(runs) > 1:
            named = tr("runs {runs}").format(runs=tr(" and ").join(str(run) for run in runs))
        told = tr("Case {id}, {count} pictures of {runs}.").format(
            id=self.case.id, count=len(self.pictures), runs=named
        )
        return f"{told} {'. '.join(sorted(sources))}."


def prepare(case: Case, found: Path) -> PreparedCase:
    """Read pictures and segments; what a case lacks is said, not raised."""
    problem, pictures, segments = "", (), ()
    try:
        pictures = reference_pictures(case, found=found)
    except GuidanceError as error:
        problem = str(error)
    try:
        segments = segments_of(shown_branches(case.vessel_model()))
    except GuidanceError as error:
        problem = problem or str(error)
    return PreparedCase(case=case, pictures=pictures, segments=segments, problem=problem)


def run_without_reference(case: Case, found: Path) -> int:
    """Number of the first recording whose pose is not known, 0 where there is none."""
    return next((run for run in range(1, len(case.recordings) + 1) if pose_file_of(case, run, found) is None), 0)


def register_into(folder: Path, tell: TellProgress, *, case: str, run: int) -> None:
    """Register a recording and write `pose.json`, for use as a reference.

    Raises:
        InputError: the case or the run cannot be used, or the program itself rejects what it found.
    """
    from engines.anatomy.cases.case import load_case
    from engines.registration.engine import register
    from engines.registration.initial_pose import radiological_start
    from engines.registration.options import RegistrationOptions
    from engines.registration.pose_file import write_registration
    from engines.registration.run_view import view_of_run
    from engines.segmentation.segmenter import load_segmenter, model_for_kind

    tell("reading the case", 0.05)
    opened = load_case(case)
    segmenter = load_segmenter(model_for_kind(opened.kind, opened.field_of_view), threads=2)
    tell("finding the vessels", 0.15)
    view = view_of_run(opened.recordings[run - 1].path, segmenter, case_kind=opened.kind)
    tell("registering", 0.4)
    found = register(
        [view],
        opened.vessel_model(),
        case_id=opened.id,
        init=radiological_start(),
        options=RegistrationOptions(refine_drr=False, judge_by_rendering=True),
    )
    if found.status == "rejected":
        why = found.reasons[0] if found.reasons else f"confidence {found.confidence:.2f}"
        raise InputError(f"run {run}: the program rejects its own registration ({why}), so it is no reference")
    write_registration(folder / "pose.json", found)


def arguments_of(case: Case, run: int) -> Mapping[str, object]:
    return {"case": str(case.folder), "run": run}
