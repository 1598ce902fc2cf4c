"""What is seen in the training room: the start page, or one exercise from its start to its answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QStackedWidget

from calibration.errors import InputError
from engines.anatomy.cases.case import Case
from engines.exercises.hand_pose import Level
from engines.exercises.reference import case_mark, registered_name
from engines.planning.segment_views import angle_map
from guidance_app.panels.action import Action
from guidance_app.panels.background import Background
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.rooms.room import House
from guidance_app.rooms.training.by_hand import ByHand
from guidance_app.rooms.training.exercise import Exercise, Outcome
from guidance_app.rooms.training.exercise_page import ExercisePage
from guidance_app.rooms.training.history import Attempt, ExerciseName, TrainingHistory, checked_pseudonym, utc_now
from guidance_app.rooms.training.judging import Judging
from guidance_app.rooms.training.prepared_case import (
    PreparedCase,
    arguments_of,
    prepare,
    register_into,
    run_without_reference,
)
from guidance_app.rooms.training.projection import ProjectionChoice
from guidance_app.rooms.training.start_page import StartPage
from guidance_app.views.language import tr

OVERLAYS = 10
_GUEST = "guest"


class TrainingPlace(QStackedWidget):
    """Runs the exercises of one trainee on the house's case.

    Args:
        folder: holds the history, and the registrations that serve as references.
        draw_seed: gives each exercise its own.

    Attributes:
        exercise: the one that is shown; None on the start page.
        unkept: attempts that could not be written; the next one takes them along.
    """

    def __init__(
        self,
        house: House,
        folder: Path,
        *,
        pseudonym: str = "",
        level: Level = "usual",
        clock_s: Callable[[], float] = time.monotonic,
        draw_seed: Callable[[], int] = lambda: secrets.randbelow(2**31),
    ) -> None:
        super().__init__()
        self._house, self._clock_s, self._draw_seed = house, clock_s, draw_seed
        self._found = folder / "references"
        self.history = TrainingHistory(folder / "training.sqlite")
        self.level: Level = level
        self.exercise: Exercise | None = None
        self.prepared: PreparedCase | None = None
        self.unkept: list[Attempt] = []
        self._asked: Case | None = None
        self._last: ExerciseName | None = None
        self._turn = 0
        self._warned = False  # that leaving gives the exercise up
        self._background = Background(self)
        self.start = StartPage(self._begin_clicked, self._choose_level)
        self.page = ExercisePage(house.perform)
        self.addWidget(self.start)
        self.addWidget(self.page)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # keys are the room's own, also after Esc
        self.start.pseudonym.setText(pseudonym)
        self.start.show_level(level)
        self.start.show_case(tr("No case is open; choose one in the case room."), pictures=False, segments=False)
        self.start.pseudonym_changed.connect(lambda _text: self.show_history())
        self.start.exercise_shown.connect(self.show_history)
        self.start.export_button.clicked.connect(lambda: house.say(self.export()))
        self.start.delete_button.clicked.connect(lambda: house.say(self.delete()))
        self.start.reference_button.clicked.connect(lambda: house.say(self.make_reference()))
        self.show_history()

    def train_as_guest(self) -> str:
        """For hands that cannot type."""
        self.start.pseudonym.setText(_GUEST)
        self.show_history()
        return tr("Results are kept for {pseudonym}").format(pseudonym=_GUEST)

    @property
    def pseudonym(self) -> str:
        return self.start.pseudonym.text()

    @property
    def busy(self) -> bool:
        return self._background.busy

    # The case

    def take_case(self, case: Case | None) -> None:
        """Read what the case offers, unless that is known already."""
        if case is None or case is self._asked:
            return
        self._asked = case
        self._read_case()

    def make_reference(self) -> str:
        """Let the program register the first recording whose pose is not known."""
        case = self._asked
        run = 0 if case is None else run_without_reference(case, self._found)
        if case is None or not run:
            return tr("Every recording of this case has a reference")
        work = Work(
            words=tr("Reference for run {run}").format(run=run),
            run=register_into,
            out=self._found / registered_name(case, run),
            arguments=arguments_of(case, run),
        )
        self._house.start_job(work, self._reference_made)
        return tr("The program registers this run; the jobs show how far it is")

    def _reference_made(self, job: Job) -> None:
        if job.state == "done":
            self._read_case()

    def _read_case(self) -> None:
        case = self._asked
        assert case is not None
        self.prepared = None
        self.start.show_case(
            tr("Case {id}: reading its pictures\u2026").format(id=case.id), pictures=False, segments=False
        )
        self._background.run(lambda: prepare(case, self._found), self._case_read, failed=self._case_failed)

    def _case_read(self, prepared: PreparedCase) -> None:
        self.prepared = prepared
        self.start.show_case(prepared.words, pictures=bool(prepared.pictures), segments=bool(prepared.segments))
        self.start.reference_button.setVisible(bool(run_without_reference(prepared.case, self._found)))

    def _case_failed(self, error: Exception) -> None:
        raise error

    # An exercise

    def begin(self, name: ExerciseName) -> str:
        """Begin an exercise; "" or one line why not."""
        prepared = self.prepared
        if prepared is None:
            return tr("No case is open") if self._asked is None else tr("The case is still being read")
        try:
            checked_pseudonym(self.pseudonym)
        except InputError as error:
            self.start.pseudonym.setFocus()
            return str(error) if self.pseudonym else tr("Type a pseudonym first, or train as a guest")
        if name != "projection" and not prepared.pictures:
            return prepared.problem
        if name == "projection" and not prepared.segments:
            return tr("The model has no named piece of vessel between 15 and 130 mm; take another case")
        seed = self._draw_seed()
        self.exercise = self._made(name, prepared, seed)
        self._last, self._warned = name, False
        self.page.show_exercise(self.exercise, (*self.exercise.actions(), *self.frame_actions()))
        self.setCurrentWidget(self.page)
        self.setFocus()
        return ""

    def again(self) -> str:
        """The same kind of exercise once more, on the next picture."""
        return self.begin(self._last) if self._last is not None else tr("Choose an exercise first")

    def overview(self) -> str:
        """Back to all exercises. One that is not over is given up and not kept, when asked a second time."""
        given_up = self.exercise is not None and self.exercise.outcome is None and self.exercise.begun
        if given_up and not self._warned:
            self._warned = True
            return tr("This exercise is not over: ask again to give it up")
        self.page.take_away()
        self.exercise = None
        self.show_history()
        self.setCurrentWidget(self.start)
        self.setFocus()
        return tr("Given up: nothing was kept of this exercise") if given_up else ""

    def frame_actions(self) -> tuple[Action, ...]:
        """What can be done around every exercise."""

        def unfinished() -> str:
            over = self.exercise is None or self.exercise.outcome is not None
            return "" if over else tr("This exercise is not over; Esc gives it up")

        return (
            Action(id="training.again", words=tr("Next exercise of this kind"), keys=("N",), press=self.again,
                   refusal=unfinished),
            Action(id="training.overview", words=tr("All exercises"), keys=("Esc",), press=self.overview,
                   refusal=lambda: "" if self.exercise is not None else tr("These are all exercises")),
        )  # fmt: skip

    def close_place(self) -> None:
        self._background.close()

    def _made(self, name: ExerciseName, prepared: PreparedCase, seed: int) -> Exercise:
        self._turn += 1
        over, clock_s = self._over, self._clock_s
        if name == "by-hand":
            picture = prepared.pictures[(self._turn - 1) % len(prepared.pictures)]
            return ByHand(picture, level=self.level, seed=seed, over=over, clock_s=clock_s)
        if name == "right-or-wrong":
            return Judging(prepared.pictures, count=OVERLAYS, level="", seed=seed, over=over, clock_s=clock_s)
        segment = prepared.segments[(self._turn - 1) % len(prepared.segments)]
        chosen = ProjectionChoice(segment, level="", seed=seed, over=over, clock_s=clock_s)
        self._background.run(lambda: angle_map(segment), chosen.take_map, failed=self._case_failed)
        return chosen

    def _over(self, outcome: Outcome) -> None:
        assert self.exercise is not None
        assert self.prepared is not None
        attempt = Attempt(
            pseudonym=self.pseudonym,
            exercise=self.exercise.name,
            began_utc=utc_now(),
            case_mark=case_mark(self.prepared.case),
            run=outcome.run,
            frame=outcome.frame,
            reference=outcome.reference,
            confidence=outcome.confidence,
            level=outcome.level,
            seed=outcome.seed,
            seconds=round(outcome.seconds, 1),
            score=outcome.score,
            unit=outcome.unit,
            figures=outcome.figures,
        )
        self.unkept.append(attempt)
        self.page.show_outcome(outcome, self._keep())

    def _keep(self) -> str:
        """Write what is not written yet; a line about it."""
        try:
            self.history.add_all(self.unkept)
        except InputError as error:
            self._house.toast(tr("Not kept: {error}").format(error=error), "problem")
            return tr("Not kept on the disk yet; the next exercise tries again")
        self.unkept.clear()
        if self.history.moved_aside:
            self._house.toast(self.history.moved_aside, "problem")
            self.history.moved_aside = ""
        return tr("Kept for {pseudonym}").format(pseudonym=self.pseudonym)

    # The history

    def show_history(self) -> None:
        self.start.show_problem("")
        try:
            self.start.offer_pseudonyms(self.history.pseudonyms())
            attempts = self.history.attempts(self.pseudonym)
        except InputError as error:
            self.start.show_problem(str(error))
            attempts = ()
        self.start.show_attempts((*attempts, *(one for one in self.unkept if one.pseudonym == self.pseudonym)))

    def export(self, path: Path | None = None) -> str:
        """Write this trainee's attempts as CSV; asks for the file where none is given."""
        if path is None:
            text, _ = QFileDialog.getSaveFileName(self, tr("Training of one trainee"), f"{self.pseudonym}.csv", "*.csv")
            if not text:
                return ""
            path = Path(text)
        try:
            count = self.history.export(path, self.pseudonym)
        except InputError as error:
            return str(error)
        return tr("{count} attempts in {path}").format(count=count, path=path)

    def delete(self) -> str:
        """Forget this trainee; the toast takes it back."""
        pseudonym = self.pseudonym
        try:
            gone = self.history.delete(pseudonym)
        except InputError as error:
            return str(error)
        self.unkept = [one for one in self.unkept if one.pseudonym != pseudonym]
        self.show_history()
        if not gone:
            return tr("There is nothing to delete")
        self._house.toast(
            tr("{count} attempts of {pseudonym} deleted").format(count=len(gone), pseudonym=pseudonym),
            offer=tr("Undo"),
            taken=lambda: self._take_back(gone),
        )
        return ""

    def _take_back(self, gone: tuple[Attempt, ...]) -> None:
        try:
            self.history.add_all(gone)
        except InputError as error:
            self._house.toast(str(error), "problem")
        self.show_history()

    def _begin_clicked(self, name: ExerciseName) -> None:
        self._house.say(self.begin(name))

    def _choose_level(self, level: Level) -> None:
        self.level = level
