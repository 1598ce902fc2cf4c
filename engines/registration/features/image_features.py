"""The features of a picture for matching: vessel centrelines and edges of thick vessels, in isocentre-plane mm.

Positions are (x, y) = SOD * (camera x, camera y) / depth: camera axes, scaled to the plane through the isocentre that
is parallel to the detector. One unit is one millimetre there whatever the picture's size, magnification or mirror.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from skimage.morphology import skeletonize

from calibration.carm import SPACING_TOLERANCE, CArmGeometry
from engines.registration.features.neighbours import Neighbours
from engines.registration.view import RegistrationView

THICK_RADIUS_MM = (
    4.5  # wider vessels (aorta, its arch branches) are matched by their edges: the skeleton of a wide blob is unstable
)
ORIENTATION_MM = 3.0  # distance added for a perpendicular branch (twice this for opposite directions)
_MIN_COMPONENT_MM2 = 6.0
_MIN_SKELETON_MM = 4.0
_EDGE_MARGIN_PX = 4.0
_GAP_RADIUS_MM = 1.8
_FILLED_SHARE = 0.6
MAX_SIZE_PX = 640  # larger pictures are matched at a fraction of their size; sub-pixel fits lose nothing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureSet:
    """Points with a direction; `near` finds neighbours that agree in both, and is None without points.

    Args:
        points_mm: (n, 2) in the isocentre plane.
        direction: (n, 2): for centrelines (cos 2a, sin 2a) of the tangent, for edges the outward normal.
        normal: (n, 2) unit, across the line.
        weight: (n,) weight of each point: model and segmentation are more certain for wider vessels.
    """

    points_mm: Float[np.ndarray, "n 2"]
    direction: Float[np.ndarray, "n 2"]
    normal: Float[np.ndarray, "n 2"]
    weight: Float[np.ndarray, " n"]
    near: Neighbours | None

    @classmethod
    def of(
        cls,
        points_mm: Float[np.ndarray, "n 2"],
        direction: Float[np.ndarray, "n 2"],
        normal: Float[np.ndarray, "n 2"],
        weight: Float[np.ndarray, " n"],
    ) -> FeatureSet:
        near = Neighbours(np.hstack([points_mm, ORIENTATION_MM * direction])) if len(points_mm) else None
        return cls(points_mm=points_mm, direction=direction, normal=normal, weight=weight, near=near)

    def __len__(self) -> int:
        return len(self.points_mm)

    def thinned(self, max_points: int) -> FeatureSet:
        """Every k-th point."""
        every = max(1, int(np.ceil(len(self) / max_points)))
        if every == 1:
            return self
        return FeatureSet.of(
            self.points_mm[::every], self.direction[::every], self.normal[::every], self.weight[::every]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedView:
    """A view's features, computed once per frame.

    Args:
        camera_from_isocentre: 4x4 of the C-arm.
        px_per_mm, centre_px: isocentre-plane mm to pixels of the working grid, (column, row).
        length_mm: length of segmented centreline plus that of thick vessels' edges.
        field_of_view: on the working grid, True inside the collimator's opening.
    """

    geometry: CArmGeometry
    camera_from_isocentre: Float[np.ndarray, "4 4"]
    px_per_mm: Float[np.ndarray, " 2"]
    centre_px: Float[np.ndarray, " 2"]
    centreline: FeatureSet
    edge: FeatureSet
    probability: Float[np.ndarray, "rows columns"]
    field_of_view: Bool[np.ndarray, "rows columns"]
    length_mm: float

    @property
    def sod_mm(self) -> float:
        return self.geometry.sod_mm

    def thinned(self, max_points: int) -> PreparedView:
        """The same view with fewer feature points."""
        return replace(self, centreline=self.centreline.thinned(max_points), edge=self.edge.thinned(max_points))

    def plane_from_px(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Pixels of the working grid to isocentre-plane mm."""
        return (points_px - self.centre_px) / self.px_per_mm

    def px_from_plane(self, points_mm: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Isocentre-plane mm to pixels of the working grid."""
        return points_mm * self.px_per_mm + self.centre_px

    def visible(self, points_mm: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Which points of the isocentre plane fall where the picture shows anything."""
        px = np.rint(self.px_from_plane(points_mm))
        rows, columns = self.field_of_view.shape
        # NaN compares false: a point at the source is seen nowhere.
        inside = (px[:, 0] >= 0) & (px[:, 0] < columns) & (px[:, 1] >= 0) & (px[:, 1] < rows)
        seen = px[inside].astype(np.intp)
        result = np.zeros(len(px), dtype=bool)
        result[inside] = self.field_of_view[seen[:, 1], seen[:, 0]]
        return result


def prepare_view(view: RegistrationView, *, edges: bool = True, max_size_px: int = MAX_SIZE_PX) -> PreparedView:
    """Skeleton of thin vessels, edges of thick ones, with their directions.

    Args:
        edges: whether the model holds vessels thick enough to have any; without, a thick spot is a tangle of thin
            vessels that the segmentation ran together, and tells nothing.
        max_size_px: of the working grid's longer side; larger pictures are matched at a whole fraction of their size.
    """
    probability = np.ascontiguousarray(view.vessel, dtype=np.float32)
    open_field = np.ones(probability.shape, bool) if view.field_of_view is None else view.field_of_view
    shrink = _shrink(view.geometry, max_size_px)
    if np.any(shrink > 1.0):
        columns, rows = (int(size // by) for size, by in zip(probability.shape[::-1], shrink, strict=True))
        # Cut to a multiple, so that one working pixel is exactly so many pixels; for unlike axes, nearly so.
        ends = np.rint(np.array([columns, rows]) * shrink).astype(int)
        cut = (slice(0, ends[1]), slice(0, ends[0]))
        shrink = ends / np.array([columns, rows])
        probability = cv2.resize(probability[cut], (columns, rows), interpolation=cv2.INTER_AREA)
        open_field = cv2.resize(open_field[cut].astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) > 0
    spacing_mm = np.array([view.geometry.column_spacing_mm, view.geometry.row_spacing_mm])
    mm_per_px = float((spacing_mm * shrink).mean()) * view.geometry.sod_mm / view.geometry.sid_mm
    mask = _without_specks((probability > view.threshold) & open_field, mm_per_px)
    thick, core = _thick_part(mask, mm_per_px)
    centre_px, tangent_px, radius_mm = _skeleton_points(mask & ~core, thick, mm_per_px)
    edge_px, outward_px = _edge_points(thick if edges else np.zeros_like(thick), open_field)

    axes = np.sign(np.diag(view.geometry.intrinsics_px())[:2])
    tangent = tangent_px * axes
    angle = np.arctan2(tangent[:, 1], tangent[:, 0])
    outward = outward_px * axes
    to_plane = lambda px: _plane_from_full_px(view.geometry, (px + 0.5) * shrink - 0.5)  # noqa: E731
    centreline = FeatureSet.of(
        to_plane(centre_px),
        np.column_stack([np.cos(2 * angle), np.sin(2 * angle)]),
        np.column_stack([-np.sin(angle), np.cos(angle)]),
        weight_of_radius(radius_mm),
    )
    edge = FeatureSet.of(to_plane(edge_px), outward, outward, np.ones(len(edge_px)))
    px_per_mm = np.diag(view.geometry.intrinsics_px())[:2] / (view.geometry.sod_mm * shrink)
    return PreparedView(
        geometry=view.geometry,
        camera_from_isocentre=view.geometry.camera_from_isocentre().matrix,
        px_per_mm=px_per_mm,
        centre_px=(np.asarray(view.geometry.principal_point_px) + 0.5) / shrink - 0.5,
        centreline=centreline,
        edge=edge,
        probability=probability * open_field,
        field_of_view=open_field,
        length_mm=(len(centreline) + len(edge)) * mm_per_px,
    )


def _shrink(geometry: CArmGeometry, max_size_px: int) -> Float[np.ndarray, " 2"]:
    """(columns, rows) of the picture in one pixel of the working grid, whose pixels are square in mm."""
    columns_mm, rows_mm = geometry.column_spacing_mm, geometry.row_spacing_mm
    square = max(columns_mm, rows_mm)
    if abs(columns_mm - rows_mm) <= SPACING_TOLERANCE * square:
        return np.full(2, np.ceil(max(1.0, max(geometry.shape_px) / max_size_px)))
    by = np.array([square / columns_mm, square / rows_mm])
    return by * max(1.0, float(max(np.array(geometry.shape_px[::-1]) / by)) / max_size_px)


def weight_of_radius(radius_mm: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Weight of a point on a vessel of this radius, the same in the model and in the picture."""
    return np.clip(radius_mm, 0.4, 2.0)


def _plane_from_full_px(geometry: CArmGeometry, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    focal = np.diag(geometry.intrinsics_px())[:2]
    return (points_px - np.asarray(geometry.principal_point_px)) / focal * geometry.sod_mm


def _without_specks(mask: Bool[np.ndarray, "r c"], mm_per_px: float) -> Bool[np.ndarray, "r c"]:
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    extent = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    area = stats[:, cv2.CC_STAT_AREA]
    keep = (area * mm_per_px**2 >= _MIN_COMPONENT_MM2) & (extent * mm_per_px >= _MIN_SKELETON_MM)
    keep[0] = False
    return np.take(keep, np.asarray(label, dtype=np.int64))


def _thick_part(
    mask: Bool[np.ndarray, "r c"], mm_per_px: float
) -> tuple[Bool[np.ndarray, "r c"], Bool[np.ndarray, "r c"]]:
    """The part of the mask into which a disc of the thick radius fits, and that part slightly grown."""
    radius_px = THICK_RADIUS_MM / mm_per_px
    inside = _depth_px(mask) >= radius_px
    # A catheter in the aorta is segmented as a device and must not cut the aorta in two. Closing also fills a bundle
    # of thin vessels, but there a larger share was open before.
    gap_px = 2 * round(_GAP_RADIUS_MM / mm_per_px) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap_px, gap_px))
    closed = np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, disc)) > 0
    window_px = 2 * round(2 * radius_px) + 1
    filled = np.asarray(cv2.blur(mask.astype(np.float32), (window_px, window_px), borderType=cv2.BORDER_REPLICATE))
    bridged = (_depth_px(closed) >= radius_px) & (filled > _FILLED_SHARE)
    if bridged.any():
        mask, inside = mask | (closed & (filled > _FILLED_SHARE)), inside | bridged
    if not inside.any():
        return inside, inside
    away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
    return mask & (away <= radius_px + 1.0), away <= radius_px + 2.0


def _depth_px(mask: Bool[np.ndarray, "r c"]) -> Float[np.ndarray, "r c"]:
    """Distance to the mask's edge; the picture's border is no edge, so a vessel that leaves it is not narrow there."""
    padded = np.pad(mask, 1, mode="edge").astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3))[1:-1, 1:-1]


def _skeleton_points(
    mask: Bool[np.ndarray, "r c"], thick: Bool[np.ndarray, "r c"], mm_per_px: float
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    thin = mask & ~thick
    filled_rows, filled_columns = np.flatnonzero(thin.any(axis=1)), np.flatnonzero(thin.any(axis=0))
    if not len(filled_rows):
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0)
    # The time of thinning grows with area, so crop to the vessels.
    top, left = filled_rows[0], filled_columns[0]
    rows, columns = np.nonzero(skeletonize(thin[top : filled_rows[-1] + 1, left : filled_columns[-1] + 1]))
    points = np.column_stack([columns + left, rows + top]).astype(np.float64)
    neighbours = 9
    if len(points) < neighbours:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0)
    width = np.asarray(cv2.distanceTransform(thin.astype(np.uint8), cv2.DIST_L2, 3))[rows + top, columns + left]
    near = np.asarray(KDTree(points).query(points, k=neighbours)[1])
    local = points[near] - points[near].mean(axis=1, keepdims=True)
    xx, yy, xy = (local[..., 0] ** 2).sum(1), (local[..., 1] ** 2).sum(1), (local[..., 0] * local[..., 1]).sum(1)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    # Average over neighbours, because a skeleton moves in whole pixels.
    every = max(1, int(np.floor(0.5 / mm_per_px)))
    smooth = points[near[:, :5]].mean(axis=1)
    radius_mm = width * mm_per_px
    return smooth[::every], np.column_stack([np.cos(angle), np.sin(angle)])[::every], radius_mm[::every]


def _edge_points(
    thick: Bool[np.ndarray, "r c"], open_field: Bool[np.ndarray, "r c"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    if not thick.any():
        return np.zeros((0, 2)), np.zeros((0, 2))
    blurred = cv2.GaussianBlur(thick.astype(np.float32), (0, 0), 2.0)
    gradient = np.stack([np.asarray(cv2.Sobel(blurred, cv2.CV_32F, *axis)) for axis in ((1, 0), (0, 1))], axis=-1)
    framed = np.pad(open_field, 1, constant_values=False).astype(np.uint8)
    to_border = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    contours, _ = cv2.findContours(thick.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([np.asarray(c)[:, 0, :] for c in contours]).astype(np.int64)
    points = points[np.asarray(to_border)[points[:, 1], points[:, 0]] > _EDGE_MARGIN_PX]
    outward = -gradient[points[:, 1], points[:, 0]].astype(np.float64)
    length = np.linalg.norm(outward, axis=1)
    good = length > 1e-3
    outward = outward[good] / length[good, None]
    # A contour passes through the centres of the outermost pixels, half a pixel inside the edge.
    return points[good] + 0.5 * outward, outward
