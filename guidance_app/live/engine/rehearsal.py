"""A made-up frame, so that the engine has done everything once before the first real one comes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.registration import RegisteredView, Registration, RegistrationBackend
from engines.registration.view import RegistrationView
from guidance_app.live.engine.model_projection import ProjectedModel

_REHEARSAL_SHAPE = (512, 512)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsed:
    """A made-up view, and the pose that it was made at."""

    view: RegistrationView
    found: Registration


def rehearsal(case_id: str, model: VesselModel, projected: ProjectedModel) -> Rehearsed:
    """A made-up view from the front in which the model's own branches are the vessels; never shown to anyone."""
    rows, columns = _REHEARSAL_SHAPE
    geometry = CArmGeometry(
        primary_rad=0.0,
        secondary_rad=0.0,
        sid_mm=1000.0,
        sod_mm=700.0,
        column_spacing_mm=0.4,
        row_spacing_mm=0.4,
        shape_px=_REHEARSAL_SHAPE,
        principal_point_px=((columns - 1) / 2, (rows - 1) / 2),
    )
    placed = np.eye(4)
    placed[:3, 3] = -model.centroid_mm()
    pose = RigidPose(matrix=placed, target="isocentre", source="lps")
    projection = geometry.projection(pose)
    vessel = np.zeros(_REHEARSAL_SHAPE, dtype=np.float32)
    lines = [np.rint(line.points_px).astype(np.int32) for line in projected.centerlines(projection)]
    cv2.polylines(vessel, lines, False, 1.0, 3)
    projected.outline(projection, projected.centerlines(projection))
    return Rehearsed(
        view=RegistrationView(file="rehearsal", sop_instance_uid="", frame=0, geometry=geometry, vessel=vessel),
        found=Registration(
            case=case_id,
            views=(RegisteredView(file="rehearsal", sop_instance_uid="", frame=0, projection=projection),),
            isocentre_from_lps=pose,
            status="accepted",
            confidence=1.0,
            expected_error_mm=0.0,
            depth_sigma_mm=0.0,
            reasons=(),
            stages=(),
            elapsed_ms=0.0,
            backend=RegistrationBackend(render="none", inference="", device="cpu"),
        ),
    )
