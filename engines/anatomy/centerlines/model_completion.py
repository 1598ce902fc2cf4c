"""Complete a vessel model: radii from the surface, centerlines from labels or surface."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from calibration.errors import InputError
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, SurfaceMesh, VesselModel

_MAX_WALL_DISTANCE_MM = 40.0  # no vessel is this wide: a point farther from every wall is not inside this surface

_BOX_MARGIN_MM = 5.0
_MIN_INSIDE_SHARE = 0.5


def completed(model: VesselModel, where: str, kind: str) -> VesselModel:
    """The model with centerlines, and with radii if it has a surface to measure them on.

    Unnamed vessels of a TAVI case are taken to be the aorta, because the pictures of a TAVI case show the aorta.

    Raises:
        InputError: nothing to derive centerlines from, or surface and centerlines lie in different places.
    """
    centerlines = model.centerlines
    if centerlines is None and model.labels is not None:
        from engines.anatomy.centerlines.skeleton import centerlines_from_labels

        centerlines = centerlines_from_labels(model.labels)
    elif centerlines is None and model.surface is not None:
        from engines.anatomy.centerlines.skeleton import centerlines_from_surface

        centerlines = centerlines_from_surface(model.surface)
    assert centerlines is not None  # VesselModel holds at least one of the three
    if not centerlines.branches:
        raise InputError(f"{where}: no centerline could be found in the vessels; give centerlines (VTP, VTK, CSV)")
    if model.surface is not None:
        centerlines = with_radii_from_surface(centerlines, model.surface)
    if kind == "tavi" and not any(branch.name or branch.vessel_class != "artery" for branch in centerlines.branches):
        centerlines = CenterlineTree(
            branches=tuple(replace(branch, vessel_class="aorta") for branch in centerlines.branches)
        )
    return replace(model, centerlines=centerlines)


def check_same_place(model: VesselModel, ct: CtVolume | None, where: str) -> None:
    """Refuse models that were exported in different frames: nothing else would show that their overlay is wrong.

    Raises:
        InputError: most of one model lies outside the others.
    """
    points: dict[str, Float[np.ndarray, "n 3"]] = {}
    if model.centerlines is not None:
        points["centerlines"] = model.centerlines.points_mm()
    if model.surface is not None:
        points["surface"] = model.surface.vertices_mm
    if model.labels is not None:
        index = np.argwhere(model.labels.labels > 0)[:: max(1, int((model.labels.labels > 0).sum()) // 20_000)]
        points["vessel labels"] = index @ model.labels.lps_from_index[:3, :3].T + model.labels.lps_from_index[:3, 3]
    if ct is not None:
        index_from_lps = np.linalg.inv(ct.lps_from_index)
        for name, points_mm in points.items():
            index = points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
            inside = ((index >= -1) & (index <= np.array(ct.voxels_hu.shape))).all(axis=1).mean()
            _refuse_apart(float(inside), name, "CTA", where)
    for (inner, inner_mm), (outer, outer_mm) in combinations(points.items(), 2):
        low, high = outer_mm.min(axis=0) - _BOX_MARGIN_MM, outer_mm.max(axis=0) + _BOX_MARGIN_MM
        inside = ((inner_mm >= low) & (inner_mm <= high)).all(axis=1).mean()
        _refuse_apart(float(inside), inner, outer, where)


def _refuse_apart(inside: float, inner: str, outer: str, where: str) -> None:
    if inside < _MIN_INSIDE_SHARE:
        raise InputError(
            f"{where}: only {100 * inside:.0f} % of the {inner} lie where the {outer} is, expected at least "
            f"{100 * _MIN_INSIDE_SHARE:.0f} %; export both in LPS mm of one scan (RAS models have x and y negated), "
            "or give --placement"
        )


def with_radii_from_surface(tree: CenterlineTree, surface: SurfaceMesh) -> CenterlineTree:
    """Replace unknown radii by the distance to the nearest surface sample; keep known radii."""
    if np.isfinite(tree.radius_mm()).all():
        return tree
    wall = KDTree(surface_samples(surface))

    def filled(points_mm: Float[np.ndarray, "n 3"], radius_mm: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        distance_mm = wall.query(points_mm)[0]
        distance_mm[distance_mm > _MAX_WALL_DISTANCE_MM] = np.nan
        return np.where(np.isfinite(radius_mm), radius_mm, distance_mm)

    return CenterlineTree(
        branches=tuple(
            replace(branch, radius_mm=filled(branch.points_mm, branch.radius_mm)) for branch in tree.branches
        )
    )


def surface_samples(surface: SurfaceMesh) -> Float[np.ndarray, "m 3"]:
    """Vertices, edge middles and triangle centres; vertices alone would make the wall of coarse triangles look far."""
    corners = surface.vertices_mm[surface.triangles]
    middles = 0.5 * (corners + np.roll(corners, 1, axis=1))
    return np.concatenate([surface.vertices_mm, corners.mean(axis=1), middles.reshape(-1, 3)])
