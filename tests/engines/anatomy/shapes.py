"""Analytic vessels: tubes of known radius and course, as voxels and as meshes."""

from collections.abc import Sequence

import numpy as np

from engines.anatomy.vessel_model import LabelVolume, SurfaceMesh

Segment = tuple[tuple[float, float, float], tuple[float, float, float]]


def grid(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """`lps_from_index` of a volume about the origin, off by a fraction of a voxel so that nothing lines up."""
    lps_from_index = np.diag([*spacing_mm, 1.0])
    lps_from_index[:3, 3] = -0.5 * np.array(shape) * spacing_mm + np.array([0.13, -0.21, 0.08])
    return lps_from_index


def distance_mm(shape: tuple[int, int, int], lps_from_index: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)
    points = index @ lps_from_index[:3, :3].T + lps_from_index[:3, 3]
    return np.min([to_segment_mm(points, segment) for segment in segments], axis=0)


def to_segment_mm(points: np.ndarray, segment: Segment) -> np.ndarray:
    start, end = np.array(segment[0], dtype=float), np.array(segment[1], dtype=float)
    along = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return np.linalg.norm(points - (start + along[..., None] * (end - start)), axis=-1)


def tube_labels(
    segments: Sequence[Segment],
    radius_mm: float,
    shape: tuple[int, int, int] = (60, 60, 60),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    name: str = "artery",
) -> LabelVolume:
    lps_from_index = grid(shape, spacing_mm)
    inside = distance_mm(shape, lps_from_index, segments) <= radius_mm
    return LabelVolume(labels=inside.astype(np.uint8), lps_from_index=lps_from_index, names={1: name})


def tube_surface(radius_mm: float, length_mm: float, *, closed: bool = True, around: int = 32) -> SurfaceMesh:
    """A cylinder along z about the origin, normals outwards."""
    angle = np.arange(around) * 2 * np.pi / around
    ring = np.column_stack([radius_mm * np.cos(angle), radius_mm * np.sin(angle)])
    levels = np.linspace(-0.5 * length_mm, 0.5 * length_mm, 12)
    vertices = [np.column_stack([ring, np.full(around, level)]) for level in levels]
    triangles = []
    for level in range(len(levels) - 1):
        for i in range(around):
            a, b = level * around + i, level * around + (i + 1) % around
            triangles += [(a, b, b + around), (a, b + around, a + around)]
    count = len(levels) * around
    if closed:
        vertices.append(np.array([[0, 0, levels[0]], [0, 0, levels[-1]]]))
        top = count - around
        for i in range(around):
            j = (i + 1) % around
            triangles += [(j, i, count), (top + i, top + j, count + 1)]
    return SurfaceMesh(vertices_mm=np.concatenate(vertices), triangles=np.array(triangles))
