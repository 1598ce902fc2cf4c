"""Shadows: exact thickness of tubes, and line integrals through the patient.

This code is independent of the renderers that the estimators use, so that an error in one shows against the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import csr_matrix

from calibration.projection import Projection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TubeSamples:
    """Short pieces of tubes.

    Args:
        points_mm: centre of each piece.
        radius_mm: radius of the tube there.
        length_mm: length of the piece along the centerline.
    """

    points_mm: Float[np.ndarray, "n 3"]
    radius_mm: Float[np.ndarray, " n"]
    length_mm: Float[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TubeShadow:
    """The pixels that each piece of tube covers, and the path length in each; weighting the pieces gives a picture."""

    coverage: csr_matrix
    solid: csr_matrix
    length_mm: Float[np.ndarray, " n"]
    shape_px: tuple[int, int]

    def path_mm(self, weight: Float[np.ndarray, " n"]) -> Float[np.ndarray, "rows columns"]:
        """Length of the ray inside the tubes, with each piece weighted (for example by a concentration)."""
        return (self.coverage @ (self.length_mm * weight).astype(np.float32)).reshape(self.shape_px)

    def mask(self, keep: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, "rows columns"]:
        """Pixels whose centre lies behind a kept piece."""
        return (self.solid @ keep.astype(np.float32)).reshape(self.shape_px) > 0


def cast_tubes(samples: TubeSamples, projection: Projection) -> TubeShadow:
    """Project tube pieces.

    The line integral through a tube at a pixel equals the centerline's 3-D arc length whose projection lies within
    one radius of that pixel: discs of constant value are the inverse Abel partner of a cylinder's chord, at any tilt.
    A disc's rim is one pixel wide, which places edges to a small fraction of a pixel.
    """
    centre_px, depth_mm = projection.project(samples.points_mm)
    focal_px = float(np.mean(np.abs(np.diag(projection.intrinsics_px)[:2])))
    radius_px = samples.radius_mm * focal_px / depth_mm
    rows, columns = projection.shape_px
    reach = np.ceil(radius_px + 1.0).astype(int)
    seen = (
        (centre_px[:, 0] > -reach)
        & (centre_px[:, 0] < columns + reach)
        & (centre_px[:, 1] > -reach)
        & (centre_px[:, 1] < rows + reach)
    )
    pixel_parts: list[np.ndarray] = []
    piece_parts: list[np.ndarray] = []
    cover_parts: list[np.ndarray] = []
    solid_parts: list[np.ndarray] = []
    for half in np.unique(reach[seen]):
        chosen = np.flatnonzero(seen & (reach == half))
        # A piece of a wide tube covers tens of thousands of pixels, so keep the blocks small.
        for block in np.array_split(chosen, max(1, len(chosen) * (2 * half + 1) ** 2 // 2_000_000)):
            pixel, piece, cover, solid = _discs(centre_px[block], radius_px[block], int(half), (rows, columns))
            pixel_parts.append(pixel)
            piece_parts.append(block[piece])
            cover_parts.append(cover)
            solid_parts.append(solid)
    count = len(samples.radius_mm)
    if not pixel_parts:
        empty = csr_matrix((rows * columns, count), dtype=np.float32)
        return TubeShadow(coverage=empty, solid=empty, length_mm=samples.length_mm, shape_px=(rows, columns))
    pixel, piece = np.concatenate(pixel_parts), np.concatenate(piece_parts)
    cover, solid = np.concatenate(cover_parts), np.concatenate(solid_parts)
    size = (rows * columns, count)
    return TubeShadow(
        coverage=csr_matrix((cover, (pixel, piece)), shape=size),
        solid=csr_matrix((np.ones(int(solid.sum()), np.float32), (pixel[solid], piece[solid])), shape=size),
        length_mm=samples.length_mm,
        shape_px=(rows, columns),
    )


def _discs(
    centre_px: Float[np.ndarray, "n 2"], radius_px: Float[np.ndarray, " n"], half: int, shape_px: tuple[int, int]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], Float32[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    nearest = np.round(centre_px).astype(np.int32)
    shift = (nearest - centre_px).astype(np.float32)
    steps = np.arange(-half, half + 1)
    column = nearest[:, 0, None] + steps
    row = nearest[:, 1, None] + steps
    square = ((steps + shift[:, 1, None]) ** 2)[:, :, None] + ((steps + shift[:, 0, None]) ** 2)[:, None, :]
    distance = np.sqrt(square)
    radius = radius_px.astype(np.float32)[:, None, None]
    cover = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    # A vessel thinner than a pixel still covers the pixel that it passes.
    solid = distance <= np.maximum(radius, 0.72)
    keep = (cover > 0) | solid
    keep &= ((column >= 0) & (column < shape_px[1]))[:, None, :] & ((row >= 0) & (row < shape_px[0]))[:, :, None]
    pixel = (row[:, :, None] * shape_px[1] + column[:, None, :])[keep]
    piece = np.nonzero(keep)[0]
    return pixel, piece, cover[keep].astype(np.float32), solid[keep]


def line_integrals_mm(
    volumes: Sequence[Float32[np.ndarray, "i j k"]],
    lps_from_index: Float[np.ndarray, "4 4"],
    projection: Projection,
    *,
    step_mm: float,
) -> Float32[np.ndarray, "v rows columns"]:
    """Integrate volumes (relative densities) along the ray of every pixel: millimetres of full density.

    Trilinear, zero outside the grid.
    """
    stack = torch.from_numpy(np.stack([np.asarray(volume, dtype=np.float32) for volume in volumes]))[None]
    shape = np.array(stack.shape[2:], dtype=np.float64)
    rows, columns = projection.shape_px
    lps_from_camera = projection.camera_from_lps.inverse()
    index_from_lps = np.linalg.inv(lps_from_index)
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    homogeneous = np.stack([column, row, np.ones_like(row)], axis=-1).reshape(-1, 3)
    direction = homogeneous @ np.linalg.inv(projection.intrinsics_px).T
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    index_from_camera = index_from_lps[:3, :3] @ lps_from_camera.rotation
    source = index_from_lps[:3, :3] @ lps_from_camera.translation_mm + index_from_lps[:3, 3]
    ray = direction @ index_from_camera.T  # index units per mm
    near_mm, far_mm = _box_range_mm(source, ray, shape)
    distances_mm = np.arange(near_mm, far_mm, step_mm) + 0.5 * step_mm
    total = torch.zeros((len(volumes), rows * columns))
    # grid_sample wants -1..1 from the first to the last voxel centre, last axis first.
    scale = 2.0 / (shape - 1.0)
    start = torch.from_numpy(((source * scale) - 1.0)[::-1].copy()).float()
    slope = torch.from_numpy((ray * scale)[:, ::-1].copy()).float()
    for block in np.array_split(distances_mm, max(1, len(distances_mm) // 16)):
        place = start + torch.from_numpy(block).float()[:, None, None] * slope[None]
        values = torch.nn.functional.grid_sample(
            stack, place[None, :, :, None, :].contiguous(), mode="bilinear", padding_mode="zeros", align_corners=True
        )
        total += values[0, :, :, :, 0].sum(dim=1)
    return (total * step_mm).reshape(len(volumes), rows, columns).numpy()


def _box_range_mm(source: np.ndarray, ray: np.ndarray, shape: np.ndarray) -> tuple[float, float]:
    safe = np.where(np.abs(ray) < 1e-9, 1e-9, ray)
    low, high = (-0.5 - source) / safe, (shape - 0.5 - source) / safe
    enter = np.minimum(low, high).max(axis=1)
    leave = np.maximum(low, high).min(axis=1)
    hit = leave > enter
    if not hit.any():
        return 0.0, 0.0
    return float(max(enter[hit].min(), 0.0)), float(leave[hit].max())
