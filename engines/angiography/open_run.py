"""Open whatever holds a run."""

from __future__ import annotations

from pathlib import Path

from engines.angiography.run import Run
from engines.angiography.xa_file import XaRun


def open_run(path: Path) -> Run:
    return XaRun(Path(path))
