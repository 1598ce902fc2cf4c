"""The start of a registration: from the C-arm's header alone, or from a pose file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.registration.alignment.levenberg_marquardt import PosePrior
from engines.registration.alignment.rotations import rotation_matrix, rotation_vector
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.pose_file import read_pose

_SUPINE_RAD = np.deg2rad(6.0)  # rotation between the patient on the table and in the scanner, about each axis
_LIES_OTHERWISE = 3.6  # sigmas; 1 of 200 guesses for supine patients is turned further: such a guess is believed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InitialPose:
    """A first guess of the pose with its standard deviations, for rotations about the model's centroid.

    Args:
        isocentre_from_lps: None places the model's centroid on the isocentre with the patient supine, head first.
    """

    name: str
    isocentre_from_lps: RigidPose | None
    rotation_rad: float
    in_plane_mm: float
    depth_mm: float

    def prior(self, model: PreparedModel, views: int, table_mm: float) -> PosePrior:
        """The guess as a prior; if it has the patient supine, that knowledge reduces its rotational uncertainty."""
        rotation_rad, supine = self.rotation_rad, True
        if self.isocentre_from_lps is None:
            state = RigidState(rotation=np.eye(3), pivot_mm=np.zeros(3), shifts_mm=np.zeros((views, 3)))
        else:
            state = RigidState.of(self.isocentre_from_lps, model, views)
            turned = rotation_vector(state.rotation)
            doubt_rad = np.hypot(self.rotation_rad, _SUPINE_RAD)
            supine = bool(np.linalg.norm(turned) < _LIES_OTHERWISE * doubt_rad)
            if supine:
                # Combine two independent Gaussian estimates of one rotation; the angles are small.
                share = (_SUPINE_RAD / doubt_rad) ** 2
                state = replace(state, rotation=rotation_matrix(share * turned))
                rotation_rad = float(self.rotation_rad * _SUPINE_RAD / doubt_rad)
        return PosePrior(
            state=state,
            rotation_rad=rotation_rad,
            in_plane_mm=self.in_plane_mm,
            depth_mm=self.depth_mm,
            table_mm=table_mm,
            supine=supine,
        )


def radiological_start() -> InitialPose:
    """A start from the header; its in-plane sigma is wide, because the CT's centre is not the isocentre."""
    return InitialPose(
        name="radiological", isocentre_from_lps=None, rotation_rad=_SUPINE_RAD, in_plane_mm=50.0, depth_mm=40.0
    )


def start_near(isocentre_from_lps: RigidPose, *, name: str = "pose") -> InitialPose:
    """A start from a known pose: set by hand, from an earlier run, or from a file."""
    return InitialPose(
        name=name,
        isocentre_from_lps=isocentre_from_lps,
        rotation_rad=np.deg2rad(7.0),
        in_plane_mm=15.0,
        depth_mm=20.0,
    )


def start_from_file(path: Path, geometry: CArmGeometry) -> InitialPose:
    """A start from `views[0].projection_px_from_lps_mm` of a pose file, for a frame of this geometry.

    Raises:
        InputError: the file cannot be read, or its projection does not fit the frame's intrinsics.
    """
    return start_near(read_pose(path, geometry), name="pose file")
