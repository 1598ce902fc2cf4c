"""The vessel model as lines on a picture: centerlines with their width, and the border of what it covers."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Bool, Int
from scipy.spatial import KDTree

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.anatomy.vessel_model import SurfaceMesh, VesselModel
from engines.angiography.frame import Frame
from engines.registration.motion.deform_basis import Deformation
from guidance_app.live.engine.lumen_border import lumen_border
from guidance_app.live.engine.model_motion import ModelMotion
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import Overlay, OverlayPath

DRAWN_STEP_MM = 1.0  # about 3 px at the isocentre: smooth to the eye, cheap to paint
_SMALLEST_REGION_PX = 20.0
_BEYOND_TUBE_MM = 0.25  # less than a pixel: surface this near to a branch's tube adds nothing to its border

# The stated error is the mean over the model. Within these multiples of it lie nine tenths of what is drawn, on the
# bundled coronary and TAVI runs: of branches seen filled now, and of the others, which the fit could not see.
_NOW_HALO = 3.5
_UNSEEN_HALO = 6.5


class ProjectedModel:
    """Prepares a model once, so that projecting it takes some milliseconds a frame."""

    def __init__(self, model: VesselModel) -> None:
        branches = () if model.centerlines is None else model.centerlines.resampled(DRAWN_STEP_MM).branches
        # Veins over arteries hide what is treated; a model of veins alone is still drawn.
        branches = tuple(branch for branch in branches if branch.vessel_class != "vein") or branches
        self._names = tuple(branch.name for branch in branches)
        points_mm = np.concatenate([branch.points_mm for branch in branches]) if branches else np.empty((0, 3))
        self._radius_mm = np.concatenate([branch.radius_mm for branch in branches]) if branches else np.empty(0)
        self._splits = np.cumsum([len(branch.points_mm) for branch in branches])[:-1]
        self._silhouette = None if model.surface is None else _Silhouette(model.surface, _worth_drawing(model))
        vertices_mm = np.empty((0, 3)) if self._silhouette is None else self._silhouette.vertices_mm
        self._motion = ModelMotion(points_mm, vertices_mm)

    def overlay(
        self,
        frame: Frame,
        geometry: CArmGeometry,
        isocentre_from_lps: RigidPose,
        *,
        expected_error_mm: float | None,
        generation: int,
        deformation: Deformation | None = None,
        evidence: Evidence | None = None,
        added_halo_mm: float = 0.0,
    ) -> Overlay:
        """All that may be drawn of the model on this frame; without a stated error there is no halo.

        Args:
            added_halo_mm: for what bends the vessels away from the model, whatever the pose.
        """
        projection = geometry.projection(isocentre_from_lps)
        centerlines = self.centerlines(projection, deformation)
        error_mm = 0.0 if expected_error_mm is None or not np.isfinite(expected_error_mm) else expected_error_mm
        return Overlay(
            frame_index=frame.index,
            geometry=geometry,
            centerlines=centerlines,
            outline=self.outline(projection, centerlines, deformation),
            halo_px=math.hypot(_NOW_HALO * error_mm, added_halo_mm) / geometry.isocentre_mm_per_px,
            unseen_halo_px=math.hypot(_UNSEEN_HALO * error_mm, added_halo_mm) / geometry.isocentre_mm_per_px,
            generation=generation,
            motion_mm=None if deformation is None else deformation.mean_mm,
            evidence=evidence,
        )

    def centerlines(self, projection: Projection, deformation: Deformation | None = None) -> tuple[OverlayPath, ...]:
        """One path a branch; its width is the lumen as this view magnifies it."""
        focal_px = float(np.sqrt(abs(projection.intrinsics_px[0, 0] * projection.intrinsics_px[1, 1])))
        points_px, depth_mm = projection.project(self._motion.points_mm(deformation))
        with np.errstate(divide="ignore", invalid="ignore"):
            width_px = 2.0 * self._radius_mm * focal_px / np.where(depth_mm > 0, depth_mm, np.nan)
        pieces = zip(self._names, np.split(points_px, self._splits), np.split(width_px, self._splits), strict=False)
        return tuple(OverlayPath(points_px=points, width_px=width, name=name) for name, points, width in pieces)

    def outline(
        self, projection: Projection, centerlines: tuple[OverlayPath, ...], deformation: Deformation | None = None
    ) -> tuple[OverlayPath, ...]:
        """Closed borders of what the model covers: the branches of `centerlines` at their width, and the surface."""
        if self._silhouette is None:
            return lumen_border(centerlines, np.empty((0, 2, 2)), np.empty((0, 2)), projection.shape_px)
        vertices_px, _ = projection.project(self._motion.vertices_mm(deformation))
        edges = self._silhouette.edges(projection)
        return lumen_border(centerlines, vertices_px[edges], vertices_px[self._silhouette.shown], projection.shape_px)


class _Silhouette:
    """Edges between a triangle that faces the source and one that faces away, or edges with one triangle only."""

    def __init__(self, surface: SurfaceMesh, shown: Bool[np.ndarray, " vertices"]) -> None:
        self.vertices_mm = np.asarray(surface.vertices_mm, dtype=np.float64)
        triangles = np.asarray(surface.triangles)
        corners = self.vertices_mm[triangles]
        self._normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._offsets = np.einsum("ij,ij->i", self._normals, corners[:, 0])
        edges, faces = _edges_with_faces(triangles)
        kept = shown[edges].any(axis=1)
        self._edges, self._faces = edges[kept], faces[kept]
        self.shown = np.flatnonzero(shown)

    def edges(self, projection: Projection) -> Int[np.ndarray, "n 2"]:
        """Indices of both vertices of every such edge."""
        source_mm = projection.camera_from_lps.inverse().translation_mm
        towards = np.append(self._normals @ source_mm > self._offsets, False)  # the last entry stands for "no triangle"
        first, second = towards[self._faces[:, 0]], towards[self._faces[:, 1]]
        border = self._faces[:, 1] == len(self._normals)
        return self._edges[(first != second) | border]


def _worth_drawing(model: VesselModel) -> Bool[np.ndarray, " vertices"]:
    """Surface that says more than the drawn branches do: it lies outside their tubes, and belongs to no vein.

    Of a head's tens of thousands of vertices a tenth is left; all of them would cost 10 ms a frame.
    """
    assert model.surface is not None
    vertices_mm = model.surface.vertices_mm
    branches = () if model.centerlines is None else model.centerlines.resampled(DRAWN_STEP_MM).branches
    if not branches:
        return np.ones(len(vertices_mm), dtype=bool)
    points_mm = np.concatenate([branch.points_mm for branch in branches])
    radius_mm = np.concatenate([branch.radius_mm for branch in branches])
    vein = np.repeat([branch.vessel_class == "vein" for branch in branches], [len(b.points_mm) for b in branches])
    away_mm, nearest = KDTree(points_mm).query(vertices_mm, k=min(4, len(points_mm)))
    away_mm, nearest = (np.reshape(found, (len(vertices_mm), -1)) for found in (away_mm, nearest))
    # Without a radius nothing is known of the tube, and the surface is drawn.
    beyond_mm = np.where(np.isfinite(radius_mm[nearest]), away_mm - radius_mm[nearest], np.inf).min(axis=1)
    of_vein = vein[nearest[:, 0]] & ~vein.all()
    return (beyond_mm > _BEYOND_TUBE_MM) & ~of_vein


def _edges_with_faces(triangles: Int[np.ndarray, "t 3"]) -> tuple[Int[np.ndarray, "e 2"], Int[np.ndarray, "e 2"]]:
    """Each edge once, and its two triangles; the number of triangles stands for a missing second one."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, edge_of_side, uses = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(edge_of_side.ravel(), kind="stable")
    starts = np.concatenate([[0], np.cumsum(uses)[:-1]])
    faces = np.full((len(edges), 2), len(triangles))
    faces[:, 0] = order[starts] // 3
    shared = uses >= 2
    faces[shared, 1] = order[starts[shared] + 1] // 3
    return edges, faces


def mask_outlines(mask: Bool[np.ndarray, "rows columns"], *, name: str = "") -> tuple[OverlayPath, ...]:
    """Borders of the segmented regions, px; specks are left out."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    paths = []
    for contour in contours:
        if len(contour) >= 3 and cv2.contourArea(contour) >= _SMALLEST_REGION_PX:
            points_px = contour[:, 0, :].astype(np.float64)
            width_px = np.full(len(points_px), np.nan)
            paths.append(OverlayPath(points_px=points_px, width_px=width_px, name=name, closed=True))
    return tuple(paths)
