"""Where a registration starts: the C-arm's header alone, or a pose from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.registration.lm import PosePrior
from engines.registration.pose_file import read_pose
from engines.registration.prepared_model import PreparedModel
from engines.registration.projected_model import RigidState


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InitialPose:
    """A first guess with its uncertainty (standard deviations, about the model's centroid).

    Args:
        isocentre_from_lps: None puts the model's centroid on the isocentre with the patient supine, head first.
    """

    name: str
    isocentre_from_lps: RigidPose | None
    rotation_rad: float
    in_plane_mm: float
    depth_mm: float

    def prior(self, model: PreparedModel, views: int, table_mm: float) -> PosePrior:
        if self.isocentre_from_lps is None:
            state = RigidState(rotation=np.eye(3), pivot_mm=np.zeros(3), shifts_mm=np.zeros((views, 3)))
        else:
            state = RigidState.of(self.isocentre_from_lps, model, views)
        return PosePrior(
            state=state,
            rotation_rad=self.rotation_rad,
            in_plane_mm=self.in_plane_mm,
            depth_mm=self.depth_mm,
            table_mm=table_mm,
        )


def radiological_start() -> InitialPose:
    """The header's angles and distances; the CT's centre is not the isocentre, hence the wide doubt in plane."""
    return InitialPose(
        name="radiological", isocentre_from_lps=None, rotation_rad=np.deg2rad(8.0), in_plane_mm=50.0, depth_mm=40.0
    )


def start_near(isocentre_from_lps: RigidPose, *, name: str = "pose") -> InitialPose:
    """A pose that someone set: by hand, from an earlier run or from a file."""
    return InitialPose(
        name=name,
        isocentre_from_lps=isocentre_from_lps,
        rotation_rad=np.deg2rad(7.0),
        in_plane_mm=15.0,
        depth_mm=20.0,
    )


def start_from_file(path: Path, geometry: CArmGeometry) -> InitialPose:
    """The pose of `views[0].projection_px_from_lps_mm` in a pose file, for a frame of this geometry.

    Raises:
        InputError: the file cannot be read, or its projection does not fit the frame's intrinsics.
    """
    return start_near(read_pose(path, geometry), name="pose file")
