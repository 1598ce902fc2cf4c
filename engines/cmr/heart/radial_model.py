"""The LV wall in CT as radii by level and angle in the heart's own frame: the common currency of the fusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.cmr.heart.ct_heart import CtHeart
from engines.cmr.heart.lv_frame import LvFrame, insertions_by_level, outer_radius

ANGLES = 72
LEVELS = np.linspace(-0.12, 1.12, 63)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RadialModel:
    """Borders of the wall.

    Args:
        frame: the heart's frame.
        inner_mm, outer_mm: (63, 72) distance from the long axis by level (`LEVELS`) and angle from `frame.right`.
        insertions: (63, 2) angle of the anterior and inferior RV insertion; NaN where the RV does not touch.
    """

    frame: LvFrame
    inner_mm: Float[np.ndarray, "63 72"]
    outer_mm: Float[np.ndarray, "63 72"]
    insertions: Float[np.ndarray, "63 2"]

    def inner(self, level: np.ndarray, angle: np.ndarray) -> np.ndarray:
        return _at(self.inner_mm, level, angle)

    def outer(self, level: np.ndarray, angle: np.ndarray) -> np.ndarray:
        return _at(self.outer_mm, level, angle)

    def depth(self, level: np.ndarray, radius_mm: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Share of the wall from endocardium (0) to epicardium (1); beyond both outside the wall."""
        inner, outer = self.inner(level, angle), self.outer(level, angle)
        return (radius_mm - inner) / np.maximum(outer - inner, 1.0)


def radial_model(heart: CtHeart, frame: LvFrame) -> RadialModel:
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    level, around = (grid.ravel() for grid in np.meshgrid(LEVELS, angle, indexing="ij"))
    cavity = np.asarray(ndimage.gaussian_filter(heart.masks["lv_cavity"].astype(np.float32), 0.5))
    both = heart.masks["lv_cavity"] | heart.masks["lv_wall"]
    whole = np.asarray(ndimage.gaussian_filter(both.astype(np.float32), 0.5))
    inner = outer_radius(heart, cavity, frame, level, around).reshape(len(LEVELS), ANGLES)
    outer = outer_radius(heart, whole, frame, level, around).reshape(len(LEVELS), ANGLES)
    # Beyond the basal plane, and where its tilt cuts a level in half, the highest whole ring goes on.
    for row in range(1, len(LEVELS)):
        if LEVELS[row] > 0.6:
            gone = outer[row] < 0.6 * outer[row - 1]
            outer[row][gone], inner[row][gone] = outer[row - 1][gone], inner[row - 1][gone]
            thin = inner[row] < 0.5 * inner[row - 1]
            inner[row][thin] = inner[row - 1][thin]
    smooth = (0.8, 1.0)
    inner = ndimage.gaussian_filter(inner, smooth, mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
    outer = ndimage.gaussian_filter(outer, smooth, mode=("nearest", "wrap"))  # pyright: ignore[reportArgumentType]
    return RadialModel(
        frame=frame,
        inner_mm=inner,
        outer_mm=np.maximum(outer, inner + 0.5),
        insertions=insertions_by_level(heart, frame, LEVELS),
    )


def _at(table: np.ndarray, level: np.ndarray, angle: np.ndarray) -> np.ndarray:
    level, angle = np.broadcast_arrays(level, angle)
    row = (level - LEVELS[0]) / (LEVELS[1] - LEVELS[0])
    column = (angle % (2 * np.pi)) / (2 * np.pi) * ANGLES
    wide = np.concatenate([table, table[:, :1]], axis=1)
    return ndimage.map_coordinates(wide, [row.ravel(), column.ravel()], order=1, mode="nearest").reshape(level.shape)
