"""What a recording says of itself."""

from __future__ import annotations

from importlib.metadata import version

from engines.anatomy.cases.case import Case
from engines.inference.machine import this_machine


def about_run(case: Case, source_id: str) -> dict[str, str]:
    """For `Recorder`: case, source, machine and program; no patient text."""
    return {
        "case": case.id,
        "case_kind": case.kind,
        "frame_of_reference_uid": case.frame_of_reference_uid,
        "source": source_id,
        "machine": this_machine().model_dump_json(),
        "program": f"guidance-app {version('guidance-app')}",
        "research_use_only": "not a medical device",
    }
