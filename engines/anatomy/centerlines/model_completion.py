"""Complete a vessel model: radii from the surface, centerlines from labels or surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from calibration.errors import InputError
from engines.anatomy.centerlines.surface_samples import surface_samples
from engines.anatomy.vessel_model import CenterlineTree, SurfaceMesh, VesselModel

_MAX_WALL_DISTANCE_MM = 40.0  # no vessel is this wide: a point farther from every wall is not inside this surface


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
