"""Ray marching by nanodrr: the fast renderer, with fused kernels on CUDA."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from nanodrr.data import Subject
from nanodrr.drr import render as nanodrr_render

from engines.rendering.ray_renderer import RayRenderer
from engines.rendering.rays import far_depth_mm, grid_corners_lps_mm, lps_from_camera, ray_directions

_SAMPLES_PER_CHUNK = 4_000_000  # about 50 MB of sample points at a time on the CPU path


class NanodrrRenderer(RayRenderer):
    """Trilinear interpolation with the midpoint rule; rays are sampled only inside the volume.

    nanodrr gets its rays in our camera frame, so that its own intrinsics, pixel corners and orientation presets (its
    "PA" matrix mirrors) are never used.

    Args:
        values: (i, j, k) float32.
        lps_from_index: 4x4, index of a voxel centre to LPS mm; any invertible affine.
        samples_per_voxel: samples per voxel of the volume's diagonal; shorter rays are sampled more finely.
    """

    name = "nanodrr"

    def __init__(
        self,
        values: Float[torch.Tensor, "i j k"],
        lps_from_index: Float[torch.Tensor, "4 4"],
        *,
        centroid_lps_mm: Float[torch.Tensor, " 3"],
        device: torch.device,
        samples_per_voxel: float = 0.6,
    ) -> None:
        shape = (values.shape[0], values.shape[1], values.shape[2])
        super().__init__(centroid_lps_mm=centroid_lps_mm, device=device)
        self.samples = max(2, math.ceil(samples_per_voxel * math.hypot(*(size + 1 for size in shape))))
        self._corners = grid_corners_lps_mm(shape, lps_from_index).to(device)
        self._subject = _subject(values, lps_from_index).to(device)

    def render_rays(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        pixels_px: Float[torch.Tensor, "rays 2"],
    ) -> Float[torch.Tensor, "n rays"]:
        pose = camera_from_lps.to(self.device, torch.float32)
        directions = ray_directions(intrinsics_px.to(self.device), pixels_px.to(self.device))
        targets = (directions * far_depth_mm(pose, self._corners))[None]
        inverse = lps_from_camera(pose)
        chunk = max(1, _SAMPLES_PER_CHUNK // (self.samples * len(pose)))
        return torch.cat([self._march(inverse, part) for part in targets.split(chunk, dim=1)], dim=1)

    def _march(
        self, lps_from_camera: Float[torch.Tensor, "n 4 4"], targets: Float[torch.Tensor, "1 rays 3"]
    ) -> Float[torch.Tensor, "n rays"]:
        picture = nanodrr_render(
            self._subject,
            k_inv=targets.new_zeros(1, 3, 3),  # unused, because the rays are given
            rt_inv=lps_from_camera,
            sdd=targets.new_ones(1),
            height=1,
            width=targets.shape[1],
            n_samples=self.samples,
            src=targets.new_zeros(1, 1, 3),
            tgt=targets,
        )
        return picture[:, 0, 0]


def _subject(values: Float[torch.Tensor, "i j k"], lps_from_index: Float[torch.Tensor, "4 4"]) -> Subject:
    """nanodrr's volume, made without its torchio loader, which would require an axis-aligned RAS file."""
    image = values.permute(2, 1, 0)[None, None].contiguous()
    affine = lps_from_index.double()
    return Subject(
        imagedata=image,
        labeldata=torch.zeros(1, 1, 1, 1, 1),  # one class: never sampled
        voxel_to_world=affine.float(),
        world_to_voxel=torch.linalg.inv(affine).float(),
        voxel_to_grid=Subject._make_voxel_to_grid(image.shape),
        isocenter=torch.zeros(3),
        max_label=0,
        convert_to_mu=False,
    )
