"""The history keeps every attempt through a kill, a full disk, a later version and a damaged file."""

import csv
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from calibration.errors import InputError
from guidance_app.rooms.training import history as history_module
from guidance_app.rooms.training.history import Attempt, TrainingHistory, checked_pseudonym

ATTEMPT = Attempt(
    pseudonym="heron-7", exercise="by-hand", began_utc="2026-03-01T09:30:00Z", case_mark="coronary-demo", run=1,
    frame=36, reference="truth", confidence=1.0, level="usual", seed=11, seconds=42.5, score=2.4, unit="mm",
    figures={"mean_mm": 2.4, "worst_mm": 3.4},
)  # fmt: skip


@pytest.fixture
def history(tmp_path):
    return TrainingHistory(tmp_path / "deep" / "training.sqlite")


def test_what_was_added_is_found_again_by_another_start(history):
    history.add(ATTEMPT)
    history.add(replace(ATTEMPT, score=1.2))
    found = TrainingHistory(history.path).attempts("heron-7")
    assert [one.score for one in found] == [2.4, 1.2]
    assert replace(found[0], id=0) == ATTEMPT


def test_nothing_is_made_by_looking(history):
    assert history.attempts("heron-7") == ()
    assert history.pseudonyms() == ()
    assert not history.path.parent.exists()


def test_trainees_do_not_see_each_other(history):
    history.add_all((ATTEMPT, replace(ATTEMPT, pseudonym="crane")))
    assert history.pseudonyms() == ("crane", "heron-7")
    assert len(history.attempts("crane")) == 1


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.guidance_app.rooms.training.test_history import ATTEMPT
from guidance_app.rooms.training.history import TrainingHistory
history = TrainingHistory(Path(sys.argv[1]))
for _ in range(3):
    history.add(ATTEMPT)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_between_exercises_loses_nothing(history):
    done = subprocess.run([sys.executable, "-c", _KILLED, str(history.path)], check=False, env=os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert len(history.attempts("heron-7")) == 3
    history.add(ATTEMPT)
    assert len(history.attempts("heron-7")) == 4


def test_a_file_of_a_later_version_is_kept_and_not_written(history):
    history.add(ATTEMPT)
    with sqlite3.connect(history.path) as base:
        base.execute("PRAGMA user_version = 9")
    base.close()
    before = history.path.read_bytes()
    for ask in (lambda: history.add(ATTEMPT), lambda: history.attempts("heron-7"), lambda: history.delete("heron-7")):
        with pytest.raises(InputError, match="later version") as caught:
            ask()
        assert "kept as it is" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert history.path.read_bytes() == before


def test_a_full_disk_is_one_line_and_costs_nothing_that_was_there(history, monkeypatch):
    history.add(ATTEMPT)
    connect = sqlite3.connect

    def full(*arguments, **options):
        base = connect(*arguments, **options)
        pages = base.execute("PRAGMA page_count").fetchone()[0]
        base.execute(f"PRAGMA max_page_count = {pages}")
        return base

    monkeypatch.setattr(history_module.sqlite3, "connect", full)
    with pytest.raises(InputError, match="disk is full; free some space") as caught:
        history.add_all([ATTEMPT] * 500)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert len(history.attempts("heron-7")) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(history):
    history.path.parent.mkdir()
    history.path.parent.chmod(0o500)
    with pytest.raises(InputError, match="training history"):
        history.add(ATTEMPT)


def test_a_damaged_file_is_moved_aside_and_named(history):
    history.path.parent.mkdir()
    history.path.write_bytes(b"not a database, and long enough to be looked at" * 50)
    history.add(ATTEMPT)
    assert len(history.attempts("heron-7")) == 1
    (aside,) = history.path.parent.glob("training.bad-*")
    assert aside.name in history.moved_aside
    assert aside.read_bytes().startswith(b"not a database")


def test_a_database_of_another_program_is_moved_aside_too(history):
    history.path.parent.mkdir()
    with sqlite3.connect(history.path) as base:
        base.execute("CREATE TABLE theirs (x)")
    base.close()
    history.add(ATTEMPT)
    assert len(history.attempts("heron-7")) == 1
    assert len(list(history.path.parent.glob("training.bad-*"))) == 1


def test_what_is_deleted_is_overwritten_and_can_be_put_back(history):
    history.add_all((replace(ATTEMPT, pseudonym="Stork_99"), ATTEMPT))
    gone = history.delete("Stork_99")
    assert history.pseudonyms() == ("heron-7",)
    assert b"Stork_99" not in history.path.read_bytes()
    history.add_all(gone)
    assert len(history.attempts("Stork_99")) == 1


def test_the_export_has_every_figure_and_the_research_line_in_every_row(history, tmp_path):
    history.add_all((ATTEMPT, replace(ATTEMPT, exercise="projection", figures={"overlap": 0.2})))
    assert history.export(tmp_path / "heron.csv", "heron-7") == 2
    with (tmp_path / "heron.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["note"] for row in rows] == ["Research use only - not a medical device"] * 2
    assert (rows[0]["mean_mm"], rows[0]["overlap"], rows[1]["overlap"]) == ("2.4", "", "0.2")
    assert rows[0]["score"] == "2.4"


def test_not_a_number_is_refused_before_anything_is_written(history):
    with pytest.raises(ValueError, match="JSON"):
        history.add(replace(ATTEMPT, figures={"mean_mm": float("nan")}))
    assert history.attempts("heron-7") == ()


@pytest.mark.parametrize("text", ["", "Jane Doe", "a" * 25, "x;DROP", "né"])
def test_a_pseudonym_is_short_and_plain(text):
    with pytest.raises(InputError, match="not your own name"):
        checked_pseudonym(text)
