"""A voxel grid on which tissue is painted, in Hounsfield units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import gaussian_filter

from engines.anatomy.vessel_model import Branch
from engines.simulation.shapes.curve import even_steps

AIR_HU = -1000.0
FAT_HU = -90.0
MUSCLE_HU = 45.0
BLOOD_HU = 45.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """An axis-parallel grid in a body frame.

    Args:
        shape: voxels along x, y, z.
        spacing_mm: edge of a voxel (isotropic).
        first_mm: position of the centre of voxel (0, 0, 0).
    """

    shape: tuple[int, int, int]
    spacing_mm: float
    first_mm: tuple[float, float, float]

    @classmethod
    def covering(cls, low_mm: tuple[float, ...], high_mm: tuple[float, ...], spacing_mm: float) -> Grid:
        shape = tuple(int(np.floor((high - low) / spacing_mm)) + 1 for low, high in zip(low_mm, high_mm, strict=True))
        return cls(shape=shape, spacing_mm=spacing_mm, first_mm=tuple(low_mm))  # pyright: ignore[reportArgumentType]

    def axes_mm(
        self,
    ) -> tuple[Float32[np.ndarray, "i 1 1"], Float32[np.ndarray, "1 j 1"], Float32[np.ndarray, "1 1 k"]]:
        x, y, z = (
            (first + self.spacing_mm * np.arange(count)).astype(np.float32)
            for first, count in zip(self.first_mm, self.shape, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def lps_from_index(self, offset_mm: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "4 4"]:
        matrix = np.diag([self.spacing_mm, self.spacing_mm, self.spacing_mm, 1.0])
        matrix[:3, 3] = np.asarray(self.first_mm) + offset_mm
        return matrix

    def box(self, low_mm: np.ndarray, high_mm: np.ndarray) -> tuple[slice, slice, slice] | None:
        """Index ranges of the voxels between two corners; None if the grid has none there."""
        low = np.maximum(np.ceil((low_mm - self.first_mm) / self.spacing_mm).astype(int), 0)
        high = np.minimum(np.floor((high_mm - self.first_mm) / self.spacing_mm).astype(int) + 1, self.shape)
        if (high <= low).any():
            return None
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def tube_distance_mm(
    grid: Grid, branches: Iterable[Branch], *, margin_mm: float, floor_radius_mm: float = 0.0
) -> Float32[np.ndarray, "i j k"]:
    """Signed distance to the walls of tubes (negative inside), limited to `margin_mm`."""
    field = np.full(grid.shape, margin_mm, dtype=np.float32)
    axes = [axis.ravel() for axis in grid.axes_mm()]
    for branch in branches:
        points, radius = _beads(branch, grid.spacing_mm, floor_radius_mm)
        reach = radius[:, None] + margin_mm
        low = np.maximum(np.ceil((points - reach - grid.first_mm) / grid.spacing_mm).astype(int), 0)
        high = np.minimum(np.floor((points + reach - grid.first_mm) / grid.spacing_mm).astype(int) + 1, grid.shape)
        for k in np.flatnonzero((high > low).all(axis=1)):
            (i0, j0, k0), (i1, j1, k1) = low[k].tolist(), high[k].tolist()
            px, py, pz = points[k].tolist()
            square = ((axes[0][i0:i1] - px) ** 2)[:, None, None] + ((axes[1][j0:j1] - py) ** 2)[:, None]
            distance = np.sqrt(square + (axes[2][k0:k1] - pz) ** 2) - float(radius[k])
            part = field[i0:i1, j0:j1, k0:k1]
            np.minimum(part, distance, out=part)
    return field


def _beads(
    branch: Branch, spacing_mm: float, floor_radius_mm: float
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Spheres so close together that their union equals the tube to a small fraction of a voxel."""
    typical_mm = max(float(np.median(branch.radius_mm)), floor_radius_mm)
    points = even_steps(branch.points_mm, max(0.35 * typical_mm, 0.5 * spacing_mm))
    at = np.linspace(0.0, 1.0, len(points))
    radius = np.interp(at, np.linspace(0.0, 1.0, len(branch.radius_mm)), branch.radius_mm)
    return points, np.maximum(radius, floor_radius_mm)


def ellipsoid_level(
    grid: Grid, centre_mm: Iterable[float], semi_axes_mm: Iterable[float]
) -> Float32[np.ndarray, "i j k"]:
    """Normalised radius of an axis-parallel ellipsoid: 1 on its surface."""
    parts = [
        ((axis - centre) / semi) ** 2
        for axis, centre, semi in zip(grid.axes_mm(), centre_mm, semi_axes_mm, strict=True)
    ]
    return np.sqrt(parts[0] + parts[1] + parts[2])


def inside_ellipsoid(
    grid: Grid, centre_mm: Iterable[float], semi_axes_mm: Iterable[float]
) -> Bool[np.ndarray, "i j k"]:
    return ellipsoid_level(grid, centre_mm, semi_axes_mm) < 1.0


def paint_bone_tubes(
    grid: Grid,
    hu: Float32[np.ndarray, "i j k"],
    branches: Iterable[Branch],
    *,
    cortex_mm: float,
    cortex_hu: float = 1050.0,
    marrow_hu: float = 260.0,
) -> None:
    """Bones as tubes with a dense shell."""
    distance = tube_distance_mm(grid, branches, margin_mm=1.5 * grid.spacing_mm)
    inside = distance < 0.0
    shell = np.clip(1.0 + distance[inside] / cortex_mm, 0.0, 1.0)
    hu[inside] = np.maximum(hu[inside], marrow_hu + (cortex_hu - marrow_hu) * shell)
    # Half a voxel of partial volume outside prevents thin ribs from breaking up into beads.
    rim = (distance >= 0.0) & (distance < 0.5 * grid.spacing_mm)
    hu[rim] = np.maximum(hu[rim], 0.5 * cortex_hu)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int, int], *, grain: int) -> Float32[np.ndarray, "i j k"]:
    """Random field of unit variance with features of about `grain` voxels."""
    coarse = rng.normal(size=[count // grain + 3 for count in shape]).astype(np.float32)
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], scale_factor=float(grain), mode="trilinear", align_corners=False
    )[0, 0].numpy()
    field = fine[tuple(slice(grain, grain + count) for count in shape)]
    return (field - field.mean()) / field.std()


def ct_noise(rng: np.random.Generator, shape: tuple[int, int, int], sigma_hu: float) -> Float32[np.ndarray, "i j k"]:
    """Noise with the short correlation of a reconstruction filter."""
    noise = gaussian_filter(rng.normal(size=shape).astype(np.float32), 0.7, truncate=2.0)
    return noise * np.float32(sigma_hu / noise.std())
