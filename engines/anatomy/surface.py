"""A closed surface from a label volume, smoothed without shrinking thin vessels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, sparse
from skimage.measure import marching_cubes

from calibration.errors import InputError
from engines.anatomy.vessel_model import LabelVolume, SurfaceMesh

# Taubin 1995, "A signal processing approach to fair surface design": shrinking and growing steps, pass band 0.1.
_TAUBIN_SHRINK, _TAUBIN_GROW, _TAUBIN_ROUNDS = 0.50, -0.53, 12
_MAX_MESH_VOXELS = 60_000_000


def surface_from_labels(labels: LabelVolume, only: Iterable[int] | None = None) -> SurfaceMesh:
    """Surface of all labelled voxels, or of the labels in `only`; it encloses the same volume as these voxels.

    Raises:
        InputError: no voxel carries one of the labels.
    """
    mask = labels.labels > 0 if only is None else np.isin(labels.labels, list(only))
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        raise InputError("the label volume has no voxel of the wanted vessels; choose other labels")
    box = boxes[0]
    # A rim of background closes the surface of vessels that leave the volume.
    cropped = np.pad(mask[box], 1)
    lps_from_index = labels.lps_from_index @ _shift([part.start - 1 for part in box])
    vertices, triangles, _, _ = marching_cubes(cropped.astype(np.float32), 0.5)
    vertices = _taubin(vertices.astype(np.float64), triangles)
    vertices_mm = vertices @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]
    if _volume_mm3(vertices_mm, triangles) < 0:
        triangles = triangles[:, ::-1]
    voxel_mm3 = abs(np.linalg.det(lps_from_index[:3, :3]))
    vertices_mm = _with_volume(vertices_mm, triangles, float(cropped.sum() * voxel_mm3))
    return SurfaceMesh(vertices_mm=vertices_mm, triangles=np.ascontiguousarray(triangles, dtype=np.int64))


def mask_from_surface(
    surface: SurfaceMesh, step_mm: float
) -> tuple[Bool[np.ndarray, "i j k"], Float[np.ndarray, "4 4"]]:
    """Voxels inside a surface, and `lps_from_index`.

    For each voxel, rays along the three axes count the walls they cross, and the majority decides. So the open end
    of a vessel, common in exported models, does not leak.
    """
    low = surface.vertices_mm.min(axis=0) - 2.5 * step_mm  # puts the first wall halfway between two voxels
    shape = np.ceil((surface.vertices_mm.max(axis=0) + 2.5 * step_mm - low) / step_mm).astype(int) + 1
    if int(np.prod(shape)) > _MAX_MESH_VOXELS:
        raise InputError(f"the surface needs {np.prod(shape) / 1e6:.0f} million voxels of {step_mm:g} mm; give labels")
    # An irregular offset keeps rays away from vertices, where crossings would count twice.
    corners = (surface.vertices_mm[surface.triangles] - low) / step_mm + np.array([1.23e-4, 2.71e-4, 3.17e-4])
    votes = np.zeros(shape, dtype=np.uint8)
    for axis in range(3):
        order = [(axis + 1) % 3, (axis + 2) % 3, axis]
        inside = _parity(corners[:, :, order], tuple(int(shape[a]) for a in order))
        votes += np.transpose(inside, np.argsort(order))
    lps_from_index = np.diag([step_mm, step_mm, step_mm, 1.0])
    lps_from_index[:3, 3] = low
    return votes >= 2, lps_from_index


def _parity(corners: Float[np.ndarray, "t 3 3"], shape: tuple[int, ...]) -> Bool[np.ndarray, "i j k"]:
    """Voxels at which a ray along the last axis has crossed an odd number of triangles; these lie inside."""
    crossings = np.zeros((shape[0], shape[1], shape[2] + 1), dtype=np.uint8)
    low = np.maximum(np.ceil(corners[:, :, :2].min(axis=1)), 0).astype(int)
    high = np.minimum(np.floor(corners[:, :, :2].max(axis=1)), np.array(shape[:2]) - 1).astype(int)
    size = np.maximum(high - low + 1, 0)
    count = size.prod(axis=1)
    for start in range(0, len(corners), 200_000):
        part = slice(start, start + 200_000)
        owner = np.repeat(np.arange(len(corners))[part], count[part])
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
        column = low[owner, 0] + within // size[owner, 1]
        row = low[owner, 1] + within % size[owner, 1]
        depth, hit = _crossing_depth(corners[owner], column, row)
        level = np.clip(np.ceil(depth[hit]), 0, shape[2]).astype(int)
        np.add.at(crossings, (column[hit], row[hit], level), 1)
    return (np.cumsum(crossings[:, :, :-1], axis=2, dtype=np.uint8) & 1).astype(bool)


def _crossing_depth(
    corners: Float[np.ndarray, "n 3 3"], column: Int[np.ndarray, " n"], row: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    safe = np.where(area == 0, 1.0, area)
    u = ((column - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (row - a[:, 1])) / safe
    v = ((b[:, 0] - a[:, 0]) * (row - a[:, 1]) - (column - a[:, 0]) * (b[:, 1] - a[:, 1])) / safe
    hit = (area != 0) & (u >= 0) & (v >= 0) & (u + v <= 1)
    return a[:, 2] + u * (b[:, 2] - a[:, 2]) + v * (c[:, 2] - a[:, 2]), hit


def _taubin(vertices: Float[np.ndarray, "v 3"], triangles: Int[np.ndarray, "t 3"]) -> Float[np.ndarray, "v 3"]:
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    count = len(vertices)
    neighbours = sparse.csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    neighbours.data[:] = 1.0  # an edge shared by two triangles counts once
    degree = np.maximum(np.asarray(neighbours.sum(axis=1)), 1.0)
    for _ in range(_TAUBIN_ROUNDS):
        for weight in (_TAUBIN_SHRINK, _TAUBIN_GROW):
            vertices = vertices + weight * (neighbours @ vertices / degree - vertices)
    return vertices


def _with_volume(
    vertices_mm: Float[np.ndarray, "v 3"], triangles: Int[np.ndarray, "t 3"], target_mm3: float
) -> Float[np.ndarray, "v 3"]:
    """Move the wall along its normals until the enclosed volume is right, at most half a millimetre in all."""
    moved_mm = 0.0
    for _ in range(3):
        corners = vertices_mm[triangles]
        normals = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area_mm2 = float(np.linalg.norm(normals, axis=1).sum())
        missing_mm = (target_mm3 - _volume_mm3(vertices_mm, triangles)) / max(area_mm2, 1e-9)
        missing_mm = float(np.clip(missing_mm, -0.5 - moved_mm, 0.5 - moved_mm))
        at_vertex = np.zeros_like(vertices_mm)
        for corner in range(3):
            np.add.at(at_vertex, triangles[:, corner], normals)
        length = np.linalg.norm(at_vertex, axis=1, keepdims=True)
        vertices_mm = vertices_mm + missing_mm * np.divide(
            at_vertex, length, out=np.zeros_like(at_vertex), where=length > 0
        )
        moved_mm += missing_mm
    return vertices_mm


def _volume_mm3(vertices_mm: Float[np.ndarray, "v 3"], triangles: Int[np.ndarray, "t 3"]) -> float:
    corners = vertices_mm[triangles] - vertices_mm.mean(axis=0)
    return float(np.einsum("ti,ti->t", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6.0)


def _shift(offset: list[int]) -> Float[np.ndarray, "4 4"]:
    matrix = np.eye(4)
    matrix[:3, 3] = offset
    return matrix
