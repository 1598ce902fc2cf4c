"""The part of a CT about the heart of a result. No Qt."""

from __future__ import annotations

import numpy as np

from calibration.errors import InputError
from engines.anatomy.vessel_model import CtVolume
from guidance_app.rooms.cmr.opened import OpenedCmr
from guidance_app.rooms.cmr.pictures.section import HALF_MM


def ct_near_heart(ct: CtVolume, opened: OpenedCmr) -> CtVolume:
    """The CT's part about the heart; a whole chest would fill the memory.

    Raises:
        InputError: the heart of the result does not lie in this CT.
    """
    reach = 1.5 * HALF_MM
    middle = opened.frame.apex_mm + 0.5 * opened.frame.length_mm * opened.frame.axis
    span = reach + 0.5 * opened.frame.length_mm
    corners = middle + span * (np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3))
    inverse = np.linalg.inv(ct.lps_from_index)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    own = inverse[:3, :3] @ middle + inverse[:3, 3]
    shape = np.array(ct.voxels_hu.shape)
    if (own < 0).any() or (own > shape - 1).any():
        raise InputError("this CT does not hold the heart of the result; choose the CT that was fused")
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, None)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, shape)
    moved = ct.lps_from_index.copy()
    moved[:3, 3] += moved[:3, :3] @ low
    part = ct.voxels_hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]].copy()
    return CtVolume(voxels_hu=part, lps_from_index=moved)
