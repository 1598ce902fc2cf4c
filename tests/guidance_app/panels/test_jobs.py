"""A job runs in its own process, tells how far it is, and leaves its whole result or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from guidance_app.panels.jobs.job import Job, words_of
from guidance_app.panels.jobs.tray import JobTray
from guidance_app.panels.jobs.work import Work
from tests.guidance_app.panels import jobs_to_do

pytestmark = pytest.mark.usefixtures("qapp")
_PATIENCE_MS = 20_000  # spawning imports this package on a busy machine


@pytest.fixture
def jobs() -> Iterator[list[Job]]:
    started: list[Job] = []
    yield started
    for job in started:
        job.cancel()


def start(jobs: list[Job], out: Path, run: Any, **arguments: Any) -> Job:
    job = Job(Work(words="Test job", run=run, out=out, arguments=arguments))
    jobs.append(job)
    job.start()
    return job


def test_the_result_appears_whole_with_progress_on_the_way(qtbot: QtBot, jobs: list[Job], tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    job = start(jobs, tmp_path / "out", jobs_to_do.write_result, text="new")
    assert not (tmp_path / "out").exists()
    job.changed.connect(lambda: seen.append((job.stage, job.share)))
    qtbot.waitUntil(lambda: job.is_over, timeout=_PATIENCE_MS)
    assert (job.state, job.problem, job.share) == ("done", "", 1.0)
    assert (tmp_path / "out" / "result.txt").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert seen[-1] == ("writing", 1.0)


def test_a_result_of_before_is_replaced_as_a_whole(qtbot: QtBot, jobs: list[Job], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "of_before.txt").write_text("old")
    job = start(jobs, out, jobs_to_do.write_result, text="new")
    qtbot.waitUntil(lambda: job.is_over, timeout=_PATIENCE_MS)
    assert [entry.name for entry in out.iterdir()] == ["result.txt"]


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (jobs_to_do.refuse, "scan.nii: is no NIfTI file"),
        (jobs_to_do.go_wrong, "defect in the program, please report it (KeyError: 'lumen')"),
        (jobs_to_do.die, "it broke off (exit code -9); nothing was written"),
    ],
)
def test_a_job_that_fails_says_why_in_one_line_and_leaves_the_result_of_before(
    qtbot: QtBot, jobs: list[Job], tmp_path: Path, run: Any, problem: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "of_before.txt").write_text("old")
    job = start(jobs, out, run)
    qtbot.waitUntil(lambda: job.is_over, timeout=_PATIENCE_MS)
    assert (job.state, job.problem) == ("failed", problem)
    assert words_of(job) == f"Failed: {problem}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert [entry.name for entry in out.iterdir()] == ["of_before.txt"]


def test_cancel_takes_less_than_a_second_and_leaves_neither_process_nor_file(
    qtbot: QtBot, jobs: list[Job], tmp_path: Path
) -> None:
    told = tmp_path / "told.txt"
    job = start(jobs, tmp_path / "out", jobs_to_do.never_end, told=str(told))
    qtbot.waitUntil(lambda: job.stage == "computing", timeout=_PATIENCE_MS)
    assert job._process is not None
    assert job._process.pid is not None
    own, (child, scratch) = job._process.pid, told.read_text().split("\n")
    began_s = time.monotonic()
    job.cancel()
    took_s = time.monotonic() - began_s
    assert job.state == "cancelled"
    assert took_s < 1.0
    qtbot.waitUntil(lambda: not _is_alive(own) and not _is_alive(int(child)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["told.txt"]
    assert not Path(scratch).exists()
    job.cancel()
    assert job.state == "cancelled"


def test_a_place_that_cannot_be_written_to_is_one_line(jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    job = start(jobs, tmp_path / "file" / "out", jobs_to_do.write_result, text="")
    assert job.state == "failed"
    assert "cannot write here" in job.problem


def test_time_left_follows_the_pace_and_is_not_told_from_too_little(tmp_path: Path) -> None:
    now_s = [100.0]
    job = Job(Work(words="", run=jobs_to_do.die, out=tmp_path), clock_s=lambda: now_s[0])
    job.state, job._began_s = "running", 100.0
    assert job.left_s is None
    now_s[0], job.share = 130.0, 0.01
    assert job.left_s is None
    job.share, job.stage = 0.25, "searching"
    assert job.left_s == pytest.approx(90.0)
    assert words_of(job) == "Searching, 25 %, about 2 min left"


def test_the_tray_runs_one_job_after_the_other_and_tells_of_each(qtbot: QtBot, tmp_path: Path) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    ended: list[tuple[str, str]] = []
    tray = JobTray(window, lambda job: ended.append((job.work.words, job.state)))
    endless = tray.start(
        Work(
            words="first", run=jobs_to_do.never_end, out=tmp_path / "1", arguments={"told": str(tmp_path / "told.txt")}
        )
    )
    second = tray.start(Work(words="second", run=jobs_to_do.write_result, out=tmp_path / "2", arguments={"text": "x"}))
    third = tray.start(Work(words="third", run=jobs_to_do.go_wrong, out=tmp_path / "3"))
    assert [job.state for job in tray.jobs] == ["running", "waiting", "waiting"]
    assert words_of(second) == "Waits for the job before it"
    assert tray.open_jobs == 3
    endless.cancel()
    assert second.state == "running"
    third.cancel()
    qtbot.waitUntil(lambda: second.is_over, timeout=_PATIENCE_MS)
    assert ended == [("first", "cancelled"), ("third", "cancelled"), ("second", "done")]
    assert tray.open_jobs == 0


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
