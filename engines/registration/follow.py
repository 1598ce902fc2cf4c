"""The pose after the table moved, as the header of the new frame states the move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from calibration.carm import DISTANCE_TOLERANCE_MM, CArmGeometry
from calibration.pose import RigidPose
from engines.registration.registration import Registration


def after_table_move(found: Registration, before: CArmGeometry, now: CArmGeometry) -> tuple[Registration, ...]:
    """Where the patient may lie now, the likeliest first; empty where the headers state no move.

    None of them is a registration of the new view: each waits for the tracker. There are several because systems differ
    in what they write: longitudinal runs towards LAO and lateral towards CRA by the standard, and the other way round
    in its plain sense; and a gantry on a carriage states as the table's move what is none.

    Args:
        before: of the view that the pose was last found to fit.
    """
    if before.table_mm is None or now.table_mm is None:
        return ()
    lateral, longitudinal, vertical = np.subtract(now.table_mm, before.table_mm)
    if max(abs(lateral), abs(longitudinal), abs(vertical)) <= DISTANCE_TOLERANCE_MM:
        return ()
    # Isocentre axes are LPS axes of a supine patient: LAO is towards left, CRA towards head, down is posterior.
    by_standard = np.array([longitudinal, vertical, lateral])
    by_name = np.array([lateral, vertical, longitudinal])
    return tuple(_shifted(found, shift) for shift in (by_standard, by_name, np.zeros(3)))


def _shifted(found: Registration, shift_mm: Float[np.ndarray, " 3"]) -> Registration:
    matrix = found.isocentre_from_lps.matrix.copy()
    matrix[:3, 3] += shift_mm
    return replace(found, isocentre_from_lps=RigidPose(matrix=matrix, target="isocentre", source="lps"))
