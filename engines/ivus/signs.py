"""Numbers that speak of an answer's trust: how the evidence lies about it, and what the inputs are like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.landmark_list import landmark_list
from engines.ivus.features.landmark_maps import ANGLES, LandmarkMaps, circular_blur
from engines.ivus.geometry.straightened import sample_ct
from engines.ivus.geometry.vessel_course import VesselCourse
from engines.ivus.search.candidates import mass_behind, place_mass
from engines.ivus.search.path_search import SCALES, Posterior

_WALL_HU = 50.0


def signs_of(
    course: VesselCourse, course_maps: LandmarkMaps, frame_maps: LandmarkMaps, evidence: np.ndarray,
    posteriors: Sequence[Posterior], ostium: float, *, doubtful: bool,
) -> dict[str, float]:  # fmt: skip
    """Numbers that speak of trust; `trust` says what they mean."""
    best = posteriors[0]
    job = best.hypothesis
    places = course_maps.place_mm
    row = np.clip(np.rint((best.place_mm - places[0]) / (places[1] - places[0])).astype(int), 0, len(places) - 1)
    column = np.rint(best.angle_rad / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    inside = (best.place_mm >= places[0]) & (best.place_mm <= places[-1])
    along = evidence[0 if job.handedness > 0 else 1][np.arange(len(row)), row, column]
    place = np.arange(len(row), dtype=np.float64)
    matched = np.clip(along - 0.5, 0.0, 1.0) * inside
    mine, theirs = np.log(frame_maps.size_mm), np.log(course_maps.size_mm[row])
    spread = float(mine.std() * theirs.std())
    correlation = float(((mine - mine.mean()) * (theirs - theirs.mean())).mean() / spread) if spread > 1e-6 else 0.0
    mass = mass_behind(posteriors)
    same = sum(p.probability for p in posteriors if p.hypothesis.along == job.along)
    mirror = sum(
        p.probability for p in posteriors
        if p.hypothesis.along == job.along and p.hypothesis.handedness != job.handedness
    )  # fmt: skip
    beyond = np.maximum(-best.place_mm, 0.0) + np.maximum(best.place_mm - course.given_mm, 0.0)
    return {
        "mass": mass,
        "place_mass": place_mass(posteriors),
        "evidence": float((along * inside).sum()),
        "landmarks": _matched_lengths(matched, frame_maps.place_mm),
        "size_correlation": correlation,
        "agreement": _map_agreement(frame_maps, course_maps, row, column, job.handedness, ("branch", "calcium")),
        "branch_agreement": _map_agreement(frame_maps, course_maps, row, column, job.handedness, ("branch",)),
        "branches_seen": float(sum(landmark.kind == "bifurcation" for landmark in landmark_list(frame_maps, place))),
        "outside": float(1.0 - inside.mean()),
        "outside_given_mm": float(beyond.max()),
        "on_line": float(course.left_mm is None),
        "ostium": float(min(ostium, 6.0)),
        "edge": float(job.scale in (SCALES[0], SCALES[-1])),
        "mirror": float(mirror / max(same, 1e-9)),
        "hidden": float(1.0 - frame_maps.valid.mean()),
        "contrast_hu": float(np.median(course.blood_hu)),
        "gating_doubtful": float(doubtful),
    }


def share_in_lumen(ct: CtVolume, course: VesselCourse, place_mm: Float[np.ndarray, " f"]) -> float:
    """Share of the frames whose place shows at least half the contrast in the CT."""
    hu = sample_ct(ct, course.frame.at(place_mm).points_mm)
    blood = np.interp(place_mm, course.frame.arc_mm, course.blood_hu)
    return float((hu > 0.5 * (blood + _WALL_HU)).mean())


def _map_agreement(
    frames: LandmarkMaps, course: LandmarkMaps, row: np.ndarray, column: np.ndarray, handedness: int,
    names: tuple[str, ...],
) -> float:  # fmt: skip
    """Correlation of both modalities' maps where the answer lays them over each other."""
    at = (column[:, None] + handedness * np.arange(ANGLES)[None, :]) % ANGLES
    spacing = float(np.median(np.diff(frames.place_mm)))
    total, scale = 0.0, 0.0
    for name in names:
        mine, theirs = getattr(frames, name), getattr(course, name)
        one = circular_blur(mine, along=1.0 / spacing, about=2.0)
        other = circular_blur(theirs[row[:, None], at], along=1.0 / spacing, about=2.0)
        one, other = one - one.mean(), other - other.mean()
        total += float((one * other).mean())
        scale += float(one.std() * other.std())
    return total / scale if scale > 1e-6 else 0.0


def _matched_lengths(matched: Float[np.ndarray, " f"], place_mm: Float[np.ndarray, " f"]) -> float:
    """How many separate stretches of frames agree far better than chance."""
    agree = matched > 0.3
    starts = np.flatnonzero(agree & ~np.concatenate([[False], agree[:-1]]))
    separate, last = 0, -1e9
    for start in starts:
        if place_mm[start] - last > 2.0:
            separate += 1
        last = place_mm[start]
    return float(separate)
