"""Training pairs for pose networks: a model drawn at a wrong pose, and vessels as a segmentation shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import CenterlineTree
from engines.networks.pose_answer import PICTURE_PX, SIGMA_PX
from engines.networks.pose_network import CameraView
from engines.registration.networks.network_start import camera_view
from engines.rendering.splat import CenterlineCloud, splat_centerlines
from engines.simulation.runs.carm_views import place_patient
from engines.simulation.training_patients.patients import TrainingPatient, draw_geometry
from engines.simulation.training_patients.spoilt_masks import spoilt_drawing

POSES_PER_VIEW = 8
LOSS_PX = 48  # Dice uses smaller pictures: their blur acts over longer distances, in a quarter of the time


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetSpread:
    """Standard deviations of the starts, about the patient's own axes (LPS).

    Uniform offsets are unrealistic, by the paper: a slouching head is displaced more along anterior-posterior than
    along superior-inferior. The spread gives a 95th percentile of 55 px (48 mm at the paper's 0.87 mm per pixel).
    """

    turn_deg: tuple[float, float, float] = (10.0, 6.0, 6.0)
    move_mm: tuple[float, float, float] = (18.0, 30.0, 18.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseBatch:
    """Several starts of one view.

    Args:
        cloud: the whole model of the view's classes, which is drawn for the network.
        filled: its part that the true picture shows.
        seen: (n, 1, rows, columns) the vessels, degraded like a segmentation.
        clean: the same vessels undegraded and half as large, for the loss.
        begin, true: cameras at the starts and at the truth.
        mm_per_px: pixel size of the small picture in the isocentre plane.
        sid_mm: source-to-detector distance.
    """

    cloud: CenterlineCloud
    filled: CenterlineCloud
    seen: Float[Tensor, "n 1 rows columns"]
    clean: Float[Tensor, "n 1 rows columns"]
    begin: CameraView
    true: CameraView
    mm_per_px: float
    sid_mm: float

    def to(self, device: str) -> PoseBatch:
        """The batch on the network's device."""
        if device == "cpu":
            return self
        return PoseBatch(
            cloud=_cloud_to(self.cloud, device),
            filled=_cloud_to(self.filled, device),
            seen=self.seen.to(device),
            clean=self.clean.to(device),
            begin=_view_to(self.begin, device),
            true=_view_to(self.true, device),
            mm_per_px=self.mm_per_px,
            sid_mm=self.sid_mm,
        )


def drawn(cloud: CenterlineCloud, view: CameraView, side_px: int = PICTURE_PX) -> Float[Tensor, "n 1 rows columns"]:
    """The model drawn as a soft mask in 0..1, at the network's size or smaller."""
    scale = side_px / PICTURE_PX
    intrinsics = view.intrinsics_px.clone()
    intrinsics[:2] *= scale
    intrinsics[:2, 2] += 0.5 * scale - 0.5
    picture = splat_centerlines(cloud, view.camera_from_lps, intrinsics, (side_px, side_px), sigma_px=SIGMA_PX)
    return picture.clamp(max=1.0)


def draw_batch(
    patient: TrainingPatient, rng: np.random.Generator, spread: OffsetSpread, poses: int = POSES_PER_VIEW
) -> PoseBatch:
    """A view of the patient, and `poses` starts for it."""
    geometry = draw_geometry(patient.kind, rng)
    shown, filled = patient.shown_and_filled(rng)
    visible = _visible(patient.tree, filled, rng)
    cloud, part = patient.cloud(shown), patient.cloud(visible)
    pivot = _centre(cloud)
    target = patient.aimed_at(_centre(part)) + rng.normal(scale=8.0, size=3)
    true = place_patient(rng, target)
    starts = [offset(true, pivot, spread, rng) for _ in range(poses)]
    begin_view = camera_view(starts, pivot, geometry)
    true_view = camera_view([true] * poses, pivot, geometry)
    whole = drawn(part, true_view)
    spoilt = np.stack([spoilt_drawing(picture, rng) for picture in whole[:, 0].numpy()])
    return PoseBatch(
        cloud=cloud,
        filled=part,
        seen=torch.from_numpy(spoilt)[:, None],
        clean=drawn(part, true_view, LOSS_PX),
        begin=begin_view,
        true=true_view,
        mm_per_px=geometry.isocentre_mm_per_px * max(geometry.shape_px) / PICTURE_PX,
        sid_mm=geometry.sid_mm,
    )


def offset(
    true: RigidPose, pivot_lps_mm: Float[np.ndarray, " 3"], spread: OffsetSpread, rng: np.random.Generator
) -> RigidPose:
    """The true pose turned about the pivot and moved, along the patient's axes; sometimes only a little."""
    reach = rng.choice([1.0, 1.0, 0.4])  # the network is also applied to nearly right poses
    turn = Rotation.from_rotvec(np.deg2rad(rng.normal(size=3) * spread.turn_deg) * reach).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = true.rotation @ turn
    there = true.apply(pivot_lps_mm[None])[0] + true.rotation @ (rng.normal(size=3) * spread.move_mm * reach)
    matrix[:3, 3] = there - matrix[:3, :3] @ pivot_lps_mm
    return RigidPose(matrix=matrix, target="isocentre", source="lps")


def _visible(tree: CenterlineTree, branches: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """The branches without the thinnest, which no segmentation finds, and without some others."""
    thinnest_mm = rng.uniform(0.2, 0.8)
    lost = rng.uniform(0.0, 0.3)
    kept = tuple(
        i
        for i in branches
        if float(np.nanmean(tree.branches[i].radius_mm)) > thinnest_mm and (rng.uniform() > lost or i == branches[0])
    )
    return kept or branches


def _centre(cloud: CenterlineCloud) -> Float[np.ndarray, " 3"]:
    return cloud.points_mm.double().mean(dim=0).numpy()


def _cloud_to(cloud: CenterlineCloud, device: str) -> CenterlineCloud:
    return CenterlineCloud(
        points_mm=cloud.points_mm.to(device), radius_mm=cloud.radius_mm.to(device), length_mm=cloud.length_mm.to(device)
    )


def _view_to(view: CameraView, device: str) -> CameraView:
    return CameraView(
        camera_from_lps=view.camera_from_lps.to(device),
        intrinsics_px=view.intrinsics_px.to(device),
        pivot_lps_mm=view.pivot_lps_mm.to(device),
    )
