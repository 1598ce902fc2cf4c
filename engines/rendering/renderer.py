"""The interface between registration and the DRR renderers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float


@runtime_checkable
class Renderer(Protocol):
    """Line integrals through one volume, differentiable with respect to the camera.

    Attributes:
        name: its name in `make_renderer`.
        device: torch device of the poses and of the returned pictures.
        centroid_lps_mm: centre of the volume's values, LPS mm; rotations about it move the picture least.
    """

    name: str
    device: torch.device
    centroid_lps_mm: Float[torch.Tensor, " 3"]

    def render(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        shape_px: tuple[int, int],
    ) -> Float[torch.Tensor, "n 1 rows columns"]:
        """Integrals of the volume's values along each pixel's ray, in value times mm.

        Gradients reach `camera_from_lps`. A ray that misses the volume gives 0.
        """
        ...

    def render_rays(
        self,
        camera_from_lps: Float[torch.Tensor, "n 4 4"],
        intrinsics_px: Float[torch.Tensor, "3 3"],
        pixels_px: Float[torch.Tensor, "rays 2"],
    ) -> Float[torch.Tensor, "n rays"]:
        """The same integrals for chosen (column, row) points only; a vessel fills few of a picture's pixels."""
        ...
