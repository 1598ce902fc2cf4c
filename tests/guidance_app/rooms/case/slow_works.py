"""Works of the case room that linger at their end, so that a test can cancel them on any machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from engines.anatomy.correcting.edits import Edit
from guidance_app.panels.jobs.work import TellProgress
from guidance_app.rooms.case.importing import works

_LINGERS_S = 120.0


def correct_case(folder: Path, tell: TellProgress, *, case: Path, edits: Sequence[Edit]) -> None:
    """All is written, and nothing is in its place yet."""
    works.correct_case(folder, tell, case=case, edits=edits)
    time.sleep(_LINGERS_S)
