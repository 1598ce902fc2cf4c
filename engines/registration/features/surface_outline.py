"""The outline of thick vessels as an X-ray view shows it, from the model's own surface.

Rims drawn at a centerline's radius lack the vessel's ends and its deviations from a circular cross-section. Both are
needed to tell how a vessel that is nearly a tube is turned about its axis and shifted along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from engines.anatomy.vessel_model import SurfaceMesh

CELL_MM = 3.5  # closer vertices are merged; on an aorta's curvature this costs some hundredths of a mm
COARSE_CELL_MM = 7.0  # for the first, rough alignments
_GRID_SHARE = 0.3  # cell of the silhouette's grid relative to the mesh's; gaps of half a mesh cell are closed
_CLOSED_CELLS = 5
_MOST_CELLS = 4000  # a pose that needs more lies so near to the source that it has no useful outline
_PROBE_MM = 1.5  # this far outside an outline point, the silhouette must have ended
_MIN_VERTICES = 50
_MOST_SPLITS = 6  # enough for triangles of up to 20 cm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutlineMesh:
    """A coarse surface of the thick branches.

    Args:
        vertices_mm: (v, 3) LPS.
        normals: (v, 3) unit, outwards.
        edges: (e, 2) vertex indices, each edge once.
        system: (v,) index of the tree that each vertex belongs to.
        cell_mm: approximate distance between neighbouring vertices.
    """

    vertices_mm: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    edges: Int[np.ndarray, "e 2"]
    system: Int[np.ndarray, " v"]
    cell_mm: float

    def of_system(self, system: int) -> OutlineMesh | None:
        """The part of one tree; None if it has no thick branch."""
        keep = self.system == system
        return _kept(self, keep) if int(keep.sum()) >= _MIN_VERTICES else None

    def merged(self, cell_mm: float) -> OutlineMesh:
        """A coarser mesh: vertices of one cell that face the same way are merged."""
        return _merged(self.vertices_mm, self.normals, self.edges, self.system, cell_mm)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """Points at which the line of sight grazes the surface and outside of which the silhouette ends.

    Args:
        plane_mm: (n, 2) in the isocentre plane.
        outward: (n, 2) unit.
        camera_mm: (n, 3) camera axes.
    """

    plane_mm: Float[np.ndarray, "n 2"]
    outward: Float[np.ndarray, "n 2"]
    camera_mm: Float[np.ndarray, "n 3"]
    free: Bool[np.ndarray, " n"]


def outline_mesh(
    surface: SurfaceMesh | None,
    centerline_mm: Float[np.ndarray, "n 3"],
    radius_mm: Float[np.ndarray, " n"],
    system: Int[np.ndarray, " n"],
    *,
    thick_above_mm: float,
) -> OutlineMesh | None:
    """The part of the surface whose nearest centerline is thick; None if there is none, or no surface.

    Args:
        surface: closed or open; its triangles must all be oriented alike, in or out.
        centerline_mm, radius_mm, system: of the matched branches; the surface of other branches is left out.
    """
    if surface is None or not (radius_mm >= thick_above_mm).any():
        return None
    surface = _fine(surface)
    distance, nearest = (np.asarray(found) for found in KDTree(centerline_mm).query(surface.vertices_mm))
    thick = (radius_mm[nearest] >= thick_above_mm) & (distance < 2.0 * radius_mm[nearest])
    if int(thick.sum()) < _MIN_VERTICES:
        return None
    normals = _vertex_normals(surface)
    # If most normals point to the centerline, the surface is oriented inwards.
    away = np.einsum("vi,vi->v", normals, surface.vertices_mm - centerline_mm[nearest])[thick]
    if np.median(away) < 0:
        normals = -normals
    corners = surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    edges = corners[thick[corners].all(axis=1)]
    index = np.cumsum(thick) - 1
    return _merged(surface.vertices_mm[thick], normals[thick], index[edges], system[nearest[thick]], CELL_MM)


def _fine(surface: SurfaceMesh) -> SurfaceMesh:
    """Split large triangles until no edge is longer than a cell, because the silhouette is drawn from vertices."""
    vertices, triangles = surface.vertices_mm, surface.triangles
    for _ in range(_MOST_SPLITS):
        corners = vertices[triangles]
        long = (np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2) > CELL_MM).any(axis=1)
        if not long.any():
            break
        a, b, c = triangles[long].T
        pairs = np.sort(np.concatenate([np.column_stack(pair) for pair in ((a, b), (b, c), (c, a))]), axis=1)
        halved, place = np.unique(pairs, axis=0, return_inverse=True)
        ab, bc, ca = (place.ravel() + len(vertices)).reshape(3, -1)
        vertices = np.concatenate([vertices, vertices[halved].mean(axis=1)])
        split = [np.column_stack(t) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        triangles = np.concatenate([triangles[~long], *split])
    return SurfaceMesh(vertices_mm=vertices, triangles=triangles)


def _merged(
    vertices_mm: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    edges: Int[np.ndarray, "e 2"],
    system: Int[np.ndarray, " v"],
    cell_mm: float,
) -> OutlineMesh:
    cell = np.floor((vertices_mm - vertices_mm.min(axis=0)) / cell_mm).astype(np.int64)
    # Two sheets in one cell face different ways and must not be averaged.
    side = (normals > 0).astype(np.int64) @ (1, 2, 4)
    size = cell.max(axis=0) + 1
    key = ((cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]) * 8 + side
    _, first, of_cell = np.unique(key, return_index=True, return_inverse=True)
    count = np.bincount(of_cell)
    mean = lambda values: np.column_stack([np.bincount(of_cell, column) / count for column in values.T])  # noqa: E731
    merged = mean(normals)
    pairs = np.sort(of_cell[edges], axis=1)
    pairs = np.unique(pairs[:, 0] * len(count) + pairs[:, 1])
    a, b = pairs // len(count), pairs % len(count)
    return OutlineMesh(
        vertices_mm=mean(vertices_mm),
        normals=merged / np.maximum(np.linalg.norm(merged, axis=1, keepdims=True), 1e-9),
        edges=np.column_stack([a, b])[a != b],
        system=system[first],
        cell_mm=cell_mm,
    )


def _kept(mesh: OutlineMesh, keep: Bool[np.ndarray, " v"]) -> OutlineMesh:
    index = np.cumsum(keep) - 1
    edges = mesh.edges[keep[mesh.edges].all(axis=1)]
    return OutlineMesh(
        vertices_mm=mesh.vertices_mm[keep],
        normals=mesh.normals[keep],
        edges=index[edges],
        system=mesh.system[keep],
        cell_mm=mesh.cell_mm,
    )


def _vertex_normals(surface: SurfaceMesh) -> Float[np.ndarray, "v 3"]:
    corners = surface.vertices_mm[surface.triangles]
    of_triangle = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    index, count = surface.triangles.ravel(), len(surface.vertices_mm)
    spread = np.repeat(of_triangle, 3, axis=0)
    normals = np.column_stack([np.bincount(index, spread[:, axis], minlength=count) for axis in range(3)])
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)


def seen_outline(
    mesh: OutlineMesh,
    camera_mm: Float[np.ndarray, "v 3"],
    camera_from_lps: Float[np.ndarray, "3 3"],
    sod_mm: float,
    *,
    min_depth_mm: float,
) -> Outline:
    """The model's outline at a pose.

    Args:
        camera_mm: the mesh's vertices in camera axes.
        camera_from_lps: the rotation that was applied to them.
    """
    normals = mesh.normals @ camera_from_lps.T
    facing = np.einsum("vi,vi->v", normals, camera_mm)
    at_edge = facing[mesh.edges]
    a, b = mesh.edges[(at_edge[:, 0] < 0) != (at_edge[:, 1] < 0)].T
    # Of an edge between a vertex facing the source and one facing away, the outline point balances both angles.
    share = (facing[a] / (facing[a] - facing[b]))[:, None]
    points = camera_mm[a] + share * (camera_mm[b] - camera_mm[a])
    outward = (normals[a] + share * (normals[b] - normals[a]))[:, :2]
    outward = outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    depth = np.maximum(points[:, 2], min_depth_mm)
    plane = points[:, :2] * (sod_mm / depth)[:, None]
    grid_mm = _GRID_SHARE * mesh.cell_mm
    probe = plane + (_PROBE_MM + 0.5 * grid_mm) * outward
    covered = _covered(probe, camera_mm, sod_mm, min_depth_mm, grid_mm)
    return Outline(plane_mm=plane, outward=outward, camera_mm=points, free=~covered)


def _covered(
    probe_mm: Float[np.ndarray, "n 2"],
    camera_mm: Float[np.ndarray, "v 3"],
    sod_mm: float,
    min_depth_mm: float,
    grid_mm: float,
) -> Bool[np.ndarray, " n"]:
    """Which probe points fall on the model's silhouette, drawn on a coarse grid from its vertices."""
    scale = sod_mm / np.maximum(camera_mm[:, 2], min_depth_mm) / grid_mm
    columns, rows = camera_mm[:, 0] * scale, camera_mm[:, 1] * scale
    low = np.floor([columns.min(), rows.min()]) - 4
    columns, rows = np.rint(columns - low[0]).astype(np.int64), np.rint(rows - low[1]).astype(np.int64)
    size = int(columns.max()) + 5, int(rows.max()) + 5
    if max(size) > _MOST_CELLS:
        return np.zeros(len(probe_mm), dtype=bool)
    silhouette = np.zeros(size[::-1], np.uint8)
    silhouette[rows, columns] = 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CLOSED_CELLS, _CLOSED_CELLS))
    silhouette = np.asarray(cv2.morphologyEx(silhouette, cv2.MORPH_CLOSE, disc))
    column, row = (np.rint(probe_mm[:, axis] / grid_mm - low[axis]).astype(np.int64) for axis in (0, 1))
    inside = (column >= 0) & (row >= 0) & (column < size[0]) & (row < size[1])
    covered = np.zeros(len(probe_mm), dtype=bool)
    covered[inside] = silhouette[row[inside], column[inside]] > 0
    return covered
