"""Descend a similarity of pictures by steps of the pose with given lengths; only the gradient's direction counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from calibration.pose import RigidPose
from engines.registration.correlation.learned_similarity import Similarity
from engines.registration.correlation.metric import DEPTH_SHARE
from engines.registration.progress import Told, untold
from engines.registration.rendered.rendered_view import RenderedView

_SAME_BEAM_COS = np.cos(np.deg2rad(20.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class DescentOptions:
    """The step lengths of a descent.

    Args:
        first_rad, first_mm: length of the first turn and of the first move across the beam; moves along the beam are
            four times as long.
        last_share: length of the last steps relative to the first; geometric in between.
        momentum: share of the old direction that each step keeps.
    """

    long_side_px: int = 64
    steps: int = 80
    first_rad: float = np.deg2rad(6.0)
    first_mm: float = 12.0
    last_share: float = 0.02
    momentum: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Descended:
    """The pose with the lowest value met, and that value."""

    isocentre_from_lps: RigidPose
    value: float


def descend(
    start: RigidPose,
    centre_lps_mm: Float[np.ndarray, " 3"],
    views: Sequence[RenderedView],
    similarity: Similarity,
    options: DescentOptions,
    *,
    told: Told = untold,
) -> Descended:
    """Follow the negative gradient with turns about a point of the patient and with moves, each of its own length.

    The slope of a similarity that was trained for direction means little, and with plain gradient steps depth would
    hardly move beside the other parameters.
    """
    pose = torch.tensor(start.matrix, device=views[0].picture.device)
    centre = torch.tensor(np.append(centre_lps_mm, 1.0), device=pose.device)
    velocity = torch.zeros(2, 3, dtype=torch.float64, device=pose.device)
    best, best_value = pose, np.inf
    stretch = _stretch(views)
    decay = options.last_share ** (1.0 / max(1, options.steps - 1))
    for step in range(options.steps):
        told(step, options.steps)
        value, gradient = _value_and_gradient(pose, centre, views, similarity)
        if value < best_value:
            best, best_value = pose, value
        gradient = torch.stack([gradient[0], stretch @ gradient[1]])
        length = gradient.norm(dim=1, keepdim=True)
        downhill = -gradient / length.clamp_min(1e-12)
        if not bool(torch.isfinite(downhill).all()) or float(length.max()) == 0.0:
            break  # a flat or empty picture has no gradient
        velocity = options.momentum * velocity + (1.0 - options.momentum) * downhill
        direction = velocity / velocity.norm(dim=1, keepdim=True).clamp_min(1e-12)
        shrunk = decay**step
        with torch.no_grad():
            turn_rad, move_mm = options.first_rad * shrunk * direction[0], options.first_mm * shrunk * direction[1]
            pose = _moved(pose, centre, turn_rad, stretch @ move_mm)
    return Descended(isocentre_from_lps=_rigid(best), value=float(best_value))


def distance(pose: torch.Tensor, views: Sequence[RenderedView], similarity: Similarity) -> torch.Tensor:
    """The similarity at one pose, averaged over the views; pixels outside the field of view are set equal."""
    values = []
    for view in views:
        moving = _inside(view.rendered(pose[None]), view.mask)
        values.append(similarity(_inside(view.picture, view.mask), moving).mean())
    return torch.stack(values).mean()


def _stretch(views: Sequence[RenderedView]) -> Float[torch.Tensor, "3 3"]:
    """Scales that lengthen steps along the beam, in isocentre axes; the identity if a second view shows the depth."""
    beams = torch.stack([view.camera_from_isocentre[2, :3] for view in views]).double()
    depth = DEPTH_SHARE if bool(((beams @ beams[0]).abs() > _SAME_BEAM_COS).all()) else 1.0
    along = torch.outer(beams[0], beams[0])
    return torch.eye(3, dtype=torch.float64, device=beams.device) + (depth - 1.0) * along


def _value_and_gradient(
    pose: torch.Tensor, centre: torch.Tensor, views: Sequence[RenderedView], similarity: Similarity
) -> tuple[float, Float[torch.Tensor, "2 3"]]:
    motion = torch.zeros(2, 3, dtype=torch.float64, device=pose.device, requires_grad=True)
    value = distance(_moved(pose, centre, motion[0], motion[1]), views, similarity)
    (gradient,) = torch.autograd.grad(value, motion)
    return float(value.detach()), gradient


def _moved(pose: torch.Tensor, centre: torch.Tensor, turn_rad: torch.Tensor, move_mm: torch.Tensor) -> torch.Tensor:
    """The pose turned about the centre's current position, then moved; in isocentre axes."""
    x, y, z = turn_rad
    zero = torch.zeros_like(x)
    # The matrix exponential has a gradient at zero, where axis-angle formulas divide 0 by 0.
    turn = torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3))
    pivot = (pose @ centre)[:3]
    translation = turn @ (pose[:3, 3] - pivot) + pivot + move_mm
    return torch.cat([torch.cat([turn @ pose[:3, :3], translation[:, None]], dim=1), pose[3:]])


def _inside(picture: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    seen = (picture * mask).sum(dim=(2, 3), keepdim=True) / mask.sum(dim=(2, 3), keepdim=True).clamp_min(1.0)
    return picture * mask + seen * (1.0 - mask)


def _rigid(pose: torch.Tensor) -> RigidPose:
    matrix = pose.detach().cpu().numpy().copy()
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    matrix[:3, :3] = u @ vt
    return RigidPose(matrix=matrix, target="isocentre", source="lps")
