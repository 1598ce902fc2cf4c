"""Rotation vectors and matrices, fast enough for an inner loop, and exact at zero."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

_SMALL_RAD = 1e-7


def rotation_matrix(vector_rad: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """The matrix of axis times angle, by Rodrigues' formula."""
    x, y, z = (float(v) for v in vector_rad)
    angle = math.sqrt(x * x + y * y + z * z)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < _SMALL_RAD:
        return np.eye(3) + cross
    return np.eye(3) + math.sin(angle) / angle * cross + (1.0 - math.cos(angle)) / angle**2 * (cross @ cross)


def rotation_vector(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 3"]:
    """The inverse of `rotation_matrix`, for angles below pi; zero for the identity."""
    skew = 0.5 * np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    sine = float(np.linalg.norm(skew))
    cosine = 0.5 * (float(np.trace(rotation)) - 1.0)
    if sine < _SMALL_RAD:
        return skew
    return skew * (math.atan2(sine, cosine) / sine)
