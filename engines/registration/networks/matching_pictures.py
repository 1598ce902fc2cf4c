"""The input of model-to-image matching: the mesh's projection and the vessel mask, cut to a region of interest.

It follows Li et al. 2021 (DRU-Net and affine CNN for TAVI). The region is a square of the frame; by default it holds
the segmented vessel, as the paper's user would draw it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch.nn.functional import affine_grid, grid_sample

from calibration.errors import InputError
from calibration.projection import Projection
from engines.anatomy.vessel_model import CenterlineTree, SurfaceMesh, VesselModel
from engines.registration.view import RegistrationView

_MARGIN = 0.35  # relative to the mask's longer side; a projection that is this far off still lies in the square
_SMALLEST_PX = 24.0
_FINE_PX = 384  # the silhouette is drawn at this size, then averaged down for soft edges


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A square of the frame.

    Args:
        column_px, row_px: its centre; integers are pixel centres.
        half_px: half its side.
    """

    column_px: float
    row_px: float
    half_px: float

    def __post_init__(self) -> None:
        if not self.half_px > 0:
            raise InputError(f"region of interest: half its side is {self.half_px} px; draw a larger one")

    def map_of_frame(self, map_: Float[np.ndarray, "2 3"], frame_px: int) -> Float[np.ndarray, "2 3"]:
        """Convert a map from this square's units (-1 and 1 at its edges) to those of the square around the frame."""
        half = 0.5 * frame_px
        centre = (np.array([self.column_px, self.row_px]) + 0.5) / half - 1.0
        scale = self.half_px / half
        linear = map_[:, :2]
        return np.column_stack([linear, scale * map_[:, 2] + centre - linear @ centre])


def region_of_box(left: float, top: float, right: float, bottom: float) -> Region:
    """The smallest square around a drawn rectangle, in pixels.

    Raises:
        InputError: the rectangle is empty.
    """
    if not (right > left and bottom > top):
        raise InputError(
            f"region of interest: {left:g},{top:g},{right:g},{bottom:g} is empty; give left,top,right,bottom"
        )
    return Region(
        column_px=0.5 * (left + right), row_px=0.5 * (top + bottom), half_px=0.5 * max(right - left, bottom - top)
    )


