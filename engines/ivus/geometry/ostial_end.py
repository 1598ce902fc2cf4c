"""Which end of a coronary centerline is the ostium."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.geometry.straightened import sample_ct

_NEAR_MM = 4.5
_SURE = 3.0


def ostial_end_sign(
    ct: CtVolume,
    points_mm: Float[np.ndarray, "n 3"],
    arc_mm: Float[np.ndarray, " n"],
    size_mm: Float[np.ndarray, " n"],
    blood_hu: Float[np.ndarray, " n"],
) -> float:
    """How surely the first end is the ostial one; negative where it is the last.

    Arteries taper, contrast thins on its way, and beyond the ostium lies the wide aorta.

    Args:
        size_mm: lumen radius along the line.
        blood_hu: level of contrast along it.
    """
    length = max(float(np.ptp(arc_mm)), 1.0)
    share = (arc_mm - arc_mm.min()) / length
    fall = -float(np.polyfit(share, np.log(np.maximum(size_mm, 0.3)), 1)[0])
    thin = -float(np.polyfit(share, blood_hu, 1)[0]) / max(float(np.median(blood_hu)), 1.0)
    first, last = (_wide(ct, points_mm[index], float(blood_hu[index])) for index in (0, -1))
    return _SURE * (fall / 0.25 + 0.5 * thin / 0.15 + 2.0 * (first - last))


def _wide(ct: CtVolume, end_mm: Float[np.ndarray, " 3"], blood_hu: float) -> float:
    """Share of the surroundings that is filled with contrast."""
    rng = np.random.default_rng(0)
    way = rng.standard_normal((200, 3))
    way *= _NEAR_MM / np.linalg.norm(way, axis=1, keepdims=True)
    filled = float((sample_ct(ct, end_mm + way) > 0.6 * blood_hu).mean())
    return float(np.clip((filled - 0.25) / 0.25, 0.0, 1.0))
