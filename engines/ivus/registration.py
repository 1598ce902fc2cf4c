"""Lay a pullback into a CT: features of both, exact search, poses, trust."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32

from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.anatomy.vessel_model import CtVolume
from engines.ivus.features.contour_maps import contour_maps
from engines.ivus.features.ct_maps import ct_maps
from engines.ivus.features.gating import Gating, gate
from engines.ivus.features.landmark_list import landmark_list
from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.features.landmark_weights import load_landmark_network
from engines.ivus.features.ultrasound_maps import ultrasound_maps
from engines.ivus.files.contour_tables import Contours
from engines.ivus.files.pullback import Pullback
from engines.ivus.fusion import Fusion
from engines.ivus.geometry.ostial_end import ostial_end_sign
from engines.ivus.geometry.vessel_course import VesselCourse, vessel_course
from engines.ivus.search.candidates import distinct_answers
from engines.ivus.search.certainty import certainty_of
from engines.ivus.search.evidence import LUMEN, EvidenceWeights, load_evidence_weights, without
from engines.ivus.search.path_search import Posterior, search
from engines.ivus.signs import share_in_lumen, signs_of
from engines.ivus.trust import TrustModel, flags_of, load_trust_model
from engines.ivus.ways import other_courses, parts_matter, share_of_each, way_along

_LEAST_STEP_MM = 0.38  # frames closer than this say the same thing twice
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The method with or without one of its parts, to see what each is worth.

    Args:
        lumen: evidence from size and shape of the lumen.
        learned: border and landmarks by the networks, else by rules.
        posterior: hypotheses weighed by all their paths, else by their best one.
        refined: places between the grid's, from the posterior about the best path.
        ways: follow the vessel on where the given line turns off.
    """

    lumen: bool = True
    learned: bool = True
    posterior: bool = True
    refined: bool = True
    ways: bool = True


def register(
    ct: CtVolume,
    line_mm: Float[np.ndarray, "n 3"],
    source: Pullback | Contours,
    *,
    weights: EvidenceWeights | None = None,
    trust: TrustModel | None = None,
    variant: Variant = Variant(),
    progress: Progress = lambda *_: None,
) -> Fusion:
    """Find where each frame lies.

    Args:
        line_mm: the vessel's centerline, either end first.
        source: pictures or contours, in stored order.
        trust: None for the shipped model.
    """
    began = time.perf_counter()
    progress("following the vessel in the CT", 0.0)
    course, course_maps, ostium = oriented_course(ct, line_mm, learned=variant.learned)
    progress("reading the frames", 0.2)
    frame_maps, index, doubtful = frame_landmarks(source, learned=variant.learned)
    progress("searching", 0.5)
    weights = weights or load_evidence_weights()
    if not variant.lumen:
        weights = without(weights, LUMEN)
    courses = [(course, course_maps)]
    if variant.ways:
        courses += other_courses(ct, course, learned=variant.learned)
    sized = variant.lumen and variant.posterior
    ways = [way_along(*one, frame_maps, weights, sized=sized) for one in courses]
    shares = share_of_each(ways, frame_maps.place_mm - frame_maps.place_mm[0])

    def searched(number: int) -> tuple[Matter, list[Posterior]]:
        way = ways[number]
        matter = Matter(
            ct=ct, source=source, course=way.course, course_maps=way.maps, frame_maps=frame_maps, index=index,
            evidence=way.evidence, ostium=ostium, doubtful=doubtful, size_offset=way.size_offset,
            way_share=float(shares[number]),
        )  # fmt: skip
        return matter, search(matter.evidence, matter.nominal_mm, way.maps.place_mm, sums=variant.posterior,
                              refined=variant.refined)  # fmt: skip

    taken = int(np.argmax(shares))
    matter, posteriors = searched(taken)
    if taken and not parts_matter(ways, posteriors[0]):
        matter, posteriors = searched(0)  # where all courses are one vessel, the given line serves
    if not parts_matter(ways, posteriors[0]):
        matter = replace(matter, way_share=1.0)
    progress("judging", 0.9)
    fusion = judged(matter, posteriors, trust=trust)
    return replace(fusion, elapsed_ms=1000.0 * (time.perf_counter() - began))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matter:
    """What an answer is found from, kept so that it may be searched again.

    Args:
        index: frames that the search uses.
        evidence: by handedness, frame, place and angle.
        ostium: how sure the ostial end is.
        doubtful: gating is in doubt.
        size_offset: logarithm of how much larger lumina look in the frames than in the CT.
        way_share: probability of this course among those that were searched.
    """

    ct: CtVolume
    source: Pullback | Contours
    course: VesselCourse
    course_maps: LandmarkMaps
    frame_maps: LandmarkMaps
    index: np.ndarray
    evidence: Float32[np.ndarray, "2 f s a"]
    ostium: float
    doubtful: bool
    size_offset: float = 0.0
    way_share: float = 1.0

    @property
    def nominal_mm(self) -> Float[np.ndarray, " f"]:
        return self.frame_maps.place_mm - self.frame_maps.place_mm[0]


