"""A simulated pullback on disk with its result."""

from __future__ import annotations

from pathlib import Path

from engines.ivus.files.result_files import write_result
from engines.ivus.files.session_file import Inputs
from engines.ivus.registration import register
from engines.simulation.ivus.case import simulate_ivus
from tests.engines.ivus.small_case import pullback_of, rich_case


def make_result(folder: Path) -> Path:
    """The folder that the room opens."""
    simulate_ivus("validation", 9, folder)
    case = rich_case()
    source = pullback_of(case)
    inputs = Inputs(
        cta=str(folder / "cta.nii.gz"), centerline=str(folder / "centerline.csv"), pullback=str(folder / "pullback")
    )
    write_result(folder / "result", register(case.ct, case.centerline_mm, source), case.ct, source, inputs=inputs)
    return folder / "result"
