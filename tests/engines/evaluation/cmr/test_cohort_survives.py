"""A cohort on a local cluster outlives the loss of a worker and of the run itself."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engines.simulation.cmr.case import simulate_cmr_case

_RUN = "from guidance_app.cli.main import main; main()"
_LIMIT_S = 270.0


def _done(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in sorted(out.glob("*/result.json"))}


def _wait_for(out: Path, count: int, run: subprocess.Popen) -> None:
    end = time.monotonic() + _LIMIT_S
    while len(_done(out)) < count:
        assert time.monotonic() < end
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(timeout=0.2)
            pytest.fail("the run ended by itself")


@pytest.mark.slow  # eight cases are simulated and fused
@pytest.mark.timeout(900)
def test_a_killed_worker_and_a_killed_run_cost_no_case(tmp_path: Path) -> None:
    from distributed import LocalCluster

    rows = ["id,cta,ct_masks,coronaries,perfusion"]
    for seed in range(7):
        case = simulate_cmr_case(seed, tmp_path / f"case-{seed}", spacing_mm=1.7)
        rows.append(f"c{seed},{case / 'cta.nii.gz'},{case / 'ct_masks'},{case / 'coronaries.vtp'},{case / 'perfusion'}")
    rows.insert(3, f"broken,{tmp_path / 'nowhere.nii.gz'},,,{tmp_path / 'case-0' / 'perfusion'}")
    cases, out = tmp_path / "cases.csv", tmp_path / "out"
    cases.write_text("\n".join(rows) + "\n")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        command = [sys.executable, "-c", _RUN, "cmr", "fuse", "--list", str(cases), "--out", str(out), "--cluster",
                   str(cluster.scheduler_address)]  # pyright: ignore[reportAttributeAccessIssue] # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
            _wait_for(out, 2, run)
            os.kill(cluster.workers[0].process.pid, signal.SIGKILL)  # pyright: ignore[reportAttributeAccessIssue]
            _wait_for(out, 4, run)
            run.kill()
        kept = _done(out)
        again = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert again.returncode == 1, "one case is broken, and that is said"
    assert "7 of 8 cases done, 1 failed" in again.stdout
    assert "cases are done already" in again.stderr
    assert {name: _done(out)[name] for name in kept} == kept, "what was done is done once"
    table = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert [row["status"] for row in table] == ["done", "done", "failed", *["done"] * 5]
    assert "nowhere.nii.gz" in table[2]["reason"]
