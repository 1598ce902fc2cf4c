"""As much of a case as the window needs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

CASE: Any = SimpleNamespace(
    frame_of_reference_uid="1.2.3",
    id="case-7",
    kind="coronary",
    field_of_view="upper",
    folder=Path("case-7"),
    recordings=(SimpleNamespace(frame_of_reference_uid="1.2.3", path=Path("xa/run1.dcm")),),
    files={},
)
