"""Points all over a surface, for distances to its wall."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engines.anatomy.vessel_model import SurfaceMesh


def surface_samples(surface: SurfaceMesh) -> Float[np.ndarray, "m 3"]:
    """Vertices, edge middles and triangle centres; vertices alone would make the wall of coarse triangles look far."""
    corners = surface.vertices_mm[surface.triangles]
    middles = 0.5 * (corners + np.roll(corners, 1, axis=1))
    return np.concatenate([surface.vertices_mm, corners.mean(axis=1), middles.reshape(-1, 3)])
