"""Let the pose network propose a start, from the header's pose or from any other poor guess."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree, VesselModel
from engines.networks.pose_network import PICTURE_PX, SIGMA_PX, CameraView, PoseNetwork
from engines.registration.initial_pose import InitialPose
from engines.registration.rendered.image_similarity import dice
from engines.registration.view import RegistrationView
from engines.rendering.splat import centerline_cloud, splat_centerlines

_STEP_MM = 5.0
_ROUNDS = 4
_BINARY = 0.5  # of a drawn line's full value
_MIN_SEEN = 2.0  # summed probability on the small picture below which there are too few vessels


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
    if model.centerlines is None:
        raise InputError("a start by the network needs a model with centerlines; make the case again with them")
    tree = _of_classes(model.centerlines, view)
    cloud = centerline_cloud(tree, step_mm=_STEP_MM)
    seen = torch.from_numpy(small_picture(view))[None, None]
    if float(seen.sum()) < _MIN_SEEN:
        raise InputError(f"{view.file}: shows no vessel for the pose network; choose a fuller frame")
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


def shipped_weights(name: str) -> Path:
    """The path of the shipped weights of this network."""
    import importlib.resources

    return Path(str(importlib.resources.files("assets"))) / "models" / f"{name}.safetensors"


def small_picture(view: RegistrationView) -> Float[np.ndarray, "rows columns"]:
    """The vessel probability averaged down into the upper left of the network's square; 0 outside the open field."""
    shown = np.asarray(view.vessel, dtype=np.float32)
    if view.field_of_view is not None:
        shown = shown * view.field_of_view
    rows, columns = (max(1, round(size * PICTURE_PX / max(shown.shape))) for size in shown.shape)
    square = np.zeros((PICTURE_PX, PICTURE_PX), dtype=np.float32)
    square[:rows, :columns] = cv2.resize(np.nan_to_num(shown), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.clip(square, 0.0, 1.0)


def camera_view(
    poses: Sequence[RigidPose], pivot_lps_mm: Float[np.ndarray, " 3"], geometry: CArmGeometry
) -> CameraView:
    """The cameras of isocentre_from_lps poses, on the network's square picture."""
    scale = PICTURE_PX / max(geometry.shape_px)
    # Pixel edges stay in place, so pixel centres move.
    resample = np.array([[scale, 0.0, 0.5 * scale - 0.5], [0.0, scale, 0.5 * scale - 0.5], [0.0, 0.0, 1.0]])
    arm = geometry.camera_from_isocentre()
    cameras = np.stack([(arm @ pose).matrix for pose in poses])
    return CameraView(
        camera_from_lps=torch.from_numpy(cameras.astype(np.float32)),
        intrinsics_px=torch.from_numpy((resample @ geometry.intrinsics_px()).astype(np.float32)),
        pivot_lps_mm=torch.from_numpy(np.asarray(pivot_lps_mm, dtype=np.float32)),
    )


def _of_classes(tree: CenterlineTree, view: RegistrationView) -> CenterlineTree:
    branches = tuple(b for b in tree.branches if not view.branch_classes or b.vessel_class in view.branch_classes)
    if not branches:
        raise InputError(
            f"{view.file}: shows {', '.join(view.branch_classes)}, of which the model has no branch; "
            "choose a frame that shows what the model holds"
        )
    return CenterlineTree(branches=branches)


def _isocentre_from_lps(camera_from_lps: Float[torch.Tensor, "4 4"], view: RegistrationView) -> RigidPose:
    matrix = camera_from_lps.double().numpy().copy()
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    matrix[:3, :3], matrix[3] = u @ vt, (0.0, 0.0, 0.0, 1.0)
    camera = RigidPose(matrix=matrix, target="camera", source="lps")
    return view.geometry.camera_from_isocentre().inverse() @ camera
