"""The CT sampled across the vessel, in polar or square cross-sections."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import map_coordinates

from engines.anatomy.centerlines.moving_frame import MovingFrame
from engines.anatomy.vessel_model import CtVolume

OUTSIDE_HU = -1024.0


def sample_ct(ct: CtVolume, points_mm: Float[np.ndarray, "... 3"]) -> Float32[np.ndarray, ...]:
    """Trilinear HU at LPS places; air outside the volume."""
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    index = points_mm.reshape(-1, 3) @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
    hu = map_coordinates(ct.voxels_hu, index.T, order=1, mode="constant", cval=OUTSIDE_HU, output=np.float32)
    return hu.reshape(points_mm.shape[:-1])


def polar_sections(
    ct: CtVolume, frame: MovingFrame, *, angles: int, step_mm: float, count: int
) -> Float32[np.ndarray, "n a r"]:
    """Cross-sections by (place, angle from u towards v, radius of (k + 0.5) steps)."""
    angle = np.arange(angles) * 2.0 * np.pi / angles
    radius = (np.arange(count) + 0.5) * step_mm
    ray = np.cos(angle)[None, :, None] * frame.u[:, None, :] + np.sin(angle)[None, :, None] * frame.v[:, None, :]
    return sample_ct(ct, frame.points_mm[:, None, None] + radius[None, None, :, None] * ray[:, :, None, :])


def square_sections(
    ct: CtVolume,
    points_mm: Float[np.ndarray, "n 3"],
    u: Float[np.ndarray, "n 3"],
    v: Float[np.ndarray, "n 3"],
    *,
    columns_mm: Float[np.ndarray, " c"],
    rows_mm: Float[np.ndarray, " r"],
) -> Float32[np.ndarray, "n r c"]:
    """Cross-sections on a grid: columns along u, rows along v, in mm from each point."""
    return np.stack(
        [
            sample_ct(ct, points_mm[k] + rows_mm[:, None, None] * v[k] + columns_mm[None, :, None] * u[k])
            for k in range(len(points_mm))
        ]
    )
