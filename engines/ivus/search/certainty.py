"""How sure the search is of each frame's place and turn: the posterior over both, whatever the hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.geometry.vessel_course import STEP_MM
from engines.ivus.search.path_search import Posterior


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certainty:
    """Args:
    place: (g, s) chance of each place of the course, for the searched frames; what lies beyond it is in its ends.
    turn: (g, 48) chance of each angle of the frame's u axis.
    place_sigma_mm, turn_sigma_deg: (g,) root mean square distance of the posterior from the answer.
    """

    place: Float32[np.ndarray, "g s"]
    turn: Float32[np.ndarray, "g a"]
    place_sigma_mm: Float[np.ndarray, " g"]
    turn_sigma_deg: Float[np.ndarray, " g"]


def certainty_of(posteriors: Sequence[Posterior], course_mm: Float[np.ndarray, " s"]) -> Certainty:
    """Sum over the hypotheses, about the first one's path.

    Args:
        course_mm: arc lengths of the places, every `STEP_MM`.
    """
    best = posteriors[0]
    frames, places = len(best.place_mm), len(course_mm)
    place = np.zeros((frames, places), dtype=np.float32)
    turn = np.zeros((frames, ANGLES), dtype=np.float32)
    square = np.zeros(frames)
    for posterior in posteriors:
        for frame in range(frames):
            at_mm = posterior.places_mm(frame)
            along = posterior.probability * posterior.marginal[frame].sum(axis=1)
            rows = np.clip(np.rint((at_mm - course_mm[0]) / STEP_MM).astype(int), 0, places - 1)
            np.add.at(place[frame], rows, along)
            square[frame] += float((along * (at_mm - best.place_mm[frame]) ** 2).sum())
        turn += posterior.probability * posterior.marginal.sum(axis=1)
    total = np.maximum(turn.sum(axis=1), 1e-9)
    apart = np.angle(np.exp(1j * (np.arange(ANGLES)[None, :] * 2 * np.pi / ANGLES - best.angle_rad[:, None])))
    return Certainty(
        place=place, turn=turn, place_sigma_mm=np.sqrt(square / total),
        turn_sigma_deg=np.rad2deg(np.sqrt((turn * apart**2).sum(axis=1) / total)),
    )  # fmt: skip
