"""A rigid pose as six scaled parameters, for gradient steps and for evolution strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose

# Steps with equal effect on the picture: a vessel 50 mm from the pivot moves 1 mm; depth has about an eighth of the
# effect.
ROTATION_SCALE_RAD = 1 / 50
DEPTH_SCALE_MM = 8.0
_SAME_BEAM_COS = np.cos(np.deg2rad(20.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseMotion:
    """Three turns about a pivot, then three moves; the third axis runs along the first view's beam.

    All parameters are measured in millimetres of movement on the isocentre plane.

    Args:
        start: isocentre_from_lps where every parameter is 0.
        pivot_mm: centre of the rotations, in the isocentre frame.
        axes: columns are two directions across the beam and the beam's direction.
        scale_mm: the length of one unit of each move.
    """

    start: Float[torch.Tensor, "4 4"]
    pivot_mm: Float[torch.Tensor, " 3"]
    axes: Float[torch.Tensor, "3 3"]
    scale_mm: Float[torch.Tensor, " 3"]

    @classmethod
    def about(
        cls,
        start: RigidPose,
        centre_lps_mm: Float[np.ndarray, " 3"],
        geometries: Sequence[CArmGeometry],
        device: torch.device | str = "cpu",
    ) -> PoseMotion:
        """Motion about a point of the patient, scaled to its effect in these views."""
        pivot = start.apply(np.asarray(centre_lps_mm, dtype=np.float64)[None])[0]
        beams = [beam_axes(geometry, pivot)[:, 2] for geometry in geometries]
        # A second beam shows the first beam's depth as a shift, so all three directions are equally certain.
        alike = all(abs(float(beams[0] @ beam)) > _SAME_BEAM_COS for beam in beams)
        scale = np.array([1.0, 1.0, DEPTH_SCALE_MM if alike else 1.0])
        values = (start.matrix, pivot, beam_axes(geometries[0], pivot), scale)
        tensors = [torch.tensor(value, dtype=torch.float64, device=device) for value in values]
        return cls(start=tensors[0], pivot_mm=tensors[1], axes=tensors[2], scale_mm=tensors[3])

    def pose(self, parameters: Float[torch.Tensor, " 6"]) -> Float[torch.Tensor, "4 4"]:
        """isocentre_from_lps, differentiable in the parameters."""
        # The matrix exponential has a gradient at zero, where axis-angle formulas divide 0 by 0.
        rotation = torch.linalg.matrix_exp(_cross_matrix(self.axes @ parameters[:3] * ROTATION_SCALE_RAD))
        shift = self.axes @ (parameters[3:] * self.scale_mm)
        translation = rotation @ (self.start[:3, 3] - self.pivot_mm) + self.pivot_mm + shift
        top = torch.cat([rotation @ self.start[:3, :3], translation[:, None]], dim=1)
        return torch.cat([top, self.start[3:]], dim=0)

    def rigid(self, parameters: Float[torch.Tensor, " 6"]) -> RigidPose:
        """The pose as a `RigidPose`, with rounding errors removed from its rotation."""
        with torch.no_grad():
            matrix = self.pose(parameters).cpu().numpy()
        u, _, vt = np.linalg.svd(matrix[:3, :3])
        clean = np.eye(4)
        clean[:3, :3] = u @ vt
        clean[:3, 3] = matrix[:3, 3]
        return RigidPose(matrix=clean, target="isocentre", source="lps")


def beam_axes(geometry: CArmGeometry, point_mm: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Columns: two directions across the ray from the source through an isocentre point, and the ray's direction."""
    camera = geometry.camera_from_isocentre()
    along = point_mm - camera.inverse().translation_mm
    along = along / np.linalg.norm(along)
    across = camera.rotation[0] - (camera.rotation[0] @ along) * along
    across = across / np.linalg.norm(across)
    return np.column_stack([across, np.cross(along, across), along])


def _cross_matrix(vector: Float[torch.Tensor, " 3"]) -> Float[torch.Tensor, "3 3"]:
    x, y, z = vector
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
