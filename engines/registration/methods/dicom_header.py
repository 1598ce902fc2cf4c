"""No registration: the pose that the C-arm's header alone implies."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engines.anatomy.vessel_model import VesselModel
from engines.registration.initial_pose import InitialPose, radiological_start
from engines.registration.methods.method import MethodResult, start_pose
from engines.registration.view import RegistrationView


class DicomHeader:
    """Angles and distances as stated, with the model's centroid on the isocentre; ignores pictures and start."""

    name = "dicom"

    def register(
        self,
        views: Sequence[RegistrationView],  # noqa: ARG002 - the header is already in the views' geometry
        model: VesselModel,
        init: InitialPose,  # noqa: ARG002
    ) -> MethodResult:
        began = time.perf_counter()
        pose = start_pose(radiological_start(), model)
        return MethodResult(isocentre_from_lps=pose, score=0.0, seconds=time.perf_counter() - began)
