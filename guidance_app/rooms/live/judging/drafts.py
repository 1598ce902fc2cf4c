"""Poses that only the room knows while a person corrects, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibration.errors import InputError
from guidance_app.rooms.live.judging.landmark_pairs import LandmarkPairs

if TYPE_CHECKING:
    import numpy as np

    from calibration.carm import CArmGeometry
    from calibration.pose import RigidPose


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """A pose with the landmark pairs that were set so far.

    Args:
        residuals_mm: of the pairs, where they made this pose.
    """

    pose: RigidPose
    pairs: LandmarkPairs
    residuals_mm: np.ndarray | None = None


def with_pairs(draft: Draft, pairs: LandmarkPairs, geometry: CArmGeometry, first: RigidPose) -> tuple[Draft, str]:
    """The draft that these pairs make, and one line on it; where they make none the pose stays, and the line says why.

    Args:
        first: the pose before any correction; pairs are always solved from there.
    """
    from engines.registration.landmark_pose import LEAST_PAIRS, pose_from_landmarks

    count = len(pairs.pairs)
    if count < LEAST_PAIRS:
        told = f"{count} of at least {LEAST_PAIRS} pairs. Click the next point of the model."
        return Draft(pose=draft.pose, pairs=pairs), told
    try:
        found = pose_from_landmarks(pairs.points_mm(), pairs.places_px(), geometry, first)
    except InputError as error:
        line = str(error)
        return Draft(pose=draft.pose, pairs=pairs), line[:1].upper() + line[1:]
    few = " Three always agree: a fourth tells whether they are right." if count == LEAST_PAIRS else ""
    told = f"{count} pairs, worst {found.residuals_mm.max():.1f} mm off. Enter proposes.{few}"
    return Draft(pose=found.isocentre_from_lps, pairs=pairs, residuals_mm=found.residuals_mm), told


def told_of(draft: Draft, first: RigidPose, geometry: CArmGeometry, pivot_lps_mm: np.ndarray) -> str:
    """How the draft was made and how far it lies from the pose before, for the event log."""
    from engines.registration.hand_pose import difference_text

    how = "handles"
    if draft.residuals_mm is not None:
        how = f"{len(draft.pairs.pairs)} landmark pairs, worst {draft.residuals_mm.max():.1f} mm off"
    return f"{how}; {difference_text(first, draft.pose, geometry, pivot_lps_mm)} from the pose before"
