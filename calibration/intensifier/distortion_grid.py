"""Measure an image intensifier's distortion on the picture of a grid.

The grid may be of dots or of crossing wires. Points are numbered outwards from the middle, step by step, so
the grid may be turned and bent. A polynomial then maps them to an even grid; points that were held out of the fit
measure its error.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import ConvexHull, KDTree

from calibration.errors import InputError
from calibration.intensifier.distortion import Distortion, design

_DEGREES = (3, 5, 7)
_FOLDS = 5
_MIN_POINTS = 49
_SIGMA_PX = 2.0
_LEAST_SHARE = 0.15  # smallest response, relative to a strong point's
_STEP_TOLERANCE = 0.28  # largest distance of a neighbour from its expected place, in grid steps
MAX_HELD_OUT_PX = 1.0
_STRAY_SIGMAS, _LEAST_STRAY_PX, _MOST_STRAYS = 4.0, 0.5, 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GridPoints:
    """The grid's points in the picture, and their numbers along both grid axes."""

    points_px: Float[np.ndarray, "n 2"]
    numbers: Integer[np.ndarray, "n 2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistortionFit:
    """A distortion, and the residuals from an even grid of fitted and of held-out points."""

    distortion: Distortion
    pixel_spacing_mm: float
    grid: GridPoints
    residual_rms_px: float
    held_out_rms_px: float
    held_out_p95_px: float
    largest_shift_px: float


def find_grid(line_integral: Float[np.ndarray, "rows columns"], *, source: str) -> GridPoints:
    """Find and number the dots or crossings of an even grid.

    Raises:
        InputError: there are too few points, or they form no grid.
    """
    points = _points(line_integral)
    if len(points) < _MIN_POINTS:
        raise InputError(
            f"{source}: {len(points)} grid points were found, at least {_MIN_POINTS} are needed; use a finer grid, "
            "dark on bright, that fills the picture"
        )
    grid = _numbered(points, line_integral.shape)
    if len(grid.points_px) < _MIN_POINTS:
        raise InputError(
            f"{source}: {len(points)} spots were found but only {len(grid.points_px)} of them make an even grid, at "
            f"least {_MIN_POINTS} are needed; use a picture of the grid alone, free of clips and markers"
        )
    return grid


def fit_distortion(
    grid: GridPoints,
    shape_px: tuple[int, int],
    spacing_mm: float,
    *,
    source: str,
    max_held_out_px: float = MAX_HELD_OUT_PX,
) -> DistortionFit:
    """The distortion polynomial; its degree is the one that best predicts held-out points.

    Raises:
        InputError: no degree predicts held-out points to within `max_held_out_px` (root mean square).
    """
    grid = _without_strays(grid, shape_px, source)
    points = grid.points_px
    even, scale_px = _even(grid)
    centre = np.array([(shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2])
    half = max(shape_px) / 2
    normalised = (points - centre) / half
    shift = even - points
    # Every fifth point along diagonals is held out in turn; its neighbours stay in the fit, as they do in use.
    fold = (grid.numbers[:, 0] + 2 * grid.numbers[:, 1]) % _FOLDS
    held_out: dict[int, Float[np.ndarray, " n"]] = {}
    for degree in _DEGREES:
        columns = design(normalised, degree)
        if len(points) < 2 * columns.shape[1]:
            break
        rest = np.empty(len(points))
        for part in range(_FOLDS):
            away = fold != part
            solved, *_ = np.linalg.lstsq(columns[away], shift[away], rcond=None)
            rest[~away] = np.linalg.norm(shift[~away] - columns[~away] @ solved, axis=1)
        held_out[degree] = rest
    degree = min(held_out, key=lambda degree: float((held_out[degree] ** 2).mean()))
    held_out_rms = float(np.sqrt((held_out[degree] ** 2).mean()))
    if held_out_rms > max_held_out_px:
        raise InputError(
            f"{source}: grid points stay {held_out_rms:.2f} px (root mean square) from an even grid, accepted are "
            f"{max_held_out_px:g}; the grid is bent or was not flat on the detector, take another picture"
        )
    columns = design(normalised, degree)
    solved, *_ = np.linalg.lstsq(columns, shift, rcond=None)
    rest = np.linalg.norm(shift - columns @ solved, axis=1)
    distortion = Distortion(
        shape_px=shape_px,
        centre_px=(float(centre[0]), float(centre[1])),
        scale_px=half,
        degree=degree,
        coefficients_px=solved.T.copy(),
        hull_px=_hull(points, scale_px),
    )
    return DistortionFit(
        distortion=distortion,
        pixel_spacing_mm=spacing_mm / scale_px,
        grid=grid,
        residual_rms_px=float(np.sqrt((rest**2).mean())),
        held_out_rms_px=held_out_rms,
        held_out_p95_px=float(np.quantile(held_out[degree], 0.95)),
        largest_shift_px=float(np.linalg.norm(shift, axis=1).max()),
    )


def _without_strays(grid: GridPoints, shape_px: tuple[int, int], source: str) -> GridPoints:
    """The grid without points that no smooth distortion explains: dust, or dots cut off at the field's rim.

    Raises:
        InputError: so many points do not fit that the grid itself is doubtful.
    """
    numbers, points = grid.numbers, grid.points_px
    kept = np.ones(len(points), bool)
    half = max(shape_px) / 2
    even = (numbers - np.median(numbers, axis=0)) / max(1, np.ptp(numbers) / 2)
    weight = np.ones(len(points))
    length = np.zeros(len(points))
    # Fit a low degree first: a high degree would follow outliers at the rim before they are recognised.
    for degree in (_DEGREES[0],) * 15 + (_DEGREES[1],) * 15:
        even_axes = design(even, degree)
        # Map numbers to pixels directly instead of to an even grid, which outliers could turn or scale.
        solved, *_ = np.linalg.lstsq(even_axes * weight[:, None], points * weight[:, None] / half, rcond=None)
        length = np.linalg.norm(points - even_axes @ solved * half, axis=1)
        sigma = max(float(np.median(length)) / 1.1774, 0.02)
        weight = 1 / (1 + (length / (2.4 * sigma)) ** 2)  # Cauchy weight: an outlier at the rim has great leverage
        kept = length <= max(_STRAY_SIGMAS * sigma, _LEAST_STRAY_PX)
    if kept.sum() < max(_MIN_POINTS, (1 - _MOST_STRAYS) * len(points)):
        raise InputError(
            f"{source}: {int((~kept).sum())} of {len(points)} grid points do not lie on a smoothly bent grid; check "
            "that the grid is flat on the detector and alone in the picture"
        )
    return GridPoints(points_px=points[kept], numbers=numbers[kept])


def _points(picture: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "n 2"]:
    """Peaks of the Hessian's determinant, which dots and crossings have, but single wires and slopes have not."""
    smooth = gaussian_filter(picture, _SIGMA_PX)
    across, down, mixed = (
        gaussian_filter(picture, _SIGMA_PX, order=order)  # pyright: ignore[reportArgumentType] - one order per axis
        for order in ((0, 2), (2, 0), (1, 1))
    )
    response = np.where((across < 0) & (down < 0), np.clip(across * down - mixed**2, 0, None), 0.0)
    margin = int(3 * _SIGMA_PX)
    response[:margin] = response[-margin:] = response[:, :margin] = response[:, -margin:] = 0.0
    rows, columns = np.nonzero((response == maximum_filter(response, size=7)) & (response > 0))
    if not len(rows):
        return np.empty((0, 2))
    # Noise has many weak peaks, a grid has dozens or hundreds of strong ones.
    strength = np.sqrt(response[rows, columns])
    strong = strength > _LEAST_SHARE * np.quantile(np.sort(strength)[-_MIN_POINTS:], 0.5)
    return np.array([_peak(smooth, int(c), int(r)) for c, r in zip(columns[strong], rows[strong], strict=True)])


def _peak(smooth: Float[np.ndarray, "rows columns"], column: int, row: int) -> Float[np.ndarray, " 2"]:
    """The top of the paraboloid through 5x5 smoothed pixels; a sloping background shifts it by slope over curvature."""
    reach = 2
    patch = smooth[row - reach : row + reach + 1, column - reach : column + reach + 1]
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    x, y = across.ravel().astype(float), down.ravel().astype(float)
    terms = np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    _, bx, by, cxx, cxy, cyy = np.linalg.lstsq(terms, patch.ravel(), rcond=None)[0]
    curvature = np.array([[2 * cxx, cxy], [cxy, 2 * cyy]])
    offset = -np.linalg.solve(curvature, [bx, by]) if abs(np.linalg.det(curvature)) > 1e-15 else np.zeros(2)
    return np.array([column, row], float) + np.clip(offset, -1.5, 1.5)


def _numbered(points: Float[np.ndarray, "n 2"], shape_px: tuple[int, ...]) -> GridPoints:
    """Number the points outwards from the middle; a point that does not fit its neighbours gets no number."""
    tree = KDTree(points)
    middle = np.array([(shape_px[1] - 1) / 2, (shape_px[0] - 1) / 2])
    best: dict[tuple[int, int], int] = {}
    for seed in np.atleast_1d(tree.query(middle, k=5)[1]):
        found = _spread(points, tree, int(seed))
        if len(found) > len(best):
            best = found
        if len(best) > 0.8 * len(points):
            break
    numbers = np.array(list(best.keys()), int).reshape(-1, 2)
    return GridPoints(points_px=points[list(best.values())].reshape(-1, 2), numbers=numbers)


def _spread(points: Float[np.ndarray, "n 2"], tree: KDTree, seed: int) -> dict[tuple[int, int], int]:
    near = points[np.atleast_1d(tree.query(points[seed], k=9)[1])[1:]] - points[seed]
    first = near[0] if abs(near[0, 0]) > abs(near[0, 1]) else np.array([near[0, 1], -near[0, 0]])
    first = first * np.sign(first[0])
    # The two grid axes: nearest neighbours at about right angles and of similar length.
    second = np.array([-first[1], first[0]])
    second = near[np.linalg.norm(near - second, axis=1).argmin()]
    first = near[np.linalg.norm(near - first, axis=1).argmin()]
    if not 0.6 < np.linalg.norm(first) / np.linalg.norm(second) < 1.7:
        return {}
    found: dict[tuple[int, int], int] = {(0, 0): seed}
    taken = {seed}
    queue = deque([(0, 0, first, second)])
    while queue:
        i, j, along, down = queue.popleft()
        here = points[found[(i, j)]]
        for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            key = (i + di, j + dj)
            if key in found:
                continue
            step = di * along + dj * down
            distance, index = tree.query(here + step)
            index = int(index)
            if distance > _STEP_TOLERANCE * np.linalg.norm(step) or index in taken:
                continue
            found[key] = index
            taken.add(index)
            # The step is updated at each point, so that it follows the bend.
            seen = points[index] - here
            queue.append((*key, seen * di if di else along, seen * dj if dj else down))
    return found


def _even(grid: GridPoints) -> tuple[Float[np.ndarray, "n 2"], float]:
    """The even grid nearest to the found points (a similarity transform), and its step in pixels."""
    numbers = grid.numbers.astype(float)
    source = numbers[:, 0] + 1j * numbers[:, 1]
    target = grid.points_px[:, 0] + 1j * grid.points_px[:, 1]
    # The numbering may be mirrored against the picture, so take the handedness that fits.
    best = None
    for candidate in (source, np.conj(source)):
        terms = np.column_stack([candidate, np.ones_like(candidate)])
        solved, *_ = np.linalg.lstsq(terms, target, rcond=None)
        rest = float((np.abs(target - terms @ solved) ** 2).sum())
        if best is None or rest < best[0]:
            best = (rest, terms @ solved, float(np.abs(solved[0])))
    assert best is not None
    return np.column_stack([best[1].real, best[1].imag]), best[2]


def _hull(points: Float[np.ndarray, "n 2"], step_px: float) -> Float[np.ndarray, "corners 2"]:
    """Corners of the grid's area, extended by half a step, in which the polynomial is still valid."""
    corners = points[ConvexHull(points).vertices]
    outwards = corners - corners.mean(axis=0)
    length = np.linalg.norm(outwards, axis=1, keepdims=True)
    return corners + outwards / length * 0.5 * step_px
