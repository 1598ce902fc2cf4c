"""How well registration works: many seeded starts a view, by one method or by several side by side.

After van de Kraats et al. 2005 (IEEE TMI 24:1177): starts are drawn around the reference, the error is measured on the
structure that matters, and success is a share of starts with its confidence interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from calibration.errors import GuidanceError
from engines.evaluation.machine import Machine, this_machine
from engines.evaluation.registration_figures import WRONG_MM, Summary, summarise
from engines.evaluation.registration_pictures import write_failure_picture
from engines.evaluation.registration_subject import DrawnStart, StartSpread, Subject, starts_of
from engines.evaluation.registration_trial import Trial, run_trial
from engines.evaluation.trial_log import TrialLog
from engines.registration.methods.method import RegistrationMethod
from engines.registration.methods.ours import Ours

Progress = Callable[[str], None]
Source = tuple[str, Callable[[], Sequence[Subject]]]


class Report(BaseModel):
    """The file of `evaluate registration`; `total` and `per_run` are of the first method, `methods` of each."""

    model_config = ConfigDict(serialize_by_alias=True)
    schema_: str = Field(default="guidance-app/evaluate-registration/1", serialization_alias="schema")
    machine: Machine
    seed: int
    data: list[str]
    spread: dict[str, float]
    total: dict[str, Summary]
    per_run: dict[str, dict[str, Summary]]
    methods: dict[str, dict[str, Summary]]
    failures: list[str]
    trials: list[Trial]


def evaluate(
    sources: Sequence[Source],
    *,
    starts: int,
    seed: int,
    spread: StartSpread | None = None,
    methods: Sequence[RegistrationMethod] = (),
    pictures: Path | None = None,
    report: Path | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Register every subject of every source from `starts` drawn poses and once from its header alone.

    A source that cannot be read is noted and the others go on.

    Args:
        sources: name and loader of each folder.
        methods: each gets the same starts; ours when empty.
        pictures: folder for a picture of each registration worse than 5 mm.
        report: where the caller will write the report; finished trials lie beside it until `discard_partial`.
    """
    spread, methods = spread or StartSpread(), methods or (Ours(),)
    settings = evaluation_settings(sources, starts=starts, seed=seed, spread=spread)
    log = TrialLog(report, settings, progress=progress)
    trials, failures = run_trials(
        sources, methods, starts=starts, seed=seed, spread=spread, log=log, pictures=pictures, progress=progress
    )
    first = [trial for trial in trials if trial.method == methods[0].name]
    runs = sorted({f"{trial.case}/{trial.run}" for trial in first})
    return Report(
        machine=this_machine(),
        seed=seed,
        data=[name for name, _ in sources],
        spread=asdict(spread),
        total=_by_start(first),
        per_run={run: _by_start([t for t in first if f"{t.case}/{t.run}" == run]) for run in runs},
        methods={m.name: _by_start([t for t in trials if t.method == m.name]) for m in methods},
        failures=failures,
        trials=trials,
    )


def evaluation_settings(sources: Sequence[Source], *, starts: int, seed: int, spread: StartSpread) -> dict[str, Any]:
    """What must be equal for trials of an interrupted evaluation to be taken over; methods may come and go."""
    return {"data": [name for name, _ in sources], "starts": starts, "seed": seed, "spread": asdict(spread)}


def discard_partial(report: Path) -> None:
    """Remove the finished trials beside a report that now holds them."""
    report.with_name(f"{report.name}.trials.jsonl").unlink(missing_ok=True)


def run_trials(
    sources: Sequence[Source],
    methods: Sequence[RegistrationMethod],
    *,
    starts: int,
    seed: int,
    spread: StartSpread,
    log: TrialLog,
    header: bool = True,
    pictures: Path | None = None,
    progress: Progress = lambda _: None,
) -> tuple[list[Trial], list[str]]:
    """Every method on the same starts of every subject; trials that `log` already holds are not run again.

    Returns:
        the trials, and a line for each source that could not be read.
    """
    trials: list[Trial] = []
    failures: list[str] = []
    for number, (name, load) in enumerate(sources):
        place = f"[{number + 1}/{len(sources)}]"
        try:
            subjects = load()
        except GuidanceError as error:
            failures.append(f"{name}: {error}")
            progress(f"{place} {name}: {error}")
            continue
        for index, subject in enumerate(subjects):
            rng = np.random.default_rng([seed, number, index])
            drawn = starts_of(subject, starts, spread, rng, header=header)
            for method in methods:
                found = [_trial(subject, start, method, log, pictures) for start in drawn]
                trials.extend(found)
                good = sum(t.error_mm is not None and t.error_mm < 2.0 for t in found)
                seconds = float(np.median([t.elapsed_ms for t in found])) / 1e3 if found else 0.0
                progress(
                    f"{place} {subject.case} {subject.run} {method.name}: {good}/{len(found)} within 2 mm, "
                    f"{seconds:.1f} s each"
                )
    return trials, failures


def _trial(
    subject: Subject, start: DrawnStart, method: RegistrationMethod, log: TrialLog, pictures: Path | None
) -> Trial:
    done = log.finished(method.name, subject.case, subject.run, start.number)
    if done is not None:
        return done
    trial, result = run_trial(subject, start, method)
    if pictures is not None and result is not None and trial.error_mm is not None and trial.error_mm > WRONG_MM:
        write_failure_picture(pictures, trial, subject, result.isocentre_from_lps)
    log.add(trial)
    return trial


def _by_start(trials: Sequence[Trial]) -> dict[str, Summary]:
    return {
        start: summarise([trial for trial in trials if trial.start == start])
        for start in sorted({trial.start for trial in trials})
    }
