"""Landmarks of one modality over length and angle, about the middle of the lumen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

ANGLES = 48  # 7.5 degrees, as in the paper (seed 000, III-A)
_FOURIER = 2
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkMaps:
    """What a cross-section shows, by (place, angle from u towards v).

    Args:
        place_mm: nominal position of a frame, or arc length in the CT.
        branch: 0 to 1, evidence that a side branch opens there.
        calcium: 0 to 1.
        valid: 0 to 1; 0 where a guidewire or a shadow hides the wall.
        radius_mm: of the artery's own lumen, side branches closed, about its middle.
        wall_mm: thickness from the lumen to the wall's outer border against its mean in the cross-section; 0 where
            that border is not seen.
        centre_mm: (n, 2) middle of the lumen from the catheter (or the given line), along u and v.
        pulled_mm: (n, 2) where the catheter lies from the middle of the lumen; in the CT, where a stiff one would,
            since it cuts curves. 0 where it is not known.
    """

    place_mm: Float[np.ndarray, " n"]
    branch: Float[np.ndarray, "n a"]
    calcium: Float[np.ndarray, "n a"]
    valid: Float[np.ndarray, "n a"]
    radius_mm: Float[np.ndarray, "n a"]
    wall_mm: Float[np.ndarray, "n a"]
    centre_mm: Float[np.ndarray, "n 2"]
    pulled_mm: Float[np.ndarray, "n 2"]

    @property
    def size_mm(self) -> Float[np.ndarray, " n"]:
        """Radius of the circle with the lumen's area."""
        return np.sqrt(np.mean(self.radius_mm**2, axis=1))


def main_border(radius_mm: Float[np.ndarray, "n a"], weight: Float[np.ndarray, "n a"]) -> Float[np.ndarray, "n a"]:
    """The artery's own border from one that leaks into side branches.

    A low-order Fourier series, fitted again and again with less weight where the border lies outside it.
    """
    count, angles = radius_mm.shape
    turn = np.arange(angles) * 2.0 * np.pi / angles
    basis = [np.ones(angles)]
    for order in range(1, _FOURIER + 1):
        basis += [np.cos(order * turn), np.sin(order * turn)]
    design = np.stack(basis, axis=1)
    ridge = np.diag([1e-6, *([0.02 * angles] * 2), *([0.1 * angles] * 2)][: design.shape[1]])
    trust = np.clip(weight, 1e-3, None)
    fitted = np.broadcast_to(np.median(radius_mm, axis=1, keepdims=True), radius_mm.shape)
    for _ in range(_ROUNDS):
        beyond = radius_mm - fitted
        # Outwards lie branches, inwards noise: only the first is distrusted strongly.
        robust = trust / (1.0 + (np.where(beyond > 0, beyond / 0.15, beyond / 0.35)) ** 2)
        normal = np.einsum("na,ai,aj->nij", robust, design, design) + ridge
        right = np.einsum("na,ai,na->ni", robust, design, radius_mm)
        coefficients = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
        fitted = coefficients @ design.T
    return np.maximum(fitted.reshape(count, angles), 0.3)


def circular_blur(values: Float[np.ndarray, "n a"], *, along: float, about: float) -> Float[np.ndarray, "n a"]:
    """Gaussian over places (in samples) and angles (in bins)."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, (along, about), mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]


def border_centroid(radius_mm: Float[np.ndarray, "n a"]) -> Float[np.ndarray, "n 2"]:
    """Centroid of the area within a star-shaped border."""
    turn = np.arange(radius_mm.shape[1]) * 2.0 * np.pi / radius_mm.shape[1]
    area = np.maximum((radius_mm**2).sum(axis=1), 1e-6)
    cubed = radius_mm**3
    return np.stack([(2 / 3) * (cubed * np.cos(turn)).sum(axis=1) / area,
                     (2 / 3) * (cubed * np.sin(turn)).sum(axis=1) / area], axis=1)  # fmt: skip
