"""A made-up frame, so that the engine has done everything once before the first real one comes."""

from __future__ import annotations

import cv2
import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.view import RegistrationView
from guidance_app.live.engine.model_projection import ProjectedModel

_REHEARSAL_SHAPE = (512, 512)


def rehearsal_view(model: VesselModel, projected: ProjectedModel) -> RegistrationView:
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
    projection = geometry.projection(RigidPose(matrix=placed, target="isocentre", source="lps"))
    vessel = np.zeros(_REHEARSAL_SHAPE, dtype=np.float32)
    lines = [np.rint(line.points_px).astype(np.int32) for line in projected.centerlines(projection)]
    cv2.polylines(vessel, lines, False, 1.0, 3)
    projected.outline(projection, projected.centerlines(projection))
    return RegistrationView(file="rehearsal", sop_instance_uid="", frame=0, geometry=geometry, vessel=vessel)
