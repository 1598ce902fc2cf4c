"""`bench window`: starts the watched window several times, and puts its moments together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from calibration.errors import GuidanceError
from guidance_app.window.gallery.virtual_screen import SIZES, virtual_screen

GOALS_MS = {
    "window": 1500.0, "picture": 3000.0, "change_picture": 500.0, "change_overlay": 2000.0, "hide": 50.0,
    "invert": 50.0, "fainter": 50.0, "stronger": 50.0, "step": 100.0,
}  # fmt: skip
_LIMIT_S = 170.0
# Begins as the program does, with all its commands.
_WATCH = (
    "import sys; from guidance_app.cli.main import build_app; build_app(); "
    "from guidance_app.window.timing.watched import watch; watch(sys.argv[1], int(sys.argv[2]), sys.argv[3])"
)


def run_window_bench(case: str, *, starts: int, presses: int, display: str = "") -> dict[str, Any]:
    """Measure on a case with at least two runs.

    Args:
        starts: how often the window is opened; the last time the keys are pressed too.
        presses: of each key.
        display: an X server to open it on; without it a virtual one of 1920x1080.

    Raises:
        GuidanceError: the window did not come up, or did not finish.
    """
    load = os.getloadavg()[0]  # times on a machine that others use say little without it
    given: AbstractContextManager[tuple[dict[str, str], str]] = nullcontext((os.environ | {"DISPLAY": display}, ""))
    with given if display else virtual_screen(SIZES[1]) as (environment, manager):
        runs = [_watched(case, presses if number == starts - 1 else 0, environment) for number in range(starts)]
    changes = [change for run in runs for change in run["changes"]]
    lines = [
        _line(
            name,
            [_since_start(run, f"{name}_ns") for run in runs],
            [run["cpu_s"].get(f"{name}_ns") for run in runs],
        )
        for name in ("window", "picture", "overlay")
    ]
    lines += [
        _line(f"change_{what}", [change[f"{what}_ms"] for change in changes], [change["cpu_s"] for change in changes])
        for what in ("picture", "overlay")
    ]
    lines += [_line(name, times) for name, times in runs[-1]["keys"].items()]
    return {
        "case": case,
        "window_manager": manager or "none",
        "load_before": load,
        "starts": starts,
        "presses": presses,
        "lines": lines,
        "changes": changes,
    }


def _watched(case: str, presses: int, environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "marks.json"
        settings = {"XDG_CONFIG_HOME": folder}  # as on the first day, and nobody's own are changed
        started_ns = time.monotonic_ns()
        done = subprocess.run(
            [sys.executable, "-c", _WATCH, case, str(presses), str(out)], env=environment | settings, check=False,
            timeout=_LIMIT_S, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0 or not out.is_file():
            said = done.stderr.strip().splitlines()
            raise GuidanceError(f"bench window: the window did not finish ({said[-1] if said else done.returncode})")
        return json.loads(out.read_text(encoding="utf-8")) | {"started_ns": started_ns}


def _since_start(run: dict[str, Any], name: str) -> float | None:
    return (run[name] - run["started_ns"]) / 1e6 if name in run else None


def _line(name: str, times_ms: list[float | None], cpu_s: list[float | None] | None = None) -> dict[str, Any]:
    """Percentiles of what happened, and how often it did not happen in time."""
    seen = [time_ms for time_ms in times_ms if time_ms is not None]
    spent = [seconds for seconds in cpu_s or [] if seconds is not None]
    return {
        "name": name,
        "count": len(times_ms),
        "missed": len(times_ms) - len(seen),
        "p50_ms": float(np.percentile(seen, 50)) if seen else None,
        "p95_ms": float(np.percentile(seen, 95)) if seen else None,
        "cpu_s": float(np.median(spent)) if spent else None,
        "goal_ms": GOALS_MS.get(name),
    }
