"""Computes the answers of both sides as jobs, and keeps them until the window closes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer

from calibration.errors import GuidanceError
from engines.anatomy.cases.case import Case
from guidance_app.panels.jobs.job import Job
from guidance_app.panels.jobs.work import Work
from guidance_app.panels.scratch import scratch_folder
from guidance_app.rooms.replay.side import Named, Recipe, Side
from guidance_app.rooms.replay.take_work import RECORDING, TakeNote, compute_take, read_note
from guidance_app.rooms.room import House
from guidance_app.sources.recording.recording_source import RecordedRun
from guidance_app.views.language import tr

_LOOK_MS = 400


class TakeDesk(QObject):
    """Nothing is computed beside live guidance, and what is being computed ends when that begins.

    Args:
        computed: given a side, its recording and what it is called, once it is there.
        changed: told whenever something has changed that is said in words; with a problem, or "".
    """

    def __init__(
        self,
        parent: QObject,
        house: House,
        sides: tuple[Side, ...],
        *,
        computed: Callable[[Side, RecordedRun, Named], None],
        changed: Callable[[str], None],
    ) -> None:
        super().__init__(parent)
        self._house, self._sides = house, sides
        self._computed, self._changed = computed, changed
        self._folder: Path | None = None
        self._count = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)

    def compute(self, side: Side, case: Case, source: Path) -> None:
        """As the side's choices say."""
        self._folder = self._folder or scratch_folder("replay")
        self._count += 1
        recipe = side.recipe
        work = Work(
            words=tr("Replay {letter}, {backend}").format(letter=side.letter, backend=recipe.backend),
            run=compute_take, out=self._folder / f"take-{self._count}",
            arguments={
                "case": str(case.folder), "source": str(source), "backend": recipe.backend,
                "models": "" if recipe.models is None else str(recipe.models),
                "pose": "" if recipe.pose is None else str(recipe.pose), "method": recipe.method,
            },
        )  # fmt: skip
        job = self._house.start_job(work, lambda job: self._ended(side, job, recipe))
        side.job = None if job.is_over else job
        if side.job is not None:
            self._timer.start()
        self._changed(job.problem)

    def cannot_cancel(self) -> str:
        return "" if any(side.job is not None for side in self._sides) else tr("Nothing is being computed")

    def cancel(self) -> str:
        """End what is being computed; what is shown stays."""
        running = [side.job for side in self._sides if side.job is not None]
        for job in running:
            job.cancel()
        return tr("Cancelled; what was there stays") if running else tr("Nothing is being computed")

    def close(self) -> None:
        self._timer.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _look(self) -> None:
        running = [side for side in self._sides if side.job is not None]
        if running and self._house.guiding:
            self._house.toast(tr("Computing was ended: live guidance began"), "problem")
            self.cancel()
        if not running:
            self._timer.stop()
        self._changed("")

    def _ended(self, side: Side, job: Job, recipe: Recipe) -> None:
        side.job, problem = None, job.problem
        if job.state == "done":
            try:
                note = read_note(job.work.out)
                self._computed(side, RecordedRun(job.work.out / RECORDING), _named(note, recipe))
            except GuidanceError as error:
                problem = str(error)
        self._changed(f"{side.letter}: {problem}" if problem else "")


def _named(note: TakeNote, recipe: Recipe) -> Named:
    """What tells the two apart comes first."""
    engine = note.engine
    short = note.engine.rpartition(" on ")[2].partition(" (")[0]
    begun = tr("pose searched")
    if note.method:
        begun = tr("from the pose of {method} ({found})").format(method=note.method, found=note.found)
        short = f"{note.method}, {short}"
    elif note.pose:
        begun, short = tr("from {file}").format(file=note.pose), f"{note.pose}, {short}"
    if recipe.models is not None:
        engine, short = f"{engine}, {recipe.models}", f"{recipe.models.name}, {short}"
    return Named(words=tr("Computed anew: {engine}; {begun}").format(engine=engine, begun=begun), short=short)
