"""Registration methods by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Fusion
from engines.ivus.published.pipeline import register_published
from engines.ivus.registration import register

METHODS = ("ours", "paper")


def check_method(name: str) -> None:
    """Raises InputError: no such method."""
    if name not in METHODS:
        raise InputError(f"--method {name}: choose among {', '.join(METHODS)}")


def register_by(
    name: str,
    ct: CtVolume,
    line_mm: Float[np.ndarray, "n 3"],
    source: Pullback | Contours,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> Fusion:
    """Register by the method of this name.

    Raises:
        InputError: no such method.
    """
    check_method(name)
    if name == "paper":
        return register_published(ct, line_mm, source, progress=progress)
    return register(ct, line_mm, source, progress=progress)
