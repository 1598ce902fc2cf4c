"""Ray marching by nanodrr: the fast renderer, with fused kernels on CUDA."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from nanodrr.data import Subject
from nanodrr.drr import render as nanodrr_render

from engines.rendering.ray_renderer import RayRenderer, RenderedVolume
from engines.rendering.rays import far_depth_mm, lps_from_camera

_SAMPLES_PER_CHUNK = 4_000_000  # about 50 MB of sample points at a time on the CPU path
_SAMPLES_PER_VOXEL = 0.6  # of the volume's diagonal; shorter rays are sampled more finely


class NanodrrRenderer(RayRenderer):
    """Trilinear interpolation with the midpoint rule; rays are sampled only inside the volume.

    nanodrr gets its rays in our camera frame, so that its own intrinsics, pixel corners and orientation presets (its
    "PA" matrix mirrors) are never used.
    """

    name = "nanodrr"

    def __init__(self, volume: RenderedVolume) -> None:
        super().__init__(volume)
        self.samples = max(2, math.ceil(_SAMPLES_PER_VOXEL * math.hypot(*(size + 1 for size in volume.shape))))
        self._corners = volume.corners_lps_mm()
        self._subject = _subject(volume).to(volume.device)

    def _integrals(
        self, camera_from_lps: Float[torch.Tensor, "n 4 4"], directions: Float[torch.Tensor, "rays 3"]
    ) -> Float[torch.Tensor, "n rays"]:
        targets = (directions * far_depth_mm(camera_from_lps, self._corners))[None]
        inverse = lps_from_camera(camera_from_lps)
        chunk = max(1, _SAMPLES_PER_CHUNK // (self.samples * len(camera_from_lps)))
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


def _subject(volume: RenderedVolume) -> Subject:
    """nanodrr's volume, made without its torchio loader, which would require an axis-aligned RAS file."""
    image = volume.values.permute(2, 1, 0)[None, None].contiguous()
    affine = volume.lps_from_index.double()
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
