"""The courses that a pullback may lie in: the given line's, and those that go straight on where it turns off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.ct_maps import ct_maps
from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.features.landmark_weights import load_landmark_network
from engines.ivus.geometry.straight_on import straight_on
from engines.ivus.geometry.vessel_course import VesselCourse
from engines.ivus.search.evidence import EvidenceWeights, angular_evidence, anywhere, tempered_evidence
from engines.ivus.search.path_search import Posterior
from engines.ivus.search.size_offset import offset_penalty, size_offset
from engines.ivus.search.which_way import shares_of_ways

_NO_MATTER_MM = 1.0  # behind the place where courses part, that no frame lies beyond


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """One course with what the frames say of its places.

    Args:
        tempered: evidence by handedness, frame, place and angle, against nothing yet.
        size_offset: logarithm of how much larger lumina look in the frames than in the CT.
    """

    course: VesselCourse
    maps: LandmarkMaps
    tempered: Float32[np.ndarray, "2 f s a"]
    size_offset: float

    @property
    def evidence(self) -> Float32[np.ndarray, "2 f s a"]:
        """Against anywhere else in this course."""
        return self.tempered - anywhere(self.tempered)


def way_along(
    course: VesselCourse, maps: LandmarkMaps, frame_maps: LandmarkMaps, weights: EvidenceWeights, *, sized: bool = True
) -> Way:
    """What the frames say of a course.

    Args:
        sized: find the size offset; else none.
    """
    angular = angular_evidence(frame_maps, maps, weights)

    def tempered_at(offset: float) -> Float32[np.ndarray, "2 f s a"]:
        return tempered_evidence(angular, frame_maps, maps, weights, size_offset=offset)

    def evidence_at(offset: float) -> Float32[np.ndarray, "2 f s a"]:
        tempered = tempered_at(offset)
        tempered -= anywhere(tempered)
        return tempered

    offset = size_offset(evidence_at, frame_maps.place_mm - frame_maps.place_mm[0]) if sized else 0.0
    return Way(course=course, maps=maps, tempered=tempered_at(offset), size_offset=offset)


def other_courses(
    ct: CtVolume, course: VesselCourse, *, learned: bool = True
) -> tuple[tuple[VesselCourse, LandmarkMaps], ...]:
    """Courses that go straight on where the given one turns off, with their landmarks; mostly none.

    Args:
        learned: openings and calcium by the shipped network, else by rules.
    """
    others = straight_on(ct, course)
    network = load_landmark_network(of="ct") if learned and others else None
    return tuple((other, ct_maps(ct, other, network=network)) for other in others)


def share_of_each(ways: Sequence[Way], nominal_mm: Float[np.ndarray, " f"]) -> Float[np.ndarray, " w"]:
    """Probability of each way, the given line's first."""
    penalties = [offset_penalty(way.size_offset) for way in ways]
    return shares_of_ways([way.tempered for way in ways], nominal_mm, penalties)


def parts_matter(ways: Sequence[Way], answer: Posterior) -> bool:
    """Whether an answer lies beyond the first place where the courses part; before it they are one vessel."""
    parted = [way.course.left_mm for way in ways if way.course.left_mm is not None]
    return bool(parted) and float(answer.place_mm.max()) > min(parted) + _NO_MATTER_MM
