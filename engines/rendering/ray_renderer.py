"""The base of renderers that integrate ray by ray."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float

from engines.rendering.rays import pixel_centres


class RayRenderer(ABC):
    """See `Renderer`; a whole picture is rendered as the rays through its pixel centres.

    Args:
        centroid_lps_mm: centroid of the volume's values.
        device: torch device of the volume and the pictures.
    """

    name: str

    def __init__(self, *, centroid_lps_mm: Float[torch.Tensor, " 3"], device: torch.device) -> None:
        self.device = device
        self.centroid_lps_mm = centroid_lps_mm.to(device)

    def render(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        shape_px: tuple[int, int],
    ) -> Float[torch.Tensor, "n 1 rows columns"]:
        pixels = pixel_centres(shape_px, device=self.device)
        return self.render_rays(camera_from_lps, intrinsics_px, pixels).reshape(-1, 1, *shape_px)

    @abstractmethod
    def render_rays(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        pixels_px: Float[torch.Tensor, "rays 2"],
    ) -> Float[torch.Tensor, "n rays"]: ...
