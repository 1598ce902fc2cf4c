"""The tasks of an evaluation (every method on every start of one source), and the collection of their trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calibration.store import write_bytes
from engines.evaluation.cohort import Workplace, run_cohort
from engines.evaluation.record_log import RecordLog
from engines.evaluation.registration.failure_pictures import failure_name, failure_png
from engines.evaluation.registration.figures import WRONG_MM
from engines.evaluation.registration.protocols import starts_of
from engines.evaluation.registration.subject import DrawnStart, StartSpread, Subject
from engines.evaluation.registration.trial import Trial, TrialKey, run_trial
from engines.registration.methods.method import RegistrationMethod
from engines.registration.methods.method_recipe import MethodRecipe

Progress = Callable[[str], None]
# A name and its loader, which must be picklable because it is sent to the worker.
Source = tuple[str, Callable[[], Sequence[Subject]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fewer:
    """The part on which a slow method is tried: the first drawn starts of the first sources, without the header's.

    Args:
        sources: None for all of them.
    """

    starts: int
    sources: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceTask:
    """Everything that determines the trials of one source, all of it picklable.

    Args:
        fewer: the smaller part for slow methods, by name.
        number: number of the source; with `seed` it determines the starts, on every worker.
        known: finished trials, which are not run again.
        pictures: whether to draw failed registrations.
    """

    number: int
    source: Source
    methods: tuple[MethodRecipe, ...]
    starts: int
    seed: int
    spread: StartSpread
    header: bool
    fewer: Mapping[str, Fewer]
    known: Mapping[TrialKey, Trial]
    pictures: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A message of a task: a trial, with a picture (PNG) if it failed, or a line for a waiting person."""

    trial: Trial | None = None
    picture: bytes = b""
    line: str = ""


def try_source(task: SourceTask, emit: Callable[[News], None]) -> None:
    """Load the source, make the methods, and run the unknown trials, reported in a fixed order.

    Raises:
        InputError: the source cannot be read.
    """
    name, load = task.source
    subjects, methods = load(), [recipe.make() for recipe in task.methods]
    for index, subject in enumerate(subjects):
        rng = np.random.default_rng([task.seed, task.number, index])
        drawn = list(subject.starts) or starts_of(subject, task.starts, task.spread, rng, header=task.header)
        for method in methods:
            found = []
            for start in _given_to(method.name, drawn, task):
                key = (method.name, name, subject.case, subject.run, start.number)
                news = News(trial=task.known[key]) if key in task.known else _tried(name, subject, start, method, task)
                assert news.trial is not None
                found.append(news.trial)
                emit(news)
            if found:
                emit(News(line=_line(subject, method.name, found)))


def _given_to(method: str, drawn: Sequence[DrawnStart], task: SourceTask) -> Sequence[DrawnStart]:
    """All starts, or for a slow method the first drawn ones, which the other methods also get."""
    fewer = task.fewer.get(method)
    if fewer is None:
        return drawn
    count = fewer.starts if fewer.sources is None or task.number < fewer.sources else 0
    return [start for start in drawn if 0 <= start.number < count]


def _tried(name: str, subject: Subject, start: DrawnStart, method: RegistrationMethod, task: SourceTask) -> News:
    trial, result = run_trial(subject, start, method)
    trial = trial.model_copy(update={"source": name})
    # With another patient's model, an accepted result is a failure.
    wrong = trial.status == "accepted" if trial.model_of else (trial.error_mm or 0.0) > WRONG_MM
    picture = b""
    if task.pictures and result is not None and wrong:
        picture = failure_png(trial, subject, result.isocentre_from_lps)
    return News(trial=trial, picture=picture)


def _line(subject: Subject, method: str, found: Sequence[Trial]) -> str:
    seconds = float(np.median([t.elapsed_ms for t in found])) / 1e3 if found else 0.0
    if subject.model_of:
        counts = {status: sum(t.status == status for t in found) for status in sorted({t.status for t in found})}
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"{subject.case} {subject.run} {method}, model of {subject.model_of}: {told}"
    good = sum(t.error_mm is not None and t.error_mm < 2.0 for t in found)
    return f"{subject.case} {subject.run} {method}: {good}/{len(found)} within 2 mm, {seconds:.1f} s each"


@dataclass(slots=True, kw_only=True)
class Gathering:
    """Collects the tasks' messages: trials in the log at once, pictures in their folder, failures as lines."""

    log: RecordLog[Trial]
    pictures: Path | None
    progress: Progress
    count: int
    trials: dict[int, list[Trial]] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    ended: int = 0

    def item(self, task: SourceTask, item: News) -> None:
        if item.line:
            self.progress(f"[{self.ended + 1}/{self.count}] {item.line}")
        if item.trial is None:
            return
        self.trials.setdefault(task.number, []).append(item.trial)
        if item.picture and self.pictures is not None:
            write_bytes(self.pictures / failure_name(item.trial), item.picture)
        if item.trial.key not in task.known:
            self.log.add(item.trial)

    def finished(self, task: SourceTask) -> None:  # noqa: ARG002 - of the listener's form
        self.ended += 1

    def failed(self, task: SourceTask, reason: str) -> None:
        self.ended += 1
        self.failures[task.number] = f"{task.source[0]}: {reason}"
        self.progress(f"[{self.ended}/{self.count}] {self.failures[task.number]}")

    def note(self, text: str) -> None:
        self.progress(text)


def run_trials(
    sources: Sequence[Source],
    methods: Sequence[MethodRecipe],
    *,
    starts: int,
    seed: int,
    spread: StartSpread,
    log: RecordLog[Trial],
    header: bool = True,
    fewer: Mapping[str, Fewer] | None = None,
    pictures: Path | None = None,
    place: Workplace | None = None,
    progress: Progress = lambda _: None,
) -> tuple[list[Trial], list[str]]:
    """Run every method on the same starts of every subject; trials in `log` are not run again.

    Returns:
        the trials in a fixed order, and a line for each source that could not be read or failed.
    """
    tasks = [
        SourceTask(
            number=number,
            source=source,
            methods=tuple(methods),
            starts=starts,
            seed=seed,
            spread=spread,
            header=header,
            fewer=fewer or {},
            known={trial.key: trial for trial in log.records if trial.source == source[0]},
            pictures=pictures is not None,
        )
        for number, source in enumerate(sources)
    ]
    gathering = Gathering(log=log, pictures=pictures, progress=progress, count=len(tasks))
    run_cohort(try_source, tasks, gathering, place)
    trials = [trial for task in tasks for trial in gathering.trials.get(task.number, [])]
    return trials, [gathering.failures[number] for number in sorted(gathering.failures)]
