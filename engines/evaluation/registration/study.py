"""Evaluate registration: many seeded starts per view, with one method or several side by side.

It follows van de Kraats et al. 2005 (IEEE TMI 24:1177): starts are drawn around the reference, the error is measured on
the structure of interest, and success is a share of starts with its confidence interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engines.evaluation.cohort import Workplace
from engines.evaluation.record_log import RecordLog
from engines.evaluation.registration.figures import Summary, WrongAnatomy, summarise, wrong_anatomy_of
from engines.evaluation.registration.subject import StartSpread
from engines.evaluation.registration.trial import TRIALS, Trial
from engines.evaluation.registration.trial_tasks import Fewer, Progress, Source, run_trials
from engines.inference.machine import Machine, this_machine
from engines.registration.methods.method_recipe import MethodRecipe, recipe_named


class Report(BaseModel):
    """The file of `evaluate registration`; `total` and `per_run` belong to the first method, `methods` to each.

    Trials with another patient's model appear only in `wrong_anatomy` and `trials`.
    """

    model_config = ConfigDict(serialize_by_alias=True)
    schema_: str = Field(default="guidance-app/evaluate-registration/1", serialization_alias="schema")
    machine: Machine
    seed: int
    data: list[str]
    protocol: str
    spread: dict[str, float | str]
    total: dict[str, Summary]
    per_run: dict[str, dict[str, Summary]]
    methods: dict[str, dict[str, Summary]]
    wrong_anatomy: dict[str, WrongAnatomy]
    failures: list[str]
    trials: list[Trial]


def evaluate(
    sources: Sequence[Source],
    *,
    starts: int,
    seed: int,
    spread: StartSpread | None = None,
    methods: Sequence[MethodRecipe] = (),
    fewer: Mapping[str, Fewer] | None = None,
    protocol: str = "",
    pictures: Path | None = None,
    report: Path | None = None,
    place: Workplace | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Register every subject of every source from `starts` drawn poses and once from its header.

    A source that cannot be read is reported and the others go on. Errors do not depend on where the work is done, but
    times do.

    Args:
        sources: name and loader of each folder.
        methods: each gets the same starts; empty means ours.
        fewer: for slow methods by name, the smaller part on which they are tried.
        protocol: name of the spread, for the report.
        pictures: folder for a picture of each registration worse than 5 mm, and of each wrong model that was accepted.
        report: where the caller will write the report; finished trials are stored beside it until `discard_partial`.
        place: where the work is done; one task per source.
    """
    spread, methods = spread or StartSpread(), methods or (recipe_named("ours"),)
    settings = evaluation_settings(sources, starts=starts, seed=seed, spread=spread)
    log = RecordLog(Trial, report, settings, called=TRIALS, progress=progress)
    trials, failures = run_trials(
        sources, methods, starts=starts, seed=seed, spread=spread, fewer=fewer, log=log,
        pictures=pictures, place=place, progress=progress,
    )  # fmt: skip
    own = [trial for trial in trials if not trial.model_of]
    foreign = [trial for trial in trials if trial.model_of]
    first = [trial for trial in own if trial.method == methods[0].name]
    runs = sorted({f"{trial.case}/{trial.run}" for trial in first})
    return Report(
        machine=this_machine(),
        seed=seed,
        data=[name for name, _ in sources],
        protocol=protocol,
        spread=asdict(spread),
        total=_by_start(first),
        per_run={run: _by_start([t for t in first if f"{t.case}/{t.run}" == run]) for run in runs},
        methods={m.name: _by_start([t for t in own if t.method == m.name]) for m in methods},
        wrong_anatomy={
            m.name: wrong_anatomy_of([t for t in foreign if t.method == m.name]) for m in methods if foreign
        },
        failures=failures,
        trials=trials,
    )


def evaluation_settings(sources: Sequence[Source], *, starts: int, seed: int, spread: StartSpread) -> dict[str, Any]:
    """The settings that must be equal for an interrupted evaluation's trials to be reused; methods may differ."""
    return {"data": [name for name, _ in sources], "starts": starts, "seed": seed, "spread": asdict(spread)}


def discard_partial(report: Path) -> None:
    """Remove the trials stored beside a report that now contains them."""
    RecordLog.remove_beside(report, called=TRIALS)


def _by_start(trials: Sequence[Trial]) -> dict[str, Summary]:
    return {
        start: summarise([trial for trial in trials if trial.start == start])
        for start in sorted({trial.start for trial in trials})
    }
