"""Where a frame's motion takes the points that are drawn."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engines.registration.motion.deform_basis import Deformation, influence_of


class ModelMotion:
    """Motion of centerline points, and of surface vertices along with the nearest of them, so that walls keep their
    distance from the centerline.

    Args:
        points_mm: (n, 3) of the centerlines, LPS.
        vertices_mm: (v, 3) of the surface, LPS; empty without one.
    """

    def __init__(self, points_mm: Float[np.ndarray, "n 3"], vertices_mm: Float[np.ndarray, "v 3"]) -> None:
        self._points_mm = points_mm
        self._vertices_mm = vertices_mm
        self._nearest: np.ndarray | None = None
        # The knots of a case stay the same: what they do to the drawn points is worth keeping.
        self._influence: tuple[Float[np.ndarray, "k 3"], Float[np.ndarray, "n k"]] | None = None

    def points_mm(self, deformation: Deformation | None) -> Float[np.ndarray, "n 3"]:
        """Centerline points of the frame; as they are where there is no motion."""
        return self._points_mm if deformation is None else self._points_mm + self.offsets_mm(deformation)

    def vertices_mm(self, deformation: Deformation | None) -> Float[np.ndarray, "v 3"]:
        if deformation is None or not len(self._points_mm):
            return self._vertices_mm
        if self._nearest is None:
            self._nearest = np.asarray(KDTree(self._points_mm).query(self._vertices_mm)[1])
        return self._vertices_mm + self.offsets_mm(deformation)[self._nearest]

    def offsets_mm(self, deformation: Deformation) -> Float[np.ndarray, "n 3"]:
        """Motion of the centerline points alone."""
        if self._influence is None or not np.array_equal(self._influence[0], deformation.knots_mm):
            self._influence = deformation.knots_mm, influence_of(deformation.knots_mm, self._points_mm)
        return deformation.offsets_mm(self._influence[1])