def judged(matter: Matter, posteriors: Sequence[Posterior], *, trust: TrustModel | None = None) -> Fusion:
    """The answer of a search, with its poses and its trust."""
    course, frame_maps, index = matter.course, matter.frame_maps, matter.index
    best = posteriors[0]
    z_mm = np.asarray(matter.source.z_mm, dtype=np.float64)
    place, angle = _all_frames(z_mm, index, best, frame_maps)
    poses = frame_poses(course.frame, place, angle, best.hypothesis.handedness,
                        _centres(matter.source, frame_maps, z_mm, index))  # fmt: skip
    signs = signs_of(course, matter.course_maps, frame_maps, matter.evidence, posteriors, matter.ostium,
                   doubtful=matter.doubtful)  # fmt: skip
    signs["in_lumen"] = share_in_lumen(matter.ct, course, best.place_mm)
    signs["size_offset"] = matter.size_offset
    signs["way_share"] = matter.way_share
    model = trust or load_trust_model()
    confidence = model.confidence(signs)
    names = np.arange(len(z_mm), dtype=np.float64)[index]
    return Fusion(
        points_mm=poses[0], u=poses[1], v=poses[2], place_mm=place, angle_rad=angle, z_mm=z_mm,
        distal_to_proximal=best.hypothesis.along < 0,
        handedness=best.hypothesis.handedness * best.hypothesis.along,
        score=signs["evidence"], confidence=confidence, flags=flags_of(signs, confidence, model.limit),
        candidates=distinct_answers(posteriors), ivus_landmarks=landmark_list(frame_maps, names),
        ct_landmarks=landmark_list(matter.course_maps, matter.course_maps.place_mm), course=course,
        course_maps=matter.course_maps, frame_maps=frame_maps, frame_index=index, signs=signs, method="ours",
        elapsed_ms=0.0, certainty=certainty_of(posteriors, matter.course_maps.place_mm),
    )  # fmt: skip


def oriented_course(
    ct: CtVolume, line_mm: Float[np.ndarray, "n 3"], *, learned: bool = True
) -> tuple[VesselCourse, LandmarkMaps, float]:
    """The vessel from its ostial end outwards, its landmarks, and how sure that end is.

    Args:
        learned: openings and calcium by the shipped network, else by rules.
    """
    network = load_landmark_network(of="ct") if learned else None
    course = vessel_course(ct, line_mm)
    maps = ct_maps(ct, course, network=network)
    given = (course.frame.arc_mm >= 0.0) & (course.frame.arc_mm <= course.given_mm)
    sign = ostial_end_sign(
        ct, course.frame.points_mm[given], course.frame.arc_mm[given], maps.size_mm[given], course.blood_hu[given]
    )
    if sign < 0.0:
        course = vessel_course(ct, line_mm[::-1])
        maps = ct_maps(ct, course, network=network)
    return course, maps, abs(sign)


def frame_landmarks(source: Pullback | Contours, *, learned: bool = True) -> tuple[LandmarkMaps, np.ndarray, bool]:
    """Landmarks of the frames that the search uses, their numbers, and whether gating is in doubt.

    Args:
        learned: openings and calcium by the shipped network, else by rules.
    """
    if isinstance(source, Contours):
        return contour_maps(source), np.arange(len(source.names)), False
    index, doubtful = np.arange(len(source.frames)), False
    if not source.gated:
        gating = gate(source)
        index, doubtful = gating.frames, gating.doubtful
    index = _thinned(source.z_mm, index)
    network, border = (load_landmark_network(of=of) if learned else None for of in ("ivus", "border"))
    return ultrasound_maps(source, index, network=network, border=border), index, doubtful


def gating_of(pullback: Pullback) -> Gating:
    """The beats of a run that was not gated."""
    return gate(pullback)


def frame_poses(
    frame: MovingFrame,
    place_mm: Float[np.ndarray, " f"],
    angle_rad: Float[np.ndarray, " f"],
    handedness: int,
    centre_mm: Float[np.ndarray, "f 2"],
) -> tuple[Float[np.ndarray, "f 3"], Float[np.ndarray, "f 3"], Float[np.ndarray, "f 3"]]:
    """Catheter, u and v of each frame.

    Args:
        handedness: of u, v about the course's tangent.
        centre_mm: middle of the lumen from the catheter, along u and v.
    """
    here = frame.at(place_mm)
    cos, sin = np.cos(angle_rad)[:, None], np.sin(angle_rad)[:, None]
    u = cos * here.u + sin * here.v
    v = handedness * (-sin * here.u + cos * here.v)
    return here.points_mm - centre_mm[:, :1] * u - centre_mm[:, 1:] * v, u, v


def _thinned(z_mm: Float[np.ndarray, " f"], index: np.ndarray) -> np.ndarray:
    kept = [int(index[0])]
    for k in index[1:]:
        if z_mm[k] - z_mm[kept[-1]] >= _LEAST_STEP_MM:
            kept.append(int(k))
    return np.array(kept)


def _all_frames(
    z_mm: Float[np.ndarray, " f"], index: np.ndarray, best: Posterior, maps: LandmarkMaps
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """Every stored frame's place and angle, between those that were searched."""
    nominal = np.abs(z_mm - z_mm[0])
    slope = best.hypothesis.along * best.hypothesis.scale
    place = np.interp(nominal, maps.place_mm - maps.place_mm[0] + nominal[index[0]], best.place_mm)
    # Before the first and behind the last searched frame the nominal speed goes on.
    first, last = nominal[index[0]], nominal[index[-1]]
    place += slope * (np.minimum(nominal - first, 0.0) + np.maximum(nominal - last, 0.0))
    return place, np.interp(nominal, nominal[index], best.angle_rad)


def _centres(
    source: Pullback | Contours, maps: LandmarkMaps, z_mm: Float[np.ndarray, " f"], index: np.ndarray
) -> Float[np.ndarray, "f 2"]:
    if isinstance(source, Contours):
        return np.zeros((len(z_mm), 2))  # the point asked for is the middle of the lumen itself
    return np.column_stack([np.interp(z_mm, z_mm[index], maps.centre_mm[:, k]) for k in range(2)])
