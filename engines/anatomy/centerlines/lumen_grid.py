"""A lumen on an isotropic grid, and lines in it moved to the centre, with their radii."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.measure import label

from engines.anatomy.centerlines.polyline import Polyline, arc_length_mm
from engines.anatomy.centerlines.skeleton_graph import VoxelPath

_MAX_THINNING_VOXELS = 16_000_000  # 8 to 16 s on one core; larger grids are coarsened before thinning
_DISC_SAMPLES = 17
_MIN_PART_VOXELS = 30  # smaller islands are segmentation noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LumenGrid:
    """An isotropic crop of a mask."""

    inside: Float[np.ndarray, "i j k"]  # 0 to 1
    radius_mm: Float[np.ndarray, "i j k"]  # to the nearest wall
    lps_from_grid: Float[np.ndarray, "4 4"]
    step_mm: float


def lumen_grid(mask: Bool[np.ndarray, "i j k"], lps_from_index: Float[np.ndarray, "4 4"]) -> LumenGrid | None:
    """The mask without islands and holes on an isotropic grid; None where nothing is left."""
    # Thinning would leave a shell around a hole in the lumen (noise, a stent's strut) instead of a line.
    mask = np.asarray(ndimage.binary_fill_holes(_without_islands(mask)), dtype=bool)
    return _isotropic(mask, lps_from_index) if mask.any() else None


def centred_lines(paths: Sequence[VoxelPath], grid: LumenGrid) -> list[Polyline]:
    """Each path moved to the centre of the lumen, in LPS, with the distance to the nearest wall as its radius."""
    inside = grid.inside > 0.5
    wall = KDTree(np.argwhere(np.logical_and(ndimage.binary_dilation(inside), ~inside)))
    lines = []
    for path in paths:
        points = _recentred(path, grid)
        # Interpolation would blunt the ridge of the distance map along the centre, so measure the distance to the wall.
        radius_mm = _held_at_free_ends(wall.query(points)[0], points, path) * grid.step_mm
        points_mm = points @ grid.lps_from_grid[:3, :3].T + grid.lps_from_grid[:3, 3]
        if len(points_mm) >= 2:
            lines.append(Polyline(points_mm=points_mm, radius_mm=np.maximum(radius_mm, 0.5 * grid.step_mm)))
    return lines


def _without_islands(mask: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    parts = np.asarray(label(mask, connectivity=3))
    if not mask.any():
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (sizes >= min(_MIN_PART_VOXELS, sizes.max()))[parts]


def _isotropic(mask: Bool[np.ndarray, "i j k"], lps_from_index: Float[np.ndarray, "4 4"]) -> LumenGrid:
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    start = np.array([part.start for part in box]) - 2
    cropped = np.pad(mask[box], 2)
    spacing_mm = np.linalg.norm(lps_from_index[:3, :3], axis=0)
    volume_mm3 = float(np.prod(np.array(cropped.shape) * spacing_mm))
    step_mm = max(float(spacing_mm.min()), float(np.cbrt(volume_mm3 / _MAX_THINNING_VOXELS)))
    scale = spacing_mm / step_mm
    if np.allclose(scale, 1.0, rtol=0.05):
        inside, scale = cropped.astype(np.float32), np.ones(3)
    else:
        shape = np.ceil((np.array(cropped.shape) - 1) * scale).astype(int) + 1
        matrix = 1.0 / scale
        inside = ndimage.affine_transform(cropped.astype(np.float32), matrix, output_shape=tuple(shape), order=1)
    shift = np.eye(4)
    shift[:3, 3] = start
    lps_from_grid = lps_from_index @ shift @ np.diag([*(1.0 / scale), 1.0])
    # The wall lies half a voxel before the centre of the first voxel outside.
    depth = np.asarray(ndimage.distance_transform_edt(inside > 0.5))
    radius_mm = np.maximum(depth - 0.5, 0.0) * step_mm
    return LumenGrid(
        inside=inside, radius_mm=radius_mm.astype(np.float32), lps_from_grid=lps_from_grid, step_mm=step_mm
    )


def _recentred(path: VoxelPath, grid: LumenGrid) -> Float[np.ndarray, "n 3"]:
    """Grid points of a path, moved to the centroid of their cross-section; free ends lead straight to the wall."""
    radius = ndimage.map_coordinates(grid.radius_mm, path.points.T, order=1, mode="nearest") / grid.step_mm
    points = _smoothed(path.points, max(1.0, 0.5 * float(np.median(radius))))
    for _ in range(2):
        points = _smoothed(_to_centroids(points, path, grid), max(1.0, 0.3 * float(np.median(radius))))
    for free, end in ((path.start_is_free, 0), (path.end_is_free, -1)):
        if free:
            points = _straight_to_wall(points, end, grid)
    return points


def _to_centroids(points: Float[np.ndarray, "n 3"], path: VoxelPath, grid: LumenGrid) -> Float[np.ndarray, "n 3"]:
    radius = ndimage.map_coordinates(grid.radius_mm, points.T, order=1, mode="nearest") / grid.step_mm
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    side = np.cross(tangent, np.eye(3)[np.argmin(np.abs(tangent), axis=1)])
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(tangent, side)
    axis = np.linspace(-1.0, 1.0, _DISC_SAMPLES)
    u, v = (part.ravel() for part in np.meshgrid(axis, axis))
    disc = u**2 + v**2 <= 1.0
    u, v = u[disc], v[disc]
    reach = (1.5 * radius + 1.5)[:, None]
    samples = points[:, None] + (reach * u)[..., None] * side[:, None] + (reach * v)[..., None] * up[:, None]
    weight = ndimage.map_coordinates(grid.inside, samples.reshape(-1, 3).T, order=1, mode="constant")
    weight = weight.reshape(len(points), -1)
    total = weight.sum(axis=1, keepdims=True)
    moved = np.where(total > 0, (weight[..., None] * samples).sum(axis=1) / np.maximum(total, 1e-9), points)
    # Inside the parent vessel's lumen, the cross-section is the parent's, so such points are not centred.
    arc = arc_length_mm(points)
    keep = np.zeros(len(points), dtype=bool)
    keep |= (not path.start_is_free) & (arc < 1.5 * radius[0])
    keep |= (not path.end_is_free) & (arc[-1] - arc < 1.5 * radius[-1])
    return np.where(keep[:, None], points, moved)


def _straight_to_wall(points: Float[np.ndarray, "n 3"], end: int, grid: LumenGrid) -> Float[np.ndarray, "n 3"]:
    """Replace the last radius of a path, where thinning curls into a corner, by a straight line to the wall."""
    line = points if end == -1 else points[::-1]
    arc = arc_length_mm(line)
    middle = line[int(np.searchsorted(arc, 0.5 * arc[-1]))]
    radius = float(ndimage.map_coordinates(grid.radius_mm, middle[:, None], order=1)[0]) / grid.step_mm
    kept = arc <= arc[-1] - max(1.5 * radius, 1.0)
    if kept.sum() < 3:
        return points
    line, arc = line[kept], arc[kept]
    behind = line[int(np.searchsorted(arc, arc[-1] - max(2.0 * radius, 3.0)))]
    direction = line[-1] - behind
    length = float(np.linalg.norm(direction))
    if length < 1e-6:
        return points
    steps = line[-1] + np.arange(1, int(4 * radius) + 6)[:, None] * direction / length
    inside = ndimage.map_coordinates(grid.inside, steps.T, order=1, mode="constant") > 0.5
    reached = len(steps) if inside.all() else int(np.argmin(inside))
    line = np.concatenate([line, steps[:reached]])
    return line if end == -1 else line[::-1]


def _held_at_free_ends(
    radius: Float[np.ndarray, " n"], points: Float[np.ndarray, "n 3"], path: VoxelPath
) -> Float[np.ndarray, " n"]:
    """Near a cut end the nearest wall is the cut itself, so the radius found one radius further in is used up to it."""
    arc = arc_length_mm(points)
    radius, middle = radius.copy(), float(np.median(radius))
    for free, from_end in ((path.start_is_free, arc), (path.end_is_free, arc[-1] - arc)):
        beyond = np.flatnonzero(from_end >= middle + 1.0)
        if free and len(beyond):
            nearest = beyond[np.argmin(from_end[beyond])]
            radius[from_end < from_end[nearest]] = radius[nearest]
    return radius


def _smoothed(points: Float[np.ndarray, "n 3"], sigma: float) -> Float[np.ndarray, "n 3"]:
    """Gaussian smoothing along the line, reflected about its ends so that they stay in place."""
    if len(points) < 5:
        return points
    pad = min(len(points) - 1, int(4 * sigma) + 1)
    before = 2 * points[0] - points[pad:0:-1]
    after = 2 * points[-1] - points[-2 : -pad - 2 : -1]
    padded = ndimage.gaussian_filter1d(np.concatenate([before, points, after]), sigma, axis=0)
    return padded[pad : pad + len(points)]
