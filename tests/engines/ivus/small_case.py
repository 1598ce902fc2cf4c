"""One simulated case, made once for all tests that need a pair."""

from functools import cache
from pathlib import Path

import numpy as np

from engines.ivus.files.pullback import Pullback
from engines.simulation.ivus.case import IvusCase, draw_case
from engines.simulation.ivus.contours import contour_tables
from engines.simulation.ivus.ultrasound import PIXEL_MM


@cache
def rich_case() -> IvusCase:
    """A validation case with several side branches; its registration is not in doubt."""
    return draw_case("validation", 9)


@cache
def turned_case() -> IvusCase:
    """A validation case whose centerline turns into a side branch in the middle of the pullback."""
    return draw_case("validation", 84)


def pullback_of(case: IvusCase) -> Pullback:
    middle = case.frames.shape[1] // 2
    return Pullback(
        frames=case.frames,
        pixel_mm=PIXEL_MM,
        centre_px=(middle, middle),
        z_mm=np.asarray(case.pullback.nominal_mm),
        source="simulated",
    )


def write_contours(case: IvusCase, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contour_tables(case.shapes, case.pullback).items():
        (folder / f"{name}.csv").write_text(text)
    return folder
