"""Let the pose network propose a start, from the header's pose or from any other poor guess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import VesselModel
from engines.networks.pose_answer import PICTURE_PX, SIGMA_PX
from engines.networks.pose_network import CameraView, PoseNetwork
from engines.registration.initial_pose import InitialPose
from engines.registration.networks.shown_to_network import (
    STEP_MM,
    branches_shown,
    isocentre_from_camera,
    picture_with_vessels,
    small_intrinsics,
)
from engines.registration.rendered.image_similarity import dice
from engines.registration.view import RegistrationView
from engines.rendering.splat import centerline_cloud, splat_centerlines

_ROUNDS = 4
_BINARY = 0.5  # of a drawn line's full value


def network_start(
    net: PoseNetwork,
    views: Sequence[RegistrationView],
    model: VesselModel,
    begin: RigidPose,
    *,
    rounds: int = _ROUNDS,
    as_written: bool = False,
) -> InitialPose:
    """Apply the network `rounds` times to the first view; the start is the pose whose drawing overlaps best.

    The candidates include `begin`, so the start never explains the picture worse than `begin` does.

    Args:
        as_written: as DeepIterReg is published: the drawing is binarised, and the last answer is taken whatever it
            overlaps.

    Raises:
        InputError: the model has no centerlines of the view's classes, or the view shows no vessel.
    """
    best, _ = network_poses(net, views[0], model, [begin], rounds=rounds, as_written=as_written)[0]
    return InitialPose(
        name="network",
        isocentre_from_lps=best,
        rotation_rad=np.deg2rad(7.0),
        in_plane_mm=15.0,
        depth_mm=25.0,
    )


def network_poses(
    net: PoseNetwork,
    view: RegistrationView,
    model: VesselModel,
    begins: Sequence[RigidPose],
    *,
    rounds: int = _ROUNDS,
    as_written: bool = False,
) -> list[tuple[RigidPose, int]]:
    """For each beginning, the best overlapping pose on its way and the rounds to it (0: the beginning itself).

    Raises:
        InputError: as `network_start`.
    """
    tree = branches_shown(model, view)
    cloud = centerline_cloud(tree, step_mm=STEP_MM)
    seen = torch.from_numpy(picture_with_vessels(view))[None, None]
    camera = camera_view(begins, cloud.points_mm.double().mean(dim=0).numpy(), view.geometry)
    seen = seen.expand(len(begins), -1, -1, -1)
    cameras, overlaps = [], []
    with torch.no_grad():
        for asked in range(rounds + 1):
            picture = splat_centerlines(
                cloud, camera.camera_from_lps, camera.intrinsics_px, (PICTURE_PX, PICTURE_PX), sigma_px=SIGMA_PX
            ).clamp(max=1.0)
            if as_written:
                picture = (picture > _BINARY).to(picture)
            cameras.append(camera.camera_from_lps)
            overlaps.append(dice(picture, seen))
            if asked < rounds:
                camera = camera.moved(net(torch.cat([picture, seen], dim=1)))
    best = torch.stack(overlaps).argmax(dim=0).tolist()
    if as_written:
        best = [rounds] * len(begins)
    return [(_isocentre_from_lps(cameras[asked][k], view), asked) for k, asked in enumerate(best)]


def camera_view(
    poses: Sequence[RigidPose], pivot_lps_mm: Float[np.ndarray, " 3"], geometry: CArmGeometry
) -> CameraView:
    """The cameras of isocentre_from_lps poses, on the network's square picture."""
    arm = geometry.camera_from_isocentre()
    cameras = np.stack([(arm @ pose).matrix for pose in poses])
    return CameraView(
        camera_from_lps=torch.from_numpy(cameras.astype(np.float32)),
        intrinsics_px=torch.from_numpy(small_intrinsics(geometry)),
        pivot_lps_mm=torch.from_numpy(np.asarray(pivot_lps_mm, dtype=np.float32)),
    )


def _isocentre_from_lps(camera_from_lps: Float[torch.Tensor, "4 4"], view: RegistrationView) -> RigidPose:
    return isocentre_from_camera(camera_from_lps.double().numpy(), view)
