"""Ray tracing by DiffDRR: slow; it is the reference for the fast renderers."""

from __future__ import annotations

import math
from typing import Literal

import torch
from diffdrr.renderers import Siddon, Trilinear
from jaxtyping import Float

from engines.rendering.ray_renderer import RayRenderer, RenderedVolume
from engines.rendering.rays import far_depth_mm, lps_from_camera

# Index coordinates with integer voxel centres need this shift; with 0.0 the picture is 2.4 px off DiffDRR's own point
# projection.
_VOXEL_SHIFT = 0.5
_SAMPLES_PER_CHUNK = 4_000_000


class DiffdrrRenderer(RayRenderer):
    """DiffDRR's own renderers on the rays of our camera, without DiffDRR's detector and orientation presets.

    `siddon` is exact for a volume of constant voxels, `trilinear` for an interpolated volume. Siddon integrates along
    the whole line, so a volume around the source counts on both sides of it; a volume behind the source gives 0.
    """

    def __init__(self, volume: RenderedVolume, method: Literal["siddon", "trilinear"]) -> None:
        super().__init__(volume)
        self.name = "diffdrr" if method == "siddon" else "diffdrr-trilinear"
        self._shape = volume.shape
        self._values = volume.values.contiguous().to(volume.device)
        self._index_from_lps, self._corners = volume.index_from_lps(), volume.corners_lps_mm()
        self._siddon = Siddon(voxel_shift=_VOXEL_SHIFT) if method == "siddon" else None
        self._trilinear = Trilinear(voxel_shift=_VOXEL_SHIFT) if method == "trilinear" else None

    def _integrals(
        self, camera_from_lps: Float[torch.Tensor, "n 4 4"], directions: Float[torch.Tensor, "rays 3"]
    ) -> Float[torch.Tensor, "n rays"]:
        targets = directions * far_depth_mm(camera_from_lps, self._corners)
        index_from_camera = self._index_from_lps @ lps_from_camera(camera_from_lps)
        source = index_from_camera[:, None, :3, 3]
        chunk = max(1, _SAMPLES_PER_CHUNK // (sum(self._shape) * len(camera_from_lps)))
        parts = [self._trace(source, index_from_camera, part) for part in targets.split(chunk)]
        return torch.cat(parts, dim=1)

    def _trace(
        self,
        source: Float[torch.Tensor, "n 1 3"],
        index_from_camera: Float[torch.Tensor, "n 4 4"],
        targets_mm: Float[torch.Tensor, "rays 3"],
    ) -> Float[torch.Tensor, "n rays"]:
        target = torch.einsum("nij,rj->nri", index_from_camera[:, :3, :3], targets_mm) + source
        length_mm = targets_mm.norm(dim=1).expand(len(target), 1, -1)
        if self._siddon is not None:
            picture = self._siddon(self._values, source, target, length_mm)[:, 0]
            return torch.where(self._is_ahead(source, target), picture, 0.0)
        assert self._trilinear is not None
        near, far, voxels = self._crossed(source.detach(), target.detach())
        if far <= near:
            return target.sum(dim=-1) * 0.0  # every ray misses: zero, but still differentiable in the pose
        return self._trilinear(
            self._values, source, target, length_mm, n_points=max(2, math.ceil(voxels)), alphamin=near, alphamax=far
        )[:, 0]

    def _is_ahead(self, source: Float[torch.Tensor, "n 1 3"], target: Float[torch.Tensor, "n rays 3"]) -> torch.Tensor:
        centre = source.new_tensor([(size - 1) / 2 for size in self._shape])
        return ((centre - source) * (target - source)).sum(dim=-1).detach() > 0

    def _crossed(
        self, source: Float[torch.Tensor, "n 1 3"], target: Float[torch.Tensor, "n rays 3"]
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        """The range of ray fractions in which any ray is inside the volume, and the voxels passed there."""
        ray = target - source
        ray = torch.where(ray.abs() < 1e-9, 1e-9, ray)
        entry = (-1.0 - source) / ray
        leave = (source.new_tensor([float(size) for size in self._shape]) - source) / ray
        near = torch.minimum(entry, leave).amax(dim=-1).clamp(0.0, 1.0)
        far = torch.maximum(entry, leave).amin(dim=-1).clamp(0.0, 1.0)
        hit = far > near
        if not bool(hit.any()):
            return source.new_ones(()), source.new_zeros(()), 0.0
        first, last = near[hit].min(), far[hit].max()
        return first, last, float((last - first) * ray.norm(dim=-1).max()) + 1.0
