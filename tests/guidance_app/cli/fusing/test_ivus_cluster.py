"""A list of pullbacks on a cluster that loses a worker, in a run that is killed and started again."""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engines.anatomy.files.ct import save_ct
from tests.engines.ivus.small_case import rich_case, write_contours

CASES = 12
LIMIT_S = 240.0


def start(files: Path, out: Path, address: str) -> subprocess.Popen[str]:
    code = "from guidance_app.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "ivus", "register", "--list", str(files / "cases.csv"), "--out", str(out),
         "--cluster", address],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def until_done(out: Path, count: int, run: subprocess.Popen[str]) -> dict[str, int]:
    """Times of the finished results as soon as there are so many."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done = {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/result.json")}
        if len(done) >= count or run.poll() is not None:
            return done
        run_for_a_moment(run)
    pytest.fail(f"fewer than {count} cases were done within {LIMIT_S:.0f} s")


def run_for_a_moment(run: subprocess.Popen[str]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(timeout=0.2)


@pytest.mark.slow
def test_all_cases_are_done_once_although_a_worker_and_the_run_are_killed(tmp_path: Path):
    from distributed import LocalCluster

    case = rich_case()
    save_ct(tmp_path / "cta.nii.gz", case.ct)
    np.savetxt(tmp_path / "line.csv", case.centerline_mm, delimiter=",", header="x,y,z", comments="")
    write_contours(case, tmp_path / "contours")
    rows = [f"case{k:02d},cta.nii.gz,line.csv,contours" for k in range(CASES)]
    rows[4] = "broken,cta.nii.gz,line.csv,nowhere"
    (tmp_path / "cases.csv").write_text("\n".join(["id,cta,centerline,contours", *rows]) + "\n")
    out = tmp_path / "out"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        address = str(cluster.scheduler_address)
        run = start(tmp_path, out, address)
        until_done(out, 2, run)
        os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        until_done(out, 4, run)
        run.kill()
        run.communicate()
        before = {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/result.json")}
        assert 4 <= len(before) < CASES - 1
        again = start(tmp_path, out, address)
        said = again.communicate(timeout=LIMIT_S)
    assert again.returncode != 0
    assert "1 of 12 cases failed, first broken" in "".join(said)
    after = {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/result.json")}
    assert len(after) == CASES - 1
    # A task that a worker held when the run was killed may still have ended on it; none that was done is done again.
    assert all(after[name] == stamp for name, stamp in before.items())
    with (out / "summary.csv").open() as file:
        table = {row["id"]: row for row in csv.DictReader(file)}
    assert len(table) == CASES
    assert [name for name, row in table.items() if row["status"] == "failed"] == ["broken"]
    assert "nowhere" in table["broken"]["reason"]
