"""Predict the pose after a move of the table or the C-arm that the new frame's header states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from calibration.carm import DISTANCE_TOLERANCE_MM, CArmGeometry
from calibration.pose import RigidPose
from engines.registration.registration import Registration

_SEEN_APART_RAD = np.deg2rad(5.0)  # from this angle on, the old view's depth is seen as a shift
_ALONG_OLD_BEAM = (-0.75, 0.75, -1.5, 1.5, -2.5, 2.5)  # offsets in units of the stated depth sigma


def places_after_move(found: Registration, before: CArmGeometry, now: CArmGeometry) -> tuple[Registration, ...]:
    """Possible poses of the patient, the likeliest first; the pose alone if the headers state no move.

    None of them is a registration of the new view until the tracker confirms it. There are several, because a table's
    move can be interpreted in two ways, and because a pose found from one angle is uncertain along that view's beam,
    which another angle sees from the side.

    Args:
        before: geometry of the last view that the pose fitted.
    """
    shifts = _table_shifts_mm(before, now) or (np.zeros(3),)
    was, beam = (geometry.camera_from_isocentre().rotation[2] for geometry in (before, now))
    if np.arccos(np.clip(was @ beam, -1.0, 1.0)) > _SEEN_APART_RAD:
        shifts = (*shifts, *(shifts[0] + along * found.depth_sigma_mm * was for along in _ALONG_OLD_BEAM))
    return tuple(_shifted(found, shift) for shift in shifts)


def _table_shifts_mm(before: CArmGeometry, now: CArmGeometry) -> tuple[Float[np.ndarray, " 3"], ...]:
    """Interpretations of the stated table move, in isocentre axes; empty if there is no move.

    Systems differ in what they write. By the standard, longitudinal runs towards LAO and lateral towards CRA; by the
    plain meaning of the words it is the other way round. And a gantry on a carriage states its own move as the table's.
    """
    if before.table_mm is None or now.table_mm is None:
        return ()
    lateral, longitudinal, vertical = np.subtract(now.table_mm, before.table_mm)
    if max(abs(lateral), abs(longitudinal), abs(vertical)) <= DISTANCE_TOLERANCE_MM:
        return ()
    # Isocentre axes are LPS axes of a supine patient: LAO is towards left, CRA towards head, down is posterior.
    by_standard = np.array([longitudinal, vertical, lateral])
    by_name = np.array([lateral, vertical, longitudinal])
    return by_standard, by_name, np.zeros(3)


def _shifted(found: Registration, shift_mm: Float[np.ndarray, " 3"]) -> Registration:
    if not shift_mm.any():
        return found
    matrix = found.isocentre_from_lps.matrix.copy()
    matrix[:3, 3] += shift_mm
    return replace(found, isocentre_from_lps=RigidPose(matrix=matrix, target="isocentre", source="lps"))
