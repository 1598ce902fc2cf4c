"""A small picture of a case's vessels: a person finds a case by its look sooner than by its name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from calibration.errors import GuidanceError

PORTRAIT_PX = 66


def portrait(case: str | Path) -> UInt8[np.ndarray, "r c 3"] | None:
    """The model from the front, RGB; None for a case that cannot be opened: choosing it says why."""
    from engines.anatomy.cases.case import load_case
    from engines.anatomy.cases.case_pictures import model_picture

    try:
        picture = model_picture(load_case(case).vessel_model(), "front")
    except GuidanceError:
        return None
    small = cv2.resize(picture, (2 * PORTRAIT_PX, 2 * PORTRAIT_PX), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[:, :, ::-1])
