"""One case from files to files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calibration.store import make_folder
from engines.anatomy.files.ct import load_ct
from engines.cmr.arms import DEFAULT, Arms
from engines.cmr.fuse import fuse
from engines.cmr.reading.coronaries import load_coronaries
from engines.cmr.reading.ct_masks import load_heart_masks
from engines.cmr.reading.perfusion import load_perfusion
from engines.cmr.results.result_file import result_json, write_fusion


def fuse_files(
    cta: Path,
    perfusion: Path,
    out: Path,
    *,
    ct_masks: Path | None = None,
    coronaries: Path | None = None,
    stress_series: str = "",
    rest_series: str = "",
    ignore_cmr_masks: bool = False,
    arms: Arms = DEFAULT,
    case: str | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Read, fuse, write; returns what `result.json` holds.

    Args:
        case: printed in the figure; the name of the folder where it is None.

    Raises:
        InputError: any input that cannot be used; nothing is written then.
    """
    started = time.perf_counter()
    make_folder(out)
    series = load_perfusion(perfusion, stress_series=stress_series, rest_series=rest_series)
    branches = load_coronaries(coronaries) if coronaries is not None else None
    ct = load_ct(cta)
    masks = load_heart_masks(ct_masks, ct) if ct_masks is not None else None
    if ignore_cmr_masks:
        series = series.without_masks()
    fusion = fuse(ct, masks, branches, series, progress, arms)
    elapsed_ms = 1000.0 * (time.perf_counter() - started)
    if progress is not None:
        progress("files", 0.92)
    wall = masks["lv_wall"] if masks is not None else None
    paths = {"cta": cta, "perfusion": perfusion, "ct_masks": ct_masks, "coronaries": coronaries}
    inputs = {name: str(path.resolve()) for name, path in paths.items() if path is not None}
    inputs |= {"stress_series": stress_series, "rest_series": rest_series}
    write_fusion(
        out, fusion, ct, wall, case=out.resolve().name if case is None else case, elapsed_ms=elapsed_ms,
        inputs={**inputs, "ignore_cmr_masks": ignore_cmr_masks, "arms": asdict(arms)},
    )  # fmt: skip
    return result_json(fusion, elapsed_ms)
