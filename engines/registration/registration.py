"""The result of a registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.registration.motion.deform_basis import Deformation

RegistrationStatus = Literal["accepted", "caution", "rejected"]
RENDERED = "filled parts"  # `RegistrationBackend.render` of a pose that renderings of the filled lumen were judged by


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredView:
    """One picture and the projection found for it; `frame` counts from 0; -1 means the run's MinIP."""

    file: str
    sop_instance_uid: str
    frame: int
    projection: Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a registration; a higher `similarity` is better, comparable only among stages of one name."""

    name: str
    similarity: float
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationBackend:
    render: str
    inference: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The patient's pose, its confidence, and how it was found.

    Args:
        case: case id.
        views: the pictures used, with their projections.
        isocentre_from_lps: the patient's pose in the room; with a view's C-arm geometry it gives the camera pose.
        status: an `accepted` pose may be drawn, a `caution` pose only marked as unverified, a `rejected` one never.
        confidence: calibrated probability that the mean projection error is below 5 mm in the isocentre plane.
        expected_error_mm: expected mean projection error in the isocentre plane.
        depth_sigma_mm: standard deviation along the beam, which one view determines only weakly.
        reasons: short sentences for a person.
        generation: running number; results computed for an older generation are dropped.
        deformation: motion of this frame's tree beyond its pose; None if it is shown rigid.
    """

    case: str
    views: tuple[RegisteredView, ...]
    isocentre_from_lps: RigidPose
    status: RegistrationStatus
    confidence: float
    expected_error_mm: float
    depth_sigma_mm: float
    reasons: tuple[str, ...]
    stages: tuple[Stage, ...]
    elapsed_ms: float
    backend: RegistrationBackend
    generation: int = 0
    deformation: Deformation | None = None
