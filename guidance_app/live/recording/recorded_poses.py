"""The poses that a recording keeps: each on the very frame it was found on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from calibration.carm import CArmGeometry
from calibration.errors import GuidanceError
from calibration.pose import RigidPose
from guidance_app.live.evidence import Evidence, EvidenceKind
from guidance_app.live.guidance import GuidanceState
from guidance_app.sources.recording.recording_messages import GUIDANCE, REGISTRATIONS
from guidance_app.sources.recording.recording_source import RecordedRun

_STATES: tuple[GuidanceState, ...] = ("accepted", "proposed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FramePose:
    """Where the patient lay when frame `index` was taken.

    Args:
        state: `accepted` is drawn solid, `proposed` as unverified.
        view: geometry it was found on; drawn on no other.
        evidence: what the frame itself said for the pose when it was guided; None where nothing says so.
    """

    index: int
    isocentre_from_lps: RigidPose
    state: GuidanceState
    view: CArmGeometry
    confidence: float | None = None
    expected_error_mm: float | None = None
    depth_sigma_mm: float | None = None
    evidence: Evidence | None = None


def recorded_poses(run: RecordedRun) -> dict[int, FramePose]:
    """By place in the recording. Only what guidance used, on the very frame it was found on."""
    guided = {
        message.get("frame"): message
        for message in run.reader.messages(GUIDANCE)
        if message.get("used") and message.get("overlay") and message.get("state") in _STATES
    }
    found = {
        message.get("frame"): message
        for message in run.reader.messages(REGISTRATIONS)
        if not message.get("cold_start") and message.get("frame") in guided
    }
    poses = {}
    for place in range(run.frame_count):
        try:
            number, geometry = run.header(place).index, run.geometry(place)
            if number in found:
                poses[place] = _pose(place, found[number], guided[number], geometry)
        except (GuidanceError, KeyError, TypeError, ValueError):
            continue  # a damaged frame or pose is drawn nowhere
    return poses


def _pose(place: int, message: dict, guided: dict, geometry: CArmGeometry) -> FramePose:
    matrix = np.array(message["isocentre_from_lps_mm"], dtype=np.float64)
    return FramePose(
        index=place,
        isocentre_from_lps=RigidPose(matrix=matrix, target="isocentre", source="lps"),
        state=guided["state"],
        view=geometry,
        evidence=_evidence(guided),
        confidence=finite(message.get("confidence")),
        expected_error_mm=finite(message.get("expected_error_mm")),
        depth_sigma_mm=finite(message.get("depth_sigma_mm")),
    )


def _evidence(guided: dict) -> Evidence | None:
    """Recordings of earlier versions do not keep it."""
    kind, age_s = guided.get("evidence"), finite(guided.get("evidence_age_s"))
    known: EvidenceKind | None = next((known for known in get_args(EvidenceKind) if known == kind), None)
    return None if known is None or age_s is None else Evidence(kind=known, age_s=age_s)


def finite(value: object) -> float | None:
    """A number that a recording states; None where it states none."""
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None
