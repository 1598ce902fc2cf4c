"""Draw centerlines as a soft picture with one matrix product: a cheap and smooth substitute for a DRR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from engines.anatomy.vessel_model import CenterlineTree

_MIN_DEPTH_MM = 1.0  # no part of a patient is this near to the source; nearer points are not drawn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CenterlineCloud:
    """Centerline points that each stand for a short piece of tube.

    Args:
        points_mm: positions, LPS.
        radius_mm: lumen radius.
        length_mm: length of the piece of tube.
    """

    points_mm: Float[torch.Tensor, "points 3"]
    radius_mm: Float[torch.Tensor, " points"]
    length_mm: Float[torch.Tensor, " points"]


def centerline_cloud(
    tree: CenterlineTree,
    *,
    step_mm: float = 1.5,
    vessel_classes: tuple[str, ...] = (),
    unknown_radius_mm: float = 1.0,
    device: str | torch.device = "cpu",
) -> CenterlineCloud:
    """Evenly spaced points of a tree.

    Args:
        vessel_classes: only these branches; empty for all.
        unknown_radius_mm: used where the model has no radius.

    Raises:
        ValueError: no branch is of these classes.
    """
    branches = [b for b in tree.branches if not vessel_classes or b.vessel_class in vessel_classes]
    if not branches:
        raise ValueError(f"the tree has no branch of the classes {vessel_classes}")
    points, radius, length = [], [], []
    for branch in CenterlineTree(branches=tuple(branches)).resampled(step_mm).branches:
        steps = np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1)
        points.append(branch.points_mm)
        radius.append(np.nan_to_num(branch.radius_mm, nan=unknown_radius_mm))
        length.append(0.5 * (np.append(steps, 0.0) + np.append(0.0, steps)))  # an end point counts half a step
    parts = [
        torch.tensor(np.concatenate(part), dtype=torch.float32, device=device) for part in (points, radius, length)
    ]
    return CenterlineCloud(points_mm=parts[0], radius_mm=parts[1], length_mm=parts[2])


def splat_centerlines(
    cloud: CenterlineCloud,
    camera_from_lps: Float[torch.Tensor, "n 4 4"],
    intrinsics_px: Float[torch.Tensor, "3 3"],
    shape_px: tuple[int, int],
    *,
    sigma_px: float,
    kind: Literal["silhouette", "thickness"] = "silhouette",
) -> Float[torch.Tensor, "n 1 rows columns"]:
    """A picture of the tubes, blurred by `sigma_px`, batched over cameras and differentiable in them.

    `silhouette` approaches a vessel mask blurred by the same Gaussian (crossings add up), `thickness` the blurred
    line integral in mm of contrast. The width of a tube adds the variance of its profile to the blur. Points at or
    behind the source have weight 0.
    """
    # exp(-(du^2 + dv^2)/2s^2) is a product of a row and a column factor, so the sum over points is one matrix product.
    pose = camera_from_lps.to(cloud.points_mm)
    intrinsics = intrinsics_px.to(cloud.points_mm)
    camera = cloud.points_mm @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]
    ahead = camera[..., 2] > _MIN_DEPTH_MM
    depth = torch.where(ahead, camera[..., 2], 1.0)
    pixels = (camera[..., :2] / depth[..., None]) @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    scale_px_per_mm = intrinsics.diagonal()[:2].abs() / depth[..., None]
    profile_variance, area_mm2 = _profile(cloud, kind)
    sigma = (sigma_px**2 + profile_variance[None, :, None] * scale_px_per_mm**2).sqrt()
    amplitude = area_mm2 * scale_px_per_mm.prod(dim=-1) / (2.0 * math.pi * sigma.prod(dim=-1))
    columns = _bell(pixels[..., 0], sigma[..., 0], shape_px[1])
    rows = _bell(pixels[..., 1], sigma[..., 1], shape_px[0])
    weighted = rows * torch.where(ahead, amplitude, 0.0)[..., None]
    return (weighted.transpose(1, 2) @ columns)[:, None]


def _profile(cloud: CenterlineCloud, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The variance across the tube in mm^2, and the integral of a piece: mm^2 of mask, or mm^2 times mm of contrast."""
    if kind == "silhouette":  # the profile is a box of width 2 r
        return cloud.radius_mm**2 / 3.0, 2.0 * cloud.radius_mm * cloud.length_mm
    return cloud.radius_mm**2 / 4.0, math.pi * cloud.radius_mm**2 * cloud.length_mm  # a half ellipse of height 2 r


def _bell(
    centre_px: Float[torch.Tensor, "n points"], sigma_px: Float[torch.Tensor, "n points"], size: int
) -> Float[torch.Tensor, "n points size"]:
    place = torch.arange(size, device=centre_px.device, dtype=centre_px.dtype)
    return torch.exp(-0.5 * ((place - centre_px[..., None]) / sigma_px[..., None]) ** 2)
