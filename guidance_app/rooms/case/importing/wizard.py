"""From a person's files to a case that can be guided on: look, choose, make, check, guide."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QAbstractButton,
    QFileDialog,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from calibration.errors import GuidanceError
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.scratch import scratch_folder
from guidance_app.rooms.case.dropped import dropped
from guidance_app.rooms.case.importing import works
from guidance_app.rooms.case.importing.import_header import ImportHeader, Step
from guidance_app.rooms.room import House
from guidance_app.views import palette
from guidance_app.views.language import tr

if TYPE_CHECKING:
    from engines.anatomy.intake.found import FoundRun
    from guidance_app.rooms.case.checking.check_page import CheckPage
    from guidance_app.rooms.case.importing.archive_page import ArchivePage, WantedSeries
    from guidance_app.rooms.case.importing.plan import CasePlan
    from guidance_app.rooms.case.importing.sources_page import SourcesPage
    from guidance_app.rooms.case.planning.plan_page import PlanPage


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCase:
    """The case that is checked, and where its look lies."""

    folder: Path
    look: Path


class ImportWizard(QWidget):
    """Everything it writes before the case itself lies in a scratch folder that goes with it.

    Args:
        house: runs the jobs and opens what was made.
        cases: folder in which new cases are made.
        archive_address: of the archive that was asked last.

    Signals: `left` once the person goes back or the case is opened.
    """

    left = pyqtSignal()

    def __init__(self, house: House, cases: Callable[[], Path], *, archive_address: str = "") -> None:
        super().__init__()
        from guidance_app.rooms.case.checking.check_page import CheckPage
        from guidance_app.rooms.case.importing.sources_page import SourcesPage

        self._house, self._cases = house, cases
        self._scratch = scratch_folder("import")
        self._numbers = 0
        self._warned = self._planned = False
        self._job: Job | None = None
        self.places: tuple[Path, ...] = ()
        self.made: MadeCase | None = None
        self.sources: SourcesPage = SourcesPage(cases)
        self.check: CheckPage = CheckPage()
        self.archive: ArchivePage | None = None
        self.plan: PlanPage | None = None
        self._then_plan = False
        self._archive_address = archive_address
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.header = ImportHeader(
            back=self.go_back, folder=self.ask_for_folder, files=self.ask_for_files, archive=self.ask_archive
        )
        self.sources.wanted.connect(self._make)
        self.sources.cancelled.connect(self.cancel)
        self.check.cancelled.connect(self.cancel)
        self.check.guide_wanted.connect(self._guide)
        self.check.keep_wanted.connect(self._keep)
        self.check.runs_wanted.connect(self.ask_for_files)
        self.check.plan_wanted.connect(self.plan_case)
        self._lay_out()
        self._show_step("files")

    @property
    def step(self) -> Step:
        page = self._pages.currentWidget()
        if page is self.plan and self.plan is not None:
            return "plan"
        return "check" if page is self.check else "files" if page is self.sources else "archive"

    @property
    def archive_address(self) -> str:
        """As it was typed last."""
        return self._archive_address if self.archive is None else self.archive.address.text().strip()

    @property
    def working(self) -> bool:
        """A job of the import runs."""
        return self._job is not None

    def begin(self, places: Sequence[Path]) -> None:
        """Look through these places, beside those that were looked through before."""
        if self._job is not None:
            self._say(tr("Wait for what runs, or cancel it first"))
            return
        wanted = tuple(dict.fromkeys([*self.places, *places]))
        folder = self._new_folder("survey")
        work = Work(words=tr("Looking through files"), run=works.look_through, out=folder, arguments={"places": wanted})
        job = Job(work, self)
        job.changed.connect(lambda: self._surveyed(job, wanted) if job.is_over else None)
        self._follow(job)
        job.start()

    def check_case(self, folder: Path, *, then_plan: bool = False) -> None:
        """Check a case that is there already, or plan on it."""
        self._then_plan = then_plan
        look = self._new_folder("look")
        work = Work(words=tr("Reading the case"), run=works.look_at_case, out=look, arguments={"case": folder})
        job = Job(work, self)
        job.changed.connect(lambda: self._looked(job, folder, look) if job.is_over else None)
        self._follow(job)
        job.start()

    def cancel(self) -> None:
        """End what runs; nothing half-made stays."""
        if self._job is not None:
            self._job.cancel()

    def go_back(self) -> None:
        """From the archive to the files, else out of the import. A case that was made stays; what runs is ended."""
        if self.step == "archive":
            self.cancel()
            self._show_step("files")
            return
        if self.plan is not None and self.step == "plan":
            if self.plan.desk.unkept and not self._warned:
                self._warned = True
                self.plan.say(
                    tr("The plan is not kept in the case yet: keep it, or go back once more to drop it"), True
                )
                return
            self._show_step("check")
            return
        if self.step == "check" and (self.check.edits or self._planned):
            self._keep()
            return
        self.cancel()
        self.left.emit()

    def close_wizard(self) -> None:
        """End what runs and remove the scratch folder; twice is harmless."""
        self.cancel()
        self.check.close_page()
        if self.plan is not None:
            self.plan.close_page()
        if self.archive is not None:
            self.archive.close_page()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def ask_for_folder(self) -> None:
        self._ask(tr("Folder with scans and runs"), QFileDialog.FileMode.Directory)

    def ask_for_files(self) -> None:
        self._ask(tr("Scans, models or runs"), QFileDialog.FileMode.ExistingFiles)

    def ask_archive(self) -> None:
        """Fetch series from a hospital's archive instead."""
        if self.archive is None:
            from guidance_app.rooms.case.importing.archive_page import ArchivePage

            self.archive = ArchivePage()
            self.archive.address.setText(self._archive_address)
            self.archive.wanted.connect(self._fetch)
            self.archive.cancelled.connect(self.cancel)
            self._pages.addWidget(self.archive)
        self._show_step("archive")
        self.archive.address.setFocus()

    def plan_case(self) -> None:
        """Plan on the case that is checked; what was corrected is written first."""
        if self._job is not None or self._still_correcting() or self.made is None:
            return
        if self.check.edits:
            folder = self.made.folder
            self._after_correcting(lambda: self.check_case(folder, then_plan=True))
            return
        look = self.check.look
        assert look is not None
        if self.plan is None:
            from guidance_app.rooms.case.planning.plan_page import PlanPage

            self.plan = PlanPage(lambda: self._house.carm_deg)
            self.plan.kept.connect(self._plan_kept)
            self._pages.addWidget(self.plan)
        self._warned = False
        self.plan.show_case(self.made.folder, look)
        self._show_step("plan")

    def _plan_kept(self) -> None:
        self._planned = True  # the case that is open elsewhere knows other files

    # Jobs and their ends

    def _fetch(self, wanted: WantedSeries) -> None:
        from guidance_app.rooms.case.importing.archive_page import fetch_wanted

        # Not the scratch folder: a run is played from where it lies.
        out = self._cases().parent / "fetched" / f"series-{secrets.token_hex(4)}"
        work = Work(words=tr("Fetching series"), run=fetch_wanted, out=out, arguments={"wanted": wanted})
        self._start(work, lambda job: self._fetched(job, out))

    def _fetched(self, job: Job, out: Path) -> None:
        self._released()
        if job.state != "done":
            self._say(job.problem or tr("Cancelled; nothing was kept"))
            return
        self._show_step("files")
        self.begin([out])

    def _surveyed(self, job: Job, places: tuple[Path, ...]) -> None:
        self._released()
        if job.state != "done":
            self._say(job.problem or tr("Cancelled; nothing was written"))
            return
        from engines.anatomy.intake.found import SURVEY_FILE, Survey

        text = (job.work.out / SURVEY_FILE).read_text(encoding="utf-8")
        found = Survey.model_validate_json(text)
        self.places = places
        chosen = self.sources.run
        self.sources.show_found(found, job.work.out)
        self.header.title.setToolTip("\n".join(map(str, places)))
        if self.step == "check":
            run = chosen if chosen in found.runs else self.sources.run
            self.check.show_runs(found.runs, job.work.out, run, self.sources.patient)

    def _make(self, plan: CasePlan) -> None:
        look = self._new_folder("look")
        look.mkdir()
        out = self._cases() / plan.case_id
        work = Work(
            words=tr("Case {name}").format(name=plan.case_id), run=works.make_case, out=out,
            arguments={"plan": plan, "look": look},
        )  # fmt: skip
        self._start(work, lambda job: self._looked(job, out, look))

    def _looked(self, job: Job, folder: Path, look: Path) -> None:
        self._released()
        if job.state != "done":
            shutil.rmtree(look, ignore_errors=True)
            self._say(job.problem or tr("Cancelled; nothing was written. Change what you like, and make it again"))
            return
        from guidance_app.rooms.case.checking.case_look import read_look

        self.made = MadeCase(folder=folder, look=look)
        self.check.show_look(replace(read_look(look), folder=folder))  # it was made under another name
        survey = self.sources.survey
        self.check.show_runs(survey.runs, self.sources.pictures, self.sources.run, self.sources.patient)
        self._show_step("check")
        if self._then_plan:
            self._then_plan = False
            self.plan_case()

    def _guide(self, run: FoundRun | None) -> None:
        if run is None or self._job is not None or self._still_correcting():
            return
        self._after_correcting(lambda: self._open_run(run.path))

    def _keep(self) -> None:
        if self._job is None and not self._still_correcting():
            self._after_correcting(self._open_case)

    def _still_correcting(self) -> bool:
        if self.check.desk.busy:
            self._say(tr("Wait for the correction that is worked on"))
        return self.check.desk.busy

    def _after_correcting(self, then: Callable[[], None]) -> None:
        """Write what a person corrected, then go on."""
        made, edits = self.made, self.check.edits
        if made is None or not edits:
            then()
            return
        work = Work(
            words=tr("Correcting case {name}").format(name=made.folder.name), run=works.correct_case, out=made.folder,
            arguments={"case": made.folder, "edits": edits},
        )  # fmt: skip
        self._start(work, lambda job: self._corrected(job, then))

    def _corrected(self, job: Job, then: Callable[[], None]) -> None:
        self._released()
        if job.state == "done":
            then()
        else:
            self._say(job.problem or tr("Cancelled; the case is as it was found"))

    def _open_run(self, path: Path) -> None:
        from engines.anatomy.cases.case import load_case

        assert self.made is not None
        try:
            case = load_case(self.made.folder)
        except GuidanceError as error:
            self._say(str(error))
            return
        problem = self._house.open_run(case, path)
        self._say(problem)
        if not problem:
            self.left.emit()

    def _open_case(self) -> None:
        assert self.made is not None
        problem = self._house.open_case(self.made.folder)
        self._say(problem)
        if not problem:
            self.left.emit()

    def _start(self, work: Work, ended: Callable[[Job], None]) -> None:
        job = self._house.start_job(work, ended)
        if not job.is_over:
            self._follow(job)

    def _follow(self, job: Job) -> None:
        self._job = job
        self._page.progress.follow(job)
        self._show_job(True)

    def _released(self) -> None:
        self._job = None
        self._show_job(False)

    # What is seen

    def _say(self, problem: str) -> None:
        self._page.say(problem)

    @property
    def _page(self) -> SourcesPage | ArchivePage | CheckPage:
        if self.step == "archive" and self.archive is not None:
            return self.archive
        return self.check if self.step == "check" else self.sources

    def _show_step(self, step: Step) -> None:
        page = {"files": self.sources, "check": self.check, "archive": self.archive, "plan": self.plan}[step]
        assert page is not None
        self._pages.setCurrentWidget(page)
        # A click leaves the keys with the room: a button would take arrows, Alt+Left too, for its own.
        for button in page.findChildren(QAbstractButton):
            if button.focusPolicy() == Qt.FocusPolicy.StrongFocus:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFocus()
        name = self.made.folder.name if self.made is not None else ""
        self.header.show_step(step, name)

    def _show_job(self, running: bool) -> None:
        for page in filter(None, (self.sources, self.archive, self.check)):
            page.show_job(running)
        self.header.show_working(running)

    def _new_folder(self, name: str) -> Path:
        self._numbers += 1
        return self._scratch / f"{name}-{self._numbers}"

    def _ask(self, title: str, mode: QFileDialog.FileMode) -> None:
        """A dialog beside the window, which goes on: a live picture may be running in its room."""
        dialog = QFileDialog(self, title, str(self.places[-1].parent if self.places else Path.home()))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        dialog.filesSelected.connect(lambda chosen: self.begin([Path(path) for path in chosen]))
        dialog.setModal(False)
        dialog.show()

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        if a0 is not None and dropped(a0):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """What is dropped is looked through too."""
        if a0 is not None and (places := dropped(a0)):
            self.begin(places)

    def _lay_out(self) -> None:
        self._pages = QStackedWidget()
        self._pages.addWidget(self.sources)
        self._pages.addWidget(self.check)
        research = QLabel(palette.RESEARCH_LINE)
        research.setObjectName("quiet")
        research.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 12, 20, 6)
        layout.setSpacing(10)
        layout.addWidget(self.header)
        layout.addWidget(self._pages, 1)
        layout.addWidget(research)