def region_of_mask(mask: Bool[np.ndarray, "rows columns"]) -> Region | None:
    """The square around the largest piece and all that touches its box, with a margin; None without a vessel."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    # Leave out the outermost hundredth on each side, so that stray pixels do not enlarge the region.
    left, right = np.percentile(columns, (1, 99))
    top, bottom = np.percentile(rows, (1, 99))
    half = max(_SMALLEST_PX, (0.5 + _MARGIN) * max(right - left, bottom - top))
    return Region(column_px=0.5 * (left + right), row_px=0.5 * (top + bottom), half_px=float(half))


def seen_picture(view: RegistrationView, region: Region, size_px: int) -> Float32[torch.Tensor, "1 1 s s"]:
    """The segmented vessels inside the region; 0 outside the frame and the field of view."""
    shown = np.nan_to_num(np.asarray(view.vessel, dtype=np.float32))
    if view.field_of_view is not None:
        shown = shown * view.field_of_view
    step = 2.0 * region.half_px / size_px
    if step > 1.0:
        # Average first, or thin vessels would fall between the samples.
        shown = cv2.blur(shown, (max(1, round(step)), max(1, round(step))))
    to_frame = _frame_from_picture(region, size_px)
    picture = cv2.warpAffine(
        shown, to_frame, (size_px, size_px), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderValue=0
    )
    return torch.from_numpy(np.clip(picture, 0.0, 1.0))[None, None]


def projected_picture(
    model: VesselModel, projection: Projection, region: Region, size_px: int
) -> Float32[torch.Tensor, "1 1 s s"]:
    """Silhouette of the mesh, or of tubes around the centerlines if the model has no mesh.

    Raises:
        InputError: the model has neither.
    """
    fine = np.zeros((_FINE_PX, _FINE_PX), dtype=np.uint8)
    if model.surface is not None:
        _fill_mesh(fine, model.surface, projection, region)
    elif model.centerlines is not None:
        _fill_tubes(fine, model.centerlines, projection, region)
    else:
        raise InputError("model matching needs a surface or centerlines; make the case again with one of them")
    picture = cv2.resize(fine, (size_px, size_px), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    return torch.from_numpy(picture)[None, None]


def centre_in_region(model: VesselModel, projection: Projection, region: Region) -> Float[np.ndarray, " 3"]:
    """LPS centre of the part of the model inside the region, the pivot for turns; of the whole model if none is."""
    points = model.surface.vertices_mm if model.surface is not None else None
    if points is None:
        assert model.centerlines is not None, "projected_picture has refused other models"
        points = model.centerlines.points_mm()
    px, depth = projection.project(points)
    away = np.abs(np.nan_to_num(px, nan=1e6) - (region.column_px, region.row_px)).max(axis=1)
    inside = (away < region.half_px) & (depth > 1.0)
    return points[inside].mean(axis=0) if inside.any() else points.mean(axis=0)


def picture_centre(picture: Float32[torch.Tensor, "1 1 s s"]) -> Float[np.ndarray, " 2"]:
    """The centre of mass (x, y) of a picture in picture units; the middle of an empty picture."""
    values = picture[0, 0].double().numpy()
    total, size = float(values.sum()), values.shape[0]
    if total < 1e-6:
        return np.zeros(2)
    place = (np.arange(size) + 0.5) * 2.0 / size - 1.0
    return np.array([values.sum(axis=0) @ place, values.sum(axis=1) @ place]) / total


def cropped(
    pictures: Float[torch.Tensor, "n 1 s s"], centre: Float[torch.Tensor, "n 2"], half: Float[torch.Tensor, " n"]
) -> Float[torch.Tensor, "n 1 s s"]:
    """Cut squares out of square pictures; centre and half side in picture units, -1 and 1 at the edges."""
    scale = torch.diag_embed(half[:, None].expand(-1, 2))
    grid = affine_grid(torch.cat([scale, centre[:, :, None]], dim=2), list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, align_corners=False, padding_mode="zeros")


def _frame_from_picture(region: Region, size_px: int) -> Float[np.ndarray, "2 3"]:
    step = 2.0 * region.half_px / size_px
    shift = 0.5 * step - region.half_px
    return np.array([[step, 0.0, region.column_px + shift], [0.0, step, region.row_px + shift]])


def _fine(px: Float[np.ndarray, "n 2"], region: Region) -> Float[np.ndarray, "n 2"]:
    step = 2.0 * region.half_px / _FINE_PX
    corner = np.array([region.column_px, region.row_px]) - region.half_px
    return (px - corner) / step - 0.5


def _fill_mesh(picture: np.ndarray, mesh: SurfaceMesh, projection: Projection, region: Region) -> None:
    px, depth = projection.project(mesh.vertices_mm)
    corners = _fine(px, region)[mesh.triangles]
    # Skip triangles far outside, which overflow the drawing's integers, and those behind the source.
    drawn = np.isfinite(corners).all(axis=(1, 2)) & (np.abs(corners) < 8 * _FINE_PX).all(axis=(1, 2))
    drawn &= (depth[mesh.triangles] > 1.0).all(axis=1)
    for triangle in np.rint(corners[drawn] * 8).astype(np.int32):
        cv2.fillConvexPoly(picture, triangle, 255, shift=3)


def _fill_tubes(picture: np.ndarray, tree: CenterlineTree, projection: Projection, region: Region) -> None:
    step = 2.0 * region.half_px / _FINE_PX
    for branch in tree.branches:
        px, depth = projection.project(branch.points_mm)
        at = _fine(px, region)
        radius_mm = np.nan_to_num(branch.radius_mm, nan=1.0)
        width = np.abs(projection.intrinsics_px[0, 0]) * 2.0 * radius_mm / np.maximum(depth, 1.0) / step
        for k in range(len(at) - 1):
            ends = at[k : k + 2]
            if depth[k : k + 2].min() > 1.0 and np.isfinite(ends).all() and np.abs(ends).max() < 8 * _FINE_PX:
                first, last = np.rint(ends * 8).astype(int)
                cv2.line(picture, first.tolist(), last.tolist(), 255, max(1, round(float(width[k]))), shift=3)
