"""From the posterior to a few distinct answers, and how much of it stands behind the best one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.ivus.features.landmark_maps import ANGLES
from engines.ivus.fusion import Candidate
from engines.ivus.search.path_search import Posterior

_APART_MM, _APART_RAD = 5.0, np.deg2rad(45.0)
_MOST = 5
_PEAKS = 8  # looked at in each hypothesis
_BASIN_MM = 4.0


def distinct_answers(posteriors: Sequence[Posterior]) -> tuple[Candidate, ...]:
    """Answers that differ by direction, handedness, 5 mm or 45 degrees; best first, at most five."""
    found: list[tuple[float, float, float, Posterior]] = []
    for posterior in posteriors:
        found += _peaks(posterior)
    found.sort(key=lambda peak: -peak[0])
    kept: list[tuple[float, float, float, Posterior]] = []
    for peak in found:
        twin = next((k for k, other in enumerate(kept) if _same(peak, other)), None)
        if twin is None:
            kept.append(peak)
        else:
            mass, offset, turn, posterior = kept[twin]
            kept[twin] = (mass + peak[0], offset, turn, posterior)
    kept.sort(key=lambda peak: -peak[0])
    return tuple(
        Candidate(
            probability=float(min(mass, 1.0)),
            offset_mm=float(offset),
            rotation_deg=float(np.rad2deg(np.angle(np.exp(1j * turn)))),
            distal_to_proximal=posterior.hypothesis.along < 0,
            handedness=posterior.hypothesis.handedness * posterior.hypothesis.along,
            anchor=len(posterior.place_mm) // 2,
            anchor_mm=float(offset - posterior.place_mm[0] + posterior.place_mm[len(posterior.place_mm) // 2]),
            anchor_rad=float(turn - posterior.angle_rad[0] + posterior.angle_rad[len(posterior.angle_rad) // 2]),
        )
        for mass, offset, turn, posterior in kept[:_MOST]
    )


def mass_behind(posteriors: Sequence[Posterior]) -> float:
    """Probability that lies within 4 mm and 45 degrees of the best path, in its direction and handedness."""
    best = posteriors[0]
    total = 0.0
    for posterior in posteriors:
        one, other = posterior.hypothesis, best.hypothesis
        if (one.along, one.handedness) != (other.along, other.handedness):
            continue
        shares = []
        for frame in np.linspace(0, len(best.place_mm) - 1, 5).astype(int):
            near = np.abs(posterior.places_mm(int(frame)) - best.place_mm[frame]) <= _BASIN_MM
            turn = np.arange(ANGLES) * 2 * np.pi / ANGLES - best.angle_rad[frame]
            close = np.abs(np.angle(np.exp(1j * turn))) <= _APART_RAD
            shares.append(float(posterior.marginal[frame][near][:, close].sum()))
        total += posterior.probability * float(np.mean(shares))
    return min(total, 1.0)


def place_mass(posteriors: Sequence[Posterior]) -> float:
    """Probability within 4 mm of the best path in its direction, whatever the angle and the handedness."""
    best = posteriors[0]
    total = 0.0
    for posterior in posteriors:
        if posterior.hypothesis.along != best.hypothesis.along:
            continue
        shares = []
        for frame in np.linspace(0, len(best.place_mm) - 1, 5).astype(int):
            near = np.abs(posterior.places_mm(int(frame)) - best.place_mm[frame]) <= _BASIN_MM
            shares.append(float(posterior.marginal[frame][near].sum()))
        total += posterior.probability * float(np.mean(shares))
    return min(total, 1.0)


def _peaks(posterior: Posterior) -> list[tuple[float, float, float, Posterior]]:
    """The strongest places of the middle frame, carried to the first one along the path's own shape."""
    middle = len(posterior.place_mm) // 2
    left = posterior.marginal[middle].astype(np.float64).copy()
    places = posterior.places_mm(middle)
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    to_first_mm = posterior.place_mm[0] - posterior.place_mm[middle]
    to_first_rad = posterior.angle_rad[0] - posterior.angle_rad[middle]
    found = []
    for _ in range(_PEAKS):
        x, a = np.unravel_index(int(np.argmax(left)), left.shape)
        near = np.abs(places - places[x]) <= _APART_MM
        close = np.abs(np.angle(np.exp(1j * (angle - angle[a])))) <= _APART_RAD
        mass = posterior.probability * float(left[np.ix_(near, close)].sum())
        if mass < 1e-3:
            break
        left[np.ix_(near, close)] = 0.0
        found.append((mass, float(places[x] + to_first_mm), float(angle[a] + to_first_rad), posterior))
    return found


def _same(one: tuple[float, float, float, Posterior], other: tuple[float, float, float, Posterior]) -> bool:
    first, second = one[3].hypothesis, other[3].hypothesis
    if (first.along, first.handedness) != (second.along, second.handedness):
        return False
    turn = abs(float(np.angle(np.exp(1j * (one[2] - other[2])))))
    return abs(one[1] - other[1]) <= _APART_MM and turn <= _APART_RAD
