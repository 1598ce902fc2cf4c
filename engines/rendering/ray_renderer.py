"""The base of renderers that integrate ray by ray."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float

from engines.rendering.rays import grid_corners_lps_mm, pixel_centres, ray_directions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedVolume:
    """The volume of a renderer, checked by `make_renderer`.

    Args:
        values: (i, j, k) float32.
        lps_from_index: 4x4, index of a voxel centre to LPS mm; any invertible affine, in double precision.
        centroid_lps_mm: centroid of the values.
        device: torch device of the renderer and of its pictures.
    """

    values: Float[torch.Tensor, "i j k"]
    lps_from_index: Float[torch.Tensor, "4 4"]
    centroid_lps_mm: Float[torch.Tensor, " 3"]
    device: torch.device

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.values.shape[0], self.values.shape[1], self.values.shape[2]

    def index_from_lps(self) -> Float[torch.Tensor, "4 4"]:
        """float32 on the renderer's device."""
        return torch.linalg.inv(self.lps_from_index.double()).float().to(self.device)

    def corners_lps_mm(self) -> Float[torch.Tensor, "8 3"]:
        """Corners of the interpolated volume, on the renderer's device."""
        return grid_corners_lps_mm(self.shape, self.lps_from_index).to(self.device)


class RayRenderer(ABC):
    """See `Renderer`; a whole picture is rendered as the rays through its pixel centres."""

    name: str

    def __init__(self, volume: RenderedVolume) -> None:
        self.device = volume.device
        self.centroid_lps_mm = volume.centroid_lps_mm.to(volume.device)

    def render(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        shape_px: tuple[int, int],
    ) -> Float[torch.Tensor, "n 1 rows columns"]:
        pixels = pixel_centres(shape_px, device=self.device)
        return self.render_rays(camera_from_lps, intrinsics_px, pixels).reshape(-1, 1, *shape_px)

    def render_rays(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        pixels_px: Float[torch.Tensor, "rays 2"],
    ) -> Float[torch.Tensor, "n rays"]:
        pose = camera_from_lps.to(self.device, torch.float32)
        return self._integrals(pose, ray_directions(intrinsics_px.to(self.device), pixels_px.to(self.device)))

    @abstractmethod
    def _integrals(
        self, camera_from_lps: Float[torch.Tensor, "n 4 4"], directions: Float[torch.Tensor, "rays 3"]
    ) -> Float[torch.Tensor, "n rays"]:
        """Line integrals along rays from the source, value times mm.

        Args:
            camera_from_lps: float32 on the renderer's device.
            directions: camera-frame directions with one millimetre of depth.
        """
