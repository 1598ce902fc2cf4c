"""Measure how much worse a pose fits after a small move: a right pose loses its fit at once, a chance pose hardly.

Another patient's tree lies near many lines of a picture but exactly on few. Wherever it is moved, it is near others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.registration.alignment.agreement import agreement
from engines.registration.alignment.levenberg_marquardt import SCALES, moved
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState

_NUDGE_MM = 1.5  # the distance within which a line counts as explained
_NUDGE_RAD = 0.04  # moves a point 4 cm from the middle by 1.5 mm
_APART_MM = 9.0  # at this distance, the right model explains its lines no more
_MODEL_POINTS, _IMAGE_POINTS = 500, 700


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """The loss of fit around a pose.

    Args:
        sharp: share of the score that is lost by a move of 1.5 mm in plane.
        turn_sharp: share that is lost by a turn of 0.04 rad about the beam.
        chance: best score of poses 9 mm off, relative to this one's, at most 2.
    """

    sharp: float
    turn_sharp: float
    chance: float


def sharpness(state: RigidState, model: PreparedModel, views: Sequence[PreparedView]) -> Sharpness:
    """Judge the poses around a pose; 0, 0 and 2 if the pose itself explains nothing."""
    model, views = model.thinned(_MODEL_POINTS), [view.thinned(_IMAGE_POINTS) for view in views]

    def score(turn_rad: np.ndarray, x_mm: float, y_mm: float) -> float:
        step = np.array([*turn_rad, x_mm, y_mm, 0.0]) / SCALES
        return agreement(moved(state, step, views), model, views).score

    still, beam = np.zeros(3), views[0].camera_from_isocentre[2, :3]
    here = score(still, 0.0, 0.0)
    if here <= 0.0:
        return Sharpness(sharp=0.0, turn_sharp=0.0, chance=2.0)
    nudged = [score(still, x, y) for x, y in ((_NUDGE_MM, 0), (-_NUDGE_MM, 0), (0, _NUDGE_MM), (0, -_NUDGE_MM))]
    turned = [score(side * _NUDGE_RAD * beam, 0.0, 0.0) for side in (-1.0, 1.0)]
    diagonal = _APART_MM / np.sqrt(2.0)
    away = [score(still, x, y) for x in (-diagonal, diagonal) for y in (-diagonal, diagonal)]
    return Sharpness(
        sharp=1.0 - float(np.mean(nudged)) / here,
        turn_sharp=1.0 - float(np.mean(turned)) / here,
        chance=min(max(away) / here, 2.0),
    )
