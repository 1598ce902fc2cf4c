"""Registration methods by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Fusion
from engines.ivus.published.pipeline import MAPS_EVERY, register_published
from engines.ivus.registration import Variant, register

METHODS = ("ours", "paper")
# For studies: ours without one of its parts, and the published method with maps computed again in every step.
ABLATIONS = {
    "ours-no-lumen": Variant(lumen=False), "ours-no-learning": Variant(learned=False),
    "ours-no-posterior": Variant(posterior=False), "ours-no-refinement": Variant(refined=False),
    "ours-no-other-way": Variant(ways=False),
}  # fmt: skip
EVERY_METHOD = (*METHODS, "paper-literal", *ABLATIONS)


def check_method(name: str, *, among: Sequence[str] = METHODS) -> None:
    """Raises InputError: no such method."""
    if name not in among:
        raise InputError(f"--method {name}: choose among {', '.join(among)}")


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
    check_method(name, among=EVERY_METHOD)
    if name.startswith("paper"):
        every = 1 if name == "paper-literal" else MAPS_EVERY
        return register_published(ct, line_mm, source, every=every, progress=progress)
    return register(ct, line_mm, source, variant=ABLATIONS.get(name, Variant()), progress=progress)
