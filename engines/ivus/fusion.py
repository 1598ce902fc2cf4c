"""What a registration of a pullback with a CT is: where each frame lies, how sure that is, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.geometry.vessel_course import VesselCourse
from engines.ivus.search.certainty import Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way the pullback may lie.

    Args:
        probability: by the search, before calibration.
        offset_mm: from the centerline's ostial end to the first stored frame.
        rotation_deg: of that frame's u axis in the centerline's rotation-minimising frame.
        distal_to_proximal, handedness: as in `Fusion`.
        anchor: number of the searched frame that the candidate was found by; `anchor_mm`, `anchor_rad` are its place
            and its u axis' angle. None where the method has none.
    """

    probability: float
    offset_mm: float
    rotation_deg: float
    distal_to_proximal: bool
    handedness: int
    anchor: int = 0
    anchor_mm: float | None = None
    anchor_rad: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """Args:
    kind: "bifurcation" or "calcification".
    place: frame number in the pullback, arc length in mm in the CT.
    angle_deg: from u towards v.
    """

    kind: str
    place: float
    angle_deg: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fusion:
    """Frames in stored order.

    Args:
        points_mm: (f, 3) LPS places of the catheter (of the lumen's centroid for contours).
        u, v: directions of growing columns and rows.
        place_mm: arc length from the centerline's ostial end.
        angle_rad: of u from the course's u axis.
        z_mm: positions as stored.
        score: logarithm of the answer's evidence against chance; higher is better.
        confidence: calibrated probability that the answer is right.
        handedness: +1 where u x v points from the first stored frame to the last.
        certainty: the search's posterior; None for a method that has none.
        frame_maps, course_maps: landmarks that the search compared; `frame_index` names the frames it used.
        acts: what a person did to help, in words.
    """

    points_mm: Float[np.ndarray, "f 3"]
    u: Float[np.ndarray, "f 3"]
    v: Float[np.ndarray, "f 3"]
    place_mm: Float[np.ndarray, " f"]
    angle_rad: Float[np.ndarray, " f"]
    z_mm: Float[np.ndarray, " f"]
    distal_to_proximal: bool
    handedness: int
    score: float
    confidence: float
    flags: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    ivus_landmarks: tuple[Landmark, ...]
    ct_landmarks: tuple[Landmark, ...]
    course: VesselCourse
    course_maps: LandmarkMaps
    frame_maps: LandmarkMaps
    frame_index: np.ndarray
    signs: dict[str, float]
    method: str
    elapsed_ms: float
    certainty: Certainty | None = None
    acts: tuple[str, ...] = ()
