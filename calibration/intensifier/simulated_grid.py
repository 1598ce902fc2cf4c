"""Simulate pictures of calibration grids through a known image-intensifier distortion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt16
from scipy.ndimage import gaussian_filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensifier:
    """An intensifier's distortion: pincushion and S-shape, in pixels at the picture's edge."""

    side_px: int = 512
    pincushion_px: float = 14.0
    s_shape_px: float = 6.0

    def stored(self, ideal_px: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
        """The position in the stored picture of a point of the undistorted picture."""
        middle, half = (self.side_px - 1) / 2, self.side_px / 2
        x, y = (ideal_px[..., 0] - middle) / half, (ideal_px[..., 1] - middle) / half
        squared = x * x + y * y
        turn = self.s_shape_px * squared
        return np.stack(
            [
                ideal_px[..., 0]
                + self.pincushion_px * x * squared
                - turn * y
                + 0.3 * self.s_shape_px * np.sin(1.5 * y),
                ideal_px[..., 1] + self.pincushion_px * y * squared + turn * x,
            ],
            axis=-1,
        )


def grid_picture(
    intensifier: Intensifier,
    rng: np.random.Generator,
    *,
    step_px: float = 26.0,
    wires: bool = False,
    turned_deg: float = 2.0,
    photons: float = 3000.0,
) -> UInt16[np.ndarray, "rows columns"]:
    """A 12 bit picture of a grid of dots or wires in the intensifier's round field, with noise and vignetting."""
    side = intensifier.side_px
    row, column = np.mgrid[:side, :side].astype(float)
    ideal = _ideal(intensifier, np.stack([column, row], axis=-1))
    angle = np.deg2rad(turned_deg)
    middle = (side - 1) / 2
    x, y = ideal[..., 0] - middle - 3.0, ideal[..., 1] - middle + 5.0
    along = (np.cos(angle) * x + np.sin(angle) * y) / step_px
    down = (np.cos(angle) * y - np.sin(angle) * x) / step_px
    off_along, off_down = (along - np.rint(along)) * step_px, (down - np.rint(down)) * step_px
    if wires:
        shadow = 0.5 * np.exp(-0.5 * (off_along / 1.2) ** 2) + 0.5 * np.exp(-0.5 * (off_down / 1.2) ** 2)
    else:
        shadow = 1.2 * np.clip(1 - (off_along**2 + off_down**2) / 3.0**2, 0, None) ** 0.5
    radius = np.hypot(column - middle, row - middle) / (side / 2)
    open_beam = np.where(radius < 0.97, 1 - 0.35 * radius**2, 0.02)
    counts = rng.poisson(photons * gaussian_filter(open_beam * np.exp(-shadow), 0.8))
    return np.clip(np.rint(counts / photons * 3600), 0, 4095).astype(np.uint16)


def _ideal(intensifier: Intensifier, stored_px: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
    found = stored_px.copy()
    for _ in range(60):
        found += 0.8 * (stored_px - intensifier.stored(found))
    return found
