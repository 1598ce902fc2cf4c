"""The interface of registration methods, for code that compares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.registration.alignment.pose_motion import PoseMotion
from engines.registration.initial_pose import InitialPose
from engines.registration.registration import Registration, Stage
from engines.registration.view import RegistrationView
from engines.rendering.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodResult:
    """The pose that a method found.

    Args:
        score: the method's own measure, higher for better; comparable within one method only.
        seconds: wall-clock time from the views to the pose, without making a renderer or network that serves every
            start of a case.
        registration: the full result with status and confidence; None for the published methods, which have neither.
    """

    isocentre_from_lps: RigidPose
    score: float
    seconds: float
    stages: tuple[Stage, ...] = ()
    registration: Registration | None = None


@runtime_checkable
class RegistrationMethod(Protocol):
    """A way to find a pose from views, a vessel model and a start.

    Attributes:
        name: its name in `make_method`.
    """

    name: str

    def register(self, views: Sequence[RegistrationView], model: VesselModel, init: InitialPose) -> MethodResult:
        """Register one view, or two jointly.

        Raises:
            InputError: the views or the model lack something that this method needs.
        """
        ...


def start_pose(init: InitialPose, model: VesselModel) -> RigidPose:
    """isocentre_from_lps of a start; if it has none, the model's centroid is placed on the isocentre."""
    if init.isocentre_from_lps is not None:
        return init.isocentre_from_lps
    matrix = np.eye(4)
    matrix[:3, 3] = -model.centroid_mm()
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def motion_from(
    init: InitialPose, model: VesselModel, views: Sequence[RegistrationView], renderer: Renderer
) -> PoseMotion:
    """Motion from a start, with turns about the centre of the rendered vessels and scales that suit these views."""
    centre = renderer.centroid_lps_mm.cpu().double().numpy()
    return PoseMotion.about(start_pose(init, model), centre, [view.geometry for view in views], renderer.device)
