"""`bench latency` as a job: the command itself, so that its figures are those of the command."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from calibration.errors import InputError
from guidance_app.live.benches.latency_follow import moments_after
from guidance_app.panels.jobs.work import TellProgress

REPORT = "latency.json"
_LOOK_S = 0.3
_LOADING_SHARE = 0.1
_COMMAND = "from guidance_app.cli.main import main; main()"


def measure_into(
    folder: Path, tell: TellProgress, *, follow: str, case: str, backend: str, fps: float, seconds: float, size: int
) -> None:
    """Run the command, and leave `latency.json` in the folder; `follow` tells how it stands (`latency_follow`).

    Raises:
        InputError: what the command says when it fails.
    """
    command = [
        sys.executable, "-c", _COMMAND, "bench", "latency", "--case", case, "--backend", backend, "--fps", f"{fps:g}",
        "--seconds", f"{seconds:g}", "--size", str(size), "--json", str(folder / REPORT), "--follow", follow,
    ]  # fmt: skip
    said = folder / "said.txt"
    with said.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as bench:
        at, t_s = 0, 0.0
        tell("loading the engine", 0.02)
        while bench.poll() is None:
            moments, at = moments_after(Path(follow), at)
            if moments:
                t_s = moments[-1].t_s
                share = _LOADING_SHARE + (0.98 - _LOADING_SHARE) * min(t_s / seconds, 1.0)
                tell(f"measuring, {t_s:.0f} of {seconds:g} s", share)
            time.sleep(_LOOK_S)
    lines = [line for line in said.read_text(errors="replace").splitlines() if line.strip()]
    said.unlink()
    if bench.returncode != 0:
        raise InputError(lines[-1] if lines else f"bench latency ended with exit code {bench.returncode}")
