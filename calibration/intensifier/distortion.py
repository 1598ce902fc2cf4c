"""The distortion of an image intensifier: a polynomial, and its exact inverse.

The curved input screen stretches the picture's border (pincushion). The earth's magnetic field bends lines into an S
that changes with the C-arm's angles. Both are smooth, so two polynomials in the picture's coordinates describe them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import map_coordinates

from calibration.calibration_file import DistortionFile
from calibration.errors import InputError

_INVERSE_STEPS, _INVERSE_PX, _LATTICE_PX = 25, 1e-7, 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distortion:
    """Undistorted pixel = pixel + polynomial of ((pixel - centre) / scale).

    Args:
        coefficients_px: for column and row, one per monomial x^i y^j with i + j <= degree, ordered by i, then j.
        hull_px: corners, in order, of the part of the stored picture that the calibration grid covered.
    """

    shape_px: tuple[int, int]
    centre_px: tuple[float, float]
    scale_px: float
    degree: int
    coefficients_px: Float[np.ndarray, "2 terms"]
    hull_px: Float[np.ndarray, "corners 2"]

    @classmethod
    def from_file(cls, content: DistortionFile) -> Distortion:
        """The distortion of a file. Raises InputError if its coefficients do not fit its degree."""
        terms = len(monomials(content.degree))
        coefficients = [np.asarray(row, float) for row in content.coefficients_px]
        if any(row.shape != (terms,) for row in coefficients):
            raise InputError(f"distortion of degree {content.degree} needs {terms} coefficients; calibrate again")
        return cls(
            shape_px=(content.shape_px[0], content.shape_px[1]),
            centre_px=(content.centre_px[0], content.centre_px[1]),
            scale_px=content.scale_px,
            degree=content.degree,
            coefficients_px=np.stack(coefficients),
            hull_px=np.asarray(content.hull_px, float),
        )

    def undistort(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """The undistorted positions of points of the stored picture; NaN outside the grid's area."""
        points_px = np.asarray(points_px, float)
        moved = points_px + self._shift(points_px)
        moved[~self.covers(points_px)] = np.nan
        return moved

    def distort(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """The inverse of `undistort`, solved to a millionth of a pixel; NaN outside the grid's area."""
        found = self._solved(np.asarray(points_px, float))
        found[~self.covers(found)] = np.nan
        return found

    def covers(self, points_px: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Whether points of the stored picture lie in the area that the grid covered."""
        points_px = np.asarray(points_px, float)
        inside = np.ones(len(points_px), bool)
        for corner, following in zip(self.hull_px, np.roll(self.hull_px, -1, axis=0), strict=True):
            edge, offset = following - corner, points_px - corner
            inside &= edge[0] * offset[:, 1] - edge[1] * offset[:, 0] >= -1e-9
        return inside

    def require_shape(self, shape_px: tuple[int, int], source: str) -> None:
        """Raises InputError for a picture of another size."""
        if tuple(shape_px) != self.shape_px:
            raise InputError(
                f"{source}: is {shape_px[0]} rows x {shape_px[1]} columns, its distortion was calibrated on "
                f"{self.shape_px[0]} x {self.shape_px[1]}; calibrate with this field and matrix"
            )

    def sampling_px(self) -> Float[np.ndarray, "2 rows columns"]:
        """(row, column) in the stored picture of every undistorted pixel; NaN outside the grid's area."""
        rows, columns = self.shape_px
        # The inverse is as smooth as the polynomial, so it is solved on a coarse lattice and interpolated.
        row = np.linspace(0, rows - 1, max(rows // _LATTICE_PX, 5))
        column = np.linspace(0, columns - 1, max(columns // _LATTICE_PX, 5))
        lattice = np.stack(np.meshgrid(column, row), axis=-1).reshape(-1, 2)
        shift = (self._solved(lattice) - lattice).reshape(len(row), len(column), 2)
        across, down = np.arange(columns, dtype=float), np.arange(rows, dtype=float)
        stored_column = RectBivariateSpline(row, column, shift[..., 0])(down, across) + across
        stored_row = RectBivariateSpline(row, column, shift[..., 1])(down, across) + down[:, None]
        outside = ~self.covers(np.column_stack([stored_column.ravel(), stored_row.ravel()])).reshape(rows, columns)
        sampling = np.stack([stored_row, stored_column])
        sampling[:, outside] = np.nan
        return sampling

    def undistort_picture(
        self, picture: Float[np.ndarray, "rows columns"], *, source: str = "picture", fill: float = 0.0
    ) -> Float[np.ndarray, "rows columns"]:
        """The picture as a detector without distortion would show it (bilinear); `fill` outside the grid's area.

        Raises:
            InputError: the picture has another size.
        """
        self.require_shape((picture.shape[0], picture.shape[1]), source)
        sampling = self.sampling_px()
        there = np.isfinite(sampling).all(axis=0)
        undistorted = map_coordinates(
            np.asarray(picture, float), np.where(there, sampling, 0.0), order=1, mode="nearest"
        )
        return np.where(there, undistorted, fill)

    def _solved(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Solve by fixed-point iteration, which converges because the distortion changes little from pixel to pixel."""
        found = points_px.copy()
        for _ in range(_INVERSE_STEPS):
            # The polynomial is valid only where it was fitted; a step that leaves this area is moved back to its edge.
            before = found
            found = self._near(points_px - self._shift(before))
            if not len(found) or np.abs(found - before).max() < _INVERSE_PX:
                break
        return found

    def _shift(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        normalised = (points_px - self.centre_px) / self.scale_px
        return design(normalised, self.degree) @ self.coefficients_px.T

    def _near(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        margin = 0.05 * self.scale_px
        return np.clip(points_px, self.hull_px.min(axis=0) - margin, self.hull_px.max(axis=0) + margin)


def monomials(degree: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]


def design(normalised: Float[np.ndarray, "n 2"], degree: int) -> Float[np.ndarray, "n terms"]:
    """The design matrix: one column per monomial x^i y^j."""
    x = np.vander(normalised[:, 0], degree + 1, increasing=True)
    y = np.vander(normalised[:, 1], degree + 1, increasing=True)
    return np.column_stack([x[:, i] * y[:, j] for i, j in monomials(degree)])
