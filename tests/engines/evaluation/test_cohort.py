"""Tasks of a cohort: here, on other processes, with a worker that dies, and with tasks that fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import InputError
from engines.evaluation.cohort import Workplace, run_cohort


@dataclass
class Heard:
    items: dict[int, list[float]] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def item(self, task: int, item: float) -> None:
        self.items.setdefault(task, []).append(item)

    def finished(self, task: int) -> None:
        self.ended.append(task)

    def failed(self, task: int, reason: str) -> None:
        self.reasons[task] = reason

    def note(self, text: str) -> None: ...


def _three_draws(task: int, emit: Callable[[float], None], *, fails_at: int = -1) -> None:
    rng = np.random.default_rng(task)
    emit(float(rng.normal()))
    if task == fails_at:
        raise InputError(f"case {task}: cannot be read; give another")
    if task == fails_at + 1 and fails_at >= 0:
        raise ZeroDivisionError("float division")
    emit(float(rng.normal()))
    emit(float(rng.normal()))


def _dies_once(task: int, emit: Callable[[float], None], *, marks: Path) -> None:
    if task == 2:
        try:
            (marks / "died").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    _three_draws(task, emit)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


def test_a_task_that_fails_keeps_what_it_gave_and_the_others_go_on():
    heard = Heard()
    run_cohort(partial(_three_draws, fails_at=1), range(4), heard)
    assert heard.ended == [0, 3]
    assert heard.reasons == {1: "case 1: cannot be read; give another", 2: "ZeroDivisionError: float division"}
    assert {task: len(items) for task, items in heard.items.items()} == {0: 3, 1: 1, 2: 1, 3: 3}


def test_a_lost_worker_loses_no_case_and_changes_no_figure(scheduler: str, tmp_path: Path):
    here, there = Heard(), Heard()
    run_cohort(_three_draws, range(6), here)
    run_cohort(partial(_dies_once, marks=tmp_path), range(6), there, Workplace(cluster=scheduler))
    assert (tmp_path / "died").exists()
    assert sorted(there.ended) == here.ended == [*range(6)]
    assert there.items == here.items
    assert there.reasons == {}


def test_failures_travel_from_workers(scheduler: str):
    here, there = Heard(), Heard()
    run_cohort(partial(_three_draws, fails_at=0), range(3), here)
    run_cohort(partial(_three_draws, fails_at=0), range(3), there, Workplace(cluster=scheduler))
    assert (there.reasons, there.items) == (here.reasons, here.items)


def test_a_full_disk_ends_the_cohort():
    class Full(Heard):
        def item(self, task: int, item: float) -> None:
            raise InputError(f"log: cannot be written for case {task} ({item}); free space")

    with pytest.raises(InputError, match="cannot be written for case 0"):
        run_cohort(_three_draws, range(3), Full())


def test_a_missing_scheduler_and_two_workplaces_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engines.evaluation.cohort._CONNECT_S", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        run_cohort(_three_draws, range(2), Heard(), Workplace(cluster="tcp://127.0.0.1:1"))
    with pytest.raises(InputError, match="leave out --workers or --cluster"):
        Workplace(cluster="tcp://127.0.0.1:1", workers=2)


@pytest.mark.slow
def test_processes_of_this_machine_give_the_same():
    here, there = Heard(), Heard()
    run_cohort(_three_draws, range(4), here)
    run_cohort(_three_draws, range(4), there, Workplace(workers=2))
    assert there.items == here.items
