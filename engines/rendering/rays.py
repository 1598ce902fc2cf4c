"""Rays of a pinhole camera, shared by every renderer."""

from __future__ import annotations

import torch
from jaxtyping import Float


def pixel_centres(shape_px: tuple[int, int], *, device: torch.device) -> Float[torch.Tensor, "pixels 2"]:
    """(column, row) of every pixel, row by row."""
    rows, columns = torch.meshgrid(
        torch.arange(shape_px[0], device=device, dtype=torch.float32),
        torch.arange(shape_px[1], device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([columns, rows], dim=-1).reshape(-1, 2)


def ray_directions(
    intrinsics_px: Float[torch.Tensor, "3 3"], pixels_px: Float[torch.Tensor, "rays 2"]
) -> Float[torch.Tensor, "rays 3"]:
    """Camera-frame directions through (column, row) points, scaled to one millimetre of depth (z = 1)."""
    # In double precision, because float32 loses sub-pixel digits for large focal lengths and far principal points.
    inverse = torch.linalg.inv(intrinsics_px.double())
    homogeneous = torch.cat([pixels_px.double(), torch.ones_like(pixels_px[:, :1], dtype=torch.float64)], dim=1)
    return (homogeneous @ inverse.T).float()


def lps_from_camera(camera_from_lps: Float[torch.Tensor, "n 4 4"]) -> Float[torch.Tensor, "n 4 4"]:
    """The inverse of rigid poses, differentiable and computed without a matrix solve."""
    rotation = camera_from_lps[:, :3, :3].transpose(1, 2)
    translation = -rotation @ camera_from_lps[:, :3, 3:]
    last = camera_from_lps.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(camera_from_lps), 1, 4)
    return torch.cat([torch.cat([rotation, translation], dim=2), last], dim=1)


def far_depth_mm(
    camera_from_lps: Float[torch.Tensor, "n 4 4"], corners_lps_mm: Float[torch.Tensor, "8 3"]
) -> Float[torch.Tensor, ""]:
    """Depth beyond which the volume ends for every camera of the batch; 1 mm if it lies behind every source."""
    pose = camera_from_lps.detach()
    depth = torch.einsum("nj,cj->nc", pose[:, 2, :3], corners_lps_mm) + pose[:, 2, 3:]
    return depth.amax().clamp_min(1.0)


def grid_corners_lps_mm(
    shape: tuple[int, int, int], lps_from_index: Float[torch.Tensor, "4 4"]
) -> Float[torch.Tensor, "8 3"]:
    """Corners of the interpolated volume, one voxel beyond the outermost voxel centres."""
    bounds = [torch.tensor([-1.0, float(size)], dtype=torch.float64) for size in shape]
    index = torch.cartesian_prod(*bounds)
    affine = lps_from_index.double().cpu()
    return (index @ affine[:3, :3].T + affine[:3, 3]).float()
