"""Losses of a pose: Dice of the drawn vessels, geodesic and double geodesic distance, and projected distance.

DeepIterReg takes the first three from Gopalakrishnan et al. 2023 (Intraoperative 2D/3D registration via differentiable
X-ray rendering). The paper does not state their weights; these are ours. In the loss `paper` an angle is worth half the
source-to-detector distance f times the angle, as there; in ours a quarter of a usual f, because vessels are nearer.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from engines.networks.pose_network import CameraView
from engines.registration.rendered.image_similarity import dice
from engines.training.pose.pose_pictures import LOSS_PX, PoseBatch, drawn

PoseLoss = Literal["paper", "paper+projection"]
_GEODESIC_PER_MM = 2e-3
_PROJECTION_PER_MM = 2e-2
_FOCAL_RADIUS_MM = 250.0  # lever arm of an angle as a length, in our loss
_POINTS = 160
_SMALL = 1e-6


def pose_loss(batch: PoseBatch, found: CameraView, kind: PoseLoss) -> Float[Tensor, ""]:
    """1 - Dice + weighted geodesics and, on request, the projected distance by which registrations are judged."""
    overlap = dice(drawn(batch.filled, found, LOSS_PX), batch.clean).mean()
    difference = relative(found, batch.true)
    radius_mm = 0.5 * batch.sid_mm if kind == "paper" else _FOCAL_RADIUS_MM
    geodesics = double_geodesic_mm(difference, radius_mm) + geodesic_mm(difference, radius_mm)
    loss = 1.0 - overlap + _GEODESIC_PER_MM * geodesics.mean()
    if kind == "paper+projection":
        loss = loss + _PROJECTION_PER_MM * projected_distance_mm(batch, found).mean()
    return loss


def relative(found: CameraView, true: CameraView) -> Float[Tensor, "n 4 4"]:
    """The motion about the pivot from one camera to the other; the identity if they agree."""
    pivot = true.pivot_lps_mm
    turn = found.camera_from_lps[:, :3, :3] @ true.camera_from_lps[:, :3, :3].transpose(1, 2)
    places = [view.camera_from_lps[:, :3, :3] @ pivot + view.camera_from_lps[:, :3, 3] for view in (found, true)]
    move = (places[0] - places[1])[:, :, None]
    last = turn.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(turn), 1, 4)
    return torch.cat([torch.cat([turn, move], dim=2), last], dim=1)


def angle_rad(rotation: Float[Tensor, "n 3 3"]) -> Float[Tensor, " n"]:
    """Angle of a rotation with a finite gradient everywhere: atan2 of sine and cosine instead of acos."""
    sine = _axis_sine(rotation).square().sum(dim=1).add(_SMALL**2).sqrt()
    cosine = 0.5 * (rotation.diagonal(dim1=1, dim2=2).sum(dim=1) - 1.0)
    return torch.atan2(sine, cosine)


def double_geodesic_mm(difference: Float[Tensor, "n 4 4"], radius_mm: float = _FOCAL_RADIUS_MM) -> Float[Tensor, " n"]:
    """Root of the squared arc length of the rotation plus the squared length of the translation."""
    arc = radius_mm * angle_rad(difference[:, :3, :3])
    return (arc.square() + difference[:, :3, 3].square().sum(dim=1) + _SMALL).sqrt()


def geodesic_mm(difference: Float[Tensor, "n 4 4"], radius_mm: float = _FOCAL_RADIUS_MM) -> Float[Tensor, " n"]:
    """Length of the SE(3) logarithm, with rotations multiplied by the same lever arm."""
    rotation, move = difference[:, :3, :3], difference[:, :3, 3]
    angle = angle_rad(rotation)
    axis = _axis_sine(rotation)
    axis = axis / axis.square().sum(dim=1, keepdim=True).add(_SMALL**2).sqrt()
    half = 0.5 * angle
    # theta/2 cot(theta/2), which is 1 - theta^2/12 near zero, where the quotient would be 0/0.
    tame = torch.where(angle < 1e-3, torch.ones_like(half), half)
    factor = torch.where(angle < 1e-3, 1.0 - angle.square() / 12.0, half / torch.tan(tame))
    along = (axis * move).sum(dim=1, keepdim=True) * axis
    straight = factor[:, None] * (move - along) + along - half[:, None] * torch.linalg.cross(axis, move)
    return ((radius_mm * angle).square() + straight.square().sum(dim=1) + _SMALL).sqrt()


def projected_distance_mm(batch: PoseBatch, found: CameraView) -> Float[Tensor, " n"]:
    """Mean distance between the filled vessels' projections, in the isocentre plane."""
    points = batch.filled.points_mm
    points = points[:: max(1, len(points) // _POINTS)]
    apart = (_projected(found, points) - _projected(batch.true, points)).square().sum(dim=2).add(_SMALL).sqrt()
    return apart.mean(dim=1) * batch.mm_per_px


def _projected(view: CameraView, points_mm: Float[Tensor, "p 3"]) -> Float[Tensor, "n p 2"]:
    pose = view.camera_from_lps
    camera = points_mm @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]
    return camera[..., :2] / camera[..., 2:].clamp(min=1.0) * view.intrinsics_px.diagonal()[:2]


def _axis_sine(rotation: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3"]:
    skew = 0.5 * (rotation - rotation.transpose(1, 2))
    return torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], dim=1)
