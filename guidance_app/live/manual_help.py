"""What a person's own hand put into a registration, so that nobody takes it for the program's own later."""

from __future__ import annotations

from dataclasses import replace

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.angiography.frame import Frame
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend

MANUAL_HELP = "with manual help"
# Nothing measured a pose that was set by eye: a wide halo, and of the beam's depth an eye sees next to nothing.
UNMEASURED_ERROR_MM, UNMEASURED_DEPTH_SIGMA_MM = 5.0, 20.0


def placed_registration(
    pose: RigidPose, frame: Frame, geometry: CArmGeometry, *, before: Registration | None, case: str = ""
) -> Registration:
    """The registration that a person's pose makes: never more than a proposal, without a confidence."""
    return Registration(
        case=before.case if before is not None else case,
        views=(
            RegisteredView(
                file=frame.source_id, sop_instance_uid=frame.sop_instance_uid, frame=frame.source_frame,
                projection=geometry.projection(pose),
            ),
        ),
        isocentre_from_lps=pose, status="caution", confidence=0.0, expected_error_mm=UNMEASURED_ERROR_MM,
        depth_sigma_mm=UNMEASURED_DEPTH_SIGMA_MM, reasons=(MANUAL_HELP,), stages=(), elapsed_ms=0.0,
        backend=before.backend if before is not None else RegistrationBackend(render="", inference="", device="cpu"),
    )  # fmt: skip


def keeping_help(found: Registration, before: Registration | None) -> Registration:
    """A pose that was found from one with manual help has had that help too."""
    if before is None or MANUAL_HELP not in before.reasons or MANUAL_HELP in found.reasons:
        return found
    return replace(found, reasons=(*found.reasons, MANUAL_HELP))
