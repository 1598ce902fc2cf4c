"""A volume as a person stands: seen from the front, from the left and from the feet, whatever way its slices run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

VIEWS = ("front", "left", "feet")
# Per view: the axis looked along, then the axis and sign to the right and downwards. The front view and that from the
# feet show the patient's left on the right; the left view is seen from the patient's left side.
_ALONG = {"front": 1, "left": 0, "feet": 2}
RIGHT = {"front": (0, 1), "left": (1, 1), "feet": (0, 1)}
DOWN = {"front": (2, -1), "left": (2, -1), "feet": (1, 1)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StandingVolume:
    """Voxels along the patient's axes.

    Args:
        voxels: (x, y, z) view of the volume, towards left, back and head.
        spacing_mm: along x, y, z.
        origin_mm: LPS of the first voxel's centre. Of an oblique volume, LPS of it as if it were turned upright.
    """

    voxels: np.ndarray
    spacing_mm: tuple[float, float, float]
    origin_mm: Float[np.ndarray, " 3"]

    def along(self, view: str) -> int:
        """The axis that this view looks along."""
        return _ALONG[view]

    def picture(self, view: str, first: int, last: int) -> np.ndarray:
        """(rows, columns) greatest values of the slices `first` to `last`, inclusive, along the view."""
        axis = _ALONG[view]
        part = [slice(None)] * 3
        part[axis] = slice(max(first, 0), min(last, self.voxels.shape[axis] - 1) + 1)
        return self.laid(view, self.voxels[tuple(part)].max(axis=axis))

    def laid(self, view: str, plane: np.ndarray) -> np.ndarray:
        """A plane across the view, in the order of the remaining axes, as rows and columns of its picture."""
        picture = plane.T  # the axis to the right comes before the one downwards in every view
        return picture[::-1] if DOWN[view][1] < 0 else picture

    def pixel_mm(self, view: str) -> tuple[float, float]:
        """Width and height of a pixel of this view."""
        return self.spacing_mm[RIGHT[view][0]], self.spacing_mm[DOWN[view][0]]

    def origin_px(self, view: str, point_mm: Float[np.ndarray, " 3"]) -> tuple[float, float]:
        """(column, row) of a point in LPS."""
        index = (point_mm - self.origin_mm) / np.array(self.spacing_mm)
        (right, _), (down, sign) = RIGHT[view], DOWN[view]
        row = float(index[down])
        return float(index[right]), row if sign > 0 else self.voxels.shape[down] - 1 - row

    def index_of(self, point_mm: Float[np.ndarray, " 3"]) -> tuple[int, int, int]:
        """The nearest voxel, inside the volume."""
        index = np.rint((point_mm - self.origin_mm) / np.array(self.spacing_mm)).astype(int)
        x, y, z = np.clip(index, 0, np.array(self.voxels.shape) - 1).tolist()
        return x, y, z


def standing(voxels: np.ndarray, lps_from_index: Float[np.ndarray, "4 4"]) -> StandingVolume:
    """A view of the voxels along the nearest axes of the patient; nothing is copied or resampled."""
    axes = lps_from_index[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    order = _nearest_axes(axes / spacing)
    turned = voxels.transpose(order)
    steps, origin = axes[:, order], lps_from_index[:3, 3].copy()
    for axis in range(3):
        if steps[axis, axis] < 0:
            origin += steps[:, axis] * (turned.shape[axis] - 1)
            turned = np.flip(turned, axis)
    x, y, z = spacing[order].tolist()
    return StandingVolume(voxels=turned, spacing_mm=(x, y, z), origin_mm=origin)


def _nearest_axes(directions: Float[np.ndarray, "3 3"]) -> list[int]:
    """For x, y and z the voxel axis that runs along it most."""
    order = [int(np.argmax(np.abs(directions[axis]))) for axis in range(3)]
    return order if sorted(order) == [0, 1, 2] else [0, 1, 2]  # an oblique volume is shown along its own axes
