"""What the jobs of the import do in their own processes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engines.anatomy.cases.case import load_case
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.cases.intake_notes import write_notes
from engines.anatomy.correcting.edits import Edit
from guidance_app.panels.jobs.work import TellProgress
from guidance_app.rooms.case.importing.plan import CasePlan

# How far each stage of `create_case` begins, where vessels are to be found and where a model is given; shares of the
# time that real heads and aortas took.
_STAGES = {
    "reading CTA": ("reading the CTA", 0.0, 0.0),
    "extracting": ("finding the vessels", 0.08, 0.1),
    "surface": ("making the surface", 0.5, 0.12),
    "centerlines": ("finding centerlines and radii", 0.55, 0.25),
    "writing": ("writing the case", 0.85, 0.8),
}
_CHECKED_FROM = 0.88
_OPTIONS = re.compile(r"[;,] (?:where this is wrong,|else)? ?(?:give|choose with) --.*")  # of the command line


def look_through(folder: Path, tell: TellProgress, *, places: tuple[Path, ...]) -> None:
    """Survey a person's folders and files."""
    from engines.anatomy.intake.survey import survey

    survey(places, folder, tell)


def make_case(folder: Path, tell: TellProgress, *, plan: CasePlan, look: Path) -> None:
    """Make the case in `folder`, and what its check shows in `look`."""
    notes: list[str] = list(plan.notes)

    def report(text: str) -> None:
        for begin, (words, extracted, given) in _STAGES.items():
            if text.startswith(begin):
                tell(words, given if plan.has_model else extracted)

    create_case(
        folder / "made",
        plan.kind,
        cta=plan.cta,
        cta_within=plan.cta_within,
        phase=plan.phase,
        vessels=plan.vessels,
        names=plan.names or None,
        surface=plan.surface,
        centerlines=plan.centerlines,
        placement=plan.placement,
        field_of_view=plan.field_of_view,
        case_id=plan.case_id,
        report=report,
        note=notes.append,
    )
    made = folder / "made"
    for file in made.iterdir():
        file.rename(folder / file.name)
    made.rmdir()
    write_notes(folder, [_OPTIONS.sub("", note) for note in notes], sources=plan.sources())
    tell("preparing the check", _CHECKED_FROM)
    prepare_look(folder, look)


def correct_case(folder: Path, tell: TellProgress, *, case: Path, edits: Sequence[Edit]) -> None:
    """Write the case as a person corrected it."""
    from engines.anatomy.correcting.case_edits import write_edited

    shares = iter((0.1, 0.6))
    write_edited(load_case(case), folder, edits, lambda text: tell(text, next(shares, 0.9)))


def look_at_case(folder: Path, tell: TellProgress, *, case: Path) -> None:
    """Prepare the check of a case that is there already."""
    tell("reading the case", 0.1)
    prepare_look(case, folder)


def prepare_look(case: Path, folder: Path) -> None:
    from guidance_app.rooms.case.checking.case_look import save_look

    save_look(load_case(case), folder)
