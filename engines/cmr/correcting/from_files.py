"""A finished fusion taken up again from its inputs, so that it can be corrected."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from calibration.errors import InputError
from engines.anatomy.files.ct import load_ct
from engines.anatomy.vessel_model import CtVolume
from engines.cmr.arms import arms_named
from engines.cmr.correcting.session import CorrectedFusion
from engines.cmr.measured import Progress, measure_case, silent
from engines.cmr.reading.coronaries import load_coronaries
from engines.cmr.reading.ct_masks import load_heart_masks
from engines.cmr.reading.perfusion import load_perfusion
from engines.cmr.results.result_file import INPUTS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakenUp:
    """Args:
    wall: the CT's own mask at full resolution, if one was given.
    """

    session: CorrectedFusion
    ct: CtVolume
    wall: Bool[np.ndarray, "i j k"] | None


def take_up(folder: Path, say: Progress = silent) -> TakenUp:
    """Measure a result's case again from the inputs that its folder names.

    Raises:
        InputError: the folder does not name them, or one of them has gone or cannot be used.
    """
    try:
        stored = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
        named = {key: str(stored[key]) for key in ("cta", "perfusion")}
        named |= {key: str(stored.get(key) or "") for key in ("ct_masks", "coronaries", "stress_series", "rest_series")}
        arms = arms_named(**{key: str(value) for key, value in stored.get("arms", {}).items()})
        drop = bool(stored.get("ignore_cmr_masks"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / INPUTS}: does not name the case's inputs; fuse the case again") from error
    series = load_perfusion(
        Path(named["perfusion"]), stress_series=named["stress_series"], rest_series=named["rest_series"]
    )
    branches = load_coronaries(Path(named["coronaries"])) if named["coronaries"] else None
    ct = load_ct(Path(named["cta"]))
    masks = load_heart_masks(Path(named["ct_masks"]), ct) if named["ct_masks"] else None
    measured = measure_case(ct, masks, branches, series.without_masks() if drop else series, say, arms)
    return TakenUp(
        session=CorrectedFusion(measured, say, arms), ct=ct, wall=masks["lv_wall"] if masks is not None else None
    )
