"""Rigid transforms between named frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

_ORTHONORMAL_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigidPose:
    """`target_from_source`: takes points of the source frame into the target frame, in millimetres.

    Args:
        matrix: 4x4 homogeneous transform, a proper rotation and a translation in mm.
        target: name of the frame that points end up in.
        source: name of the frame that points come from.

    Raises:
        ValueError: the matrix is not a rigid transform (wrong shape, not finite, mirrored or scaled).
    """

    matrix: Float[np.ndarray, "4 4"]
    target: str
    source: str

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise ValueError(f"{self.target} from {self.source}: a pose is a finite 4x4 matrix, found {matrix.shape}")
        rotation = matrix[:3, :3]
        if (
            not np.allclose(rotation @ rotation.T, np.eye(3), atol=_ORTHONORMAL_TOLERANCE)
            or np.linalg.det(rotation) < 0
            or not np.array_equal(matrix[3], (0.0, 0.0, 0.0, 1.0))
        ):
            raise ValueError(f"{self.target} from {self.source}: the matrix is scaled, sheared or mirrored, not rigid")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls, *, target: str, source: str) -> RigidPose:
        return cls(matrix=np.eye(4), target=target, source=source)

    @classmethod
    def from_rotation_vector(
        cls,
        rotation_rad: Float[np.ndarray, " 3"],
        translation_mm: Float[np.ndarray, " 3"],
        *,
        target: str,
        source: str,
    ) -> RigidPose:
        """A pose from axis times angle in radians, followed by a translation in the target frame."""
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(np.asarray(rotation_rad, dtype=np.float64)).as_matrix()
        matrix[:3, 3] = translation_mm
        return cls(matrix=matrix, target=target, source=source)

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        return self.matrix[:3, :3]

    @property
    def translation_mm(self) -> Float[np.ndarray, " 3"]:
        return self.matrix[:3, 3]

    def rotation_vector_rad(self) -> Float[np.ndarray, " 3"]:
        return Rotation.from_matrix(self.rotation).as_rotvec()

    def inverse(self) -> RigidPose:
        inverse = np.eye(4)
        inverse[:3, :3] = self.rotation.T
        inverse[:3, 3] = -self.rotation.T @ self.translation_mm
        return RigidPose(matrix=inverse, target=self.source, source=self.target)

    def apply(self, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Move points of the source frame into the target frame."""
        return np.asarray(points_mm, dtype=np.float64) @ self.rotation.T + self.translation_mm

    def __matmul__(self, other: RigidPose) -> RigidPose:
        """Compose two poses. Raises ValueError if the neighbouring frame names do not cancel."""
        if self.source != other.target:
            raise ValueError(f"{self.target}_from_{self.source} @ {other.target}_from_{other.source} does not chain")
        return RigidPose(matrix=_orthonormal(self.matrix @ other.matrix), target=self.target, source=other.source)


def _orthonormal(matrix: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    # Without this, thousands of compositions during tracking would drift away from a rotation.
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    clean = matrix.copy()
    clean[:3, :3] = u @ vt
    clean[3] = (0.0, 0.0, 0.0, 1.0)
    return clean
