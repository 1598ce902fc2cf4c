"""What the CT shows where each candidate puts the middle frame: small pictures for the list."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.geometry.straightened import square_sections
from engines.ivus.registration import frame_poses
from guidance_app.panels.pictures.grey import windowed
from guidance_app.rooms.ivus.answer.desk import FusionDesk

SIDE_PX = 44
_HALF_MM = 3.2


def candidate_pictures(
    desk: FusionDesk, ct: CtVolume, window: tuple[float, float]
) -> tuple[UInt8[np.ndarray, "rows columns"] | None, ...]:
    """One grey picture a candidate, turned as the frame is; None where a method names no anchor."""
    offsets = np.linspace(-_HALF_MM, _HALF_MM, SIDE_PX)
    found = []
    for candidate in desk.candidates:
        if candidate.anchor_mm is None:
            found.append(None)
            continue
        hand = candidate.handedness * (-1 if candidate.distal_to_proximal else 1)
        points, u, v = frame_poses(desk.fusion.course.frame, np.array([candidate.anchor_mm]),
                                   np.array([candidate.anchor_rad]), hand, np.zeros((1, 2)))  # fmt: skip
        hu = square_sections(ct, points, u, v, columns_mm=offsets, rows_mm=offsets)[0]
        found.append(windowed(hu, window))
    return tuple(found)
