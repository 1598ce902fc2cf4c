"""Centerline trees from label volumes (or closed surfaces): thinning, graph, pruning, recentring, radii."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from skimage.morphology import skeletonize

from calibration.errors import InputError
from engines.anatomy.centerlines.lumen_grid import centred_lines, lumen_grid
from engines.anatomy.centerlines.skeleton_graph import paths_of_skeleton
from engines.anatomy.centerlines.tree import Polyline, joined_trees, tree_from_polylines
from engines.anatomy.structure_names import vessel_class_of
from engines.anatomy.surface import mask_from_surface
from engines.anatomy.vessel_model import CenterlineTree, LabelVolume, SurfaceMesh


def centerlines_from_labels(labels: LabelVolume, *, min_branch_mm: float = 3.0) -> CenterlineTree:
    """Centerlines of all labelled vessels with radii, names and classes.

    Each vessel class is thinned by itself, so that touching veins and arteries stay apart. A branch gets the label
    in which most of its points lie. Twigs shorter than `min_branch_mm`, or than the radius of the vessel they leave,
    are removed.

    Raises:
        InputError: nothing is labelled, or no labelled part is long enough to be a vessel.
    """
    groups: dict[str, list[int]] = {}
    for number in np.unique(labels.labels[labels.labels > 0]).tolist():
        groups.setdefault(vessel_class_of(labels.names.get(number, "")), []).append(number)
    if not groups:
        raise InputError("the label volume is empty; choose one with labelled vessels")
    polylines: list[Polyline] = []
    for vessel_class, numbers in groups.items():
        mask = np.isin(labels.labels, numbers)
        for line in _centerlines_of_mask(mask, labels.lps_from_index, min_branch_mm):
            name = name_along(line, labels, numbers)
            polylines.append(
                Polyline(points_mm=line.points_mm, radius_mm=line.radius_mm, name=name, vessel_class=vessel_class)
            )
    # Veins and arteries are joined separately: no artery springs from a vein, however close they pass.
    sides = ([p for p in polylines if (p.vessel_class == "vein") == vein] for vein in (False, True))
    tree = joined_trees([tree_from_polylines(side, shared_trunks=False) for side in sides])
    if not tree.branches:
        raise InputError(f"no vessel of at least {min_branch_mm:g} mm in the labels; choose another segmentation")
    return tree


def centerlines_from_surface(surface: SurfaceMesh, *, min_branch_mm: float = 3.0) -> CenterlineTree:
    """Approximate centerlines of a surface, found on a voxel grid of 0.35 to 1 mm.

    Raises:
        InputError: the surface encloses nothing (open everywhere, or a sheet).
    """
    extent_mm = float(np.ptp(surface.vertices_mm, axis=0).max())
    mask, lps_from_index = mask_from_surface(surface, float(np.clip(extent_mm / 320.0, 0.35, 1.0)))
    if not mask.any():
        raise InputError("the surface encloses no volume, so it has no centerline; close it or give centerlines")
    return centerlines_from_labels(
        LabelVolume(labels=mask.astype(np.uint8), lps_from_index=lps_from_index, names={1: ""}),
        min_branch_mm=min_branch_mm,
    )


def _centerlines_of_mask(
    mask: Bool[np.ndarray, "i j k"], lps_from_index: Float[np.ndarray, "4 4"], min_branch_mm: float
) -> list[Polyline]:
    grid = lumen_grid(mask, lps_from_index)
    if grid is None:
        return []
    skeleton = skeletonize(grid.inside > 0.5)
    return centred_lines(paths_of_skeleton(skeleton, grid.radius_mm / grid.step_mm, min_branch_mm / grid.step_mm), grid)


def name_along(line: Polyline, labels: LabelVolume, numbers: list[int]) -> str:
    """The name of the label in which most of a line's points lie, among these numbers."""
    index_from_lps = np.linalg.inv(labels.lps_from_index)
    index = np.rint(line.points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]).astype(int)
    index = np.clip(index, 0, np.array(labels.labels.shape) - 1)
    found = labels.labels[tuple(index.T)]
    found = found[np.isin(found, numbers)]
    return labels.names.get(int(np.bincount(found).argmax()), "") if len(found) else ""
