"""A recording as film and table, in a process of its own: the command `export`, so that both say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from calibration.errors import InputError
from guidance_app.panels.jobs.work import TellProgress

_COMMAND = "from guidance_app.cli.main import main; main()"


def film_into(folder: Path, tell: TellProgress, *, recording: str, case: str) -> None:
    """Write `*.mp4` and the table of poses, de-identified.

    Raises:
        InputError: what the command says when it fails.
    """
    tell("writing film and table", 0.1)
    command = [
        sys.executable, "-c", _COMMAND, "export", recording, "--case", case, "--format", "mp4", "--format", "csv",
        "--out", str(folder),
    ]  # fmt: skip
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError(lines[-1] if lines else f"export ended with exit code {done.returncode}")
