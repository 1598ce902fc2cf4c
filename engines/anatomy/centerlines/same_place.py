"""Whether surface, centerlines, labels and CTA of one case lie together: an overlay of models from different frames
would be wrong without a sign."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial import KDTree

from calibration.errors import InputError
from engines.anatomy.centerlines.surface_samples import surface_samples
from engines.anatomy.files.notes import Note, logged
from engines.anatomy.surface import mask_from_surface
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, SurfaceMesh, VesselModel

_BOX_MARGIN_MM = 5.0
_MIN_INSIDE_SHARE = 0.5
_TURN = np.array([-1.0, -1.0, 1.0])  # from RAS, or into it
_INSIDE_STEPS, _STEP_MM = 160, (0.6, 2.0)
_AT_WALL_MM = 1.5
_LEAST_IN_SURFACE, _WELL_IN_SURFACE = 0.3, 0.7
_CONTRAST_HU = 100.0  # blood without contrast stays below 80
_LEAST_IN_CONTRAST, _TURNED_IN_CONTRAST = 0.3, 0.6


def check_same_place(model: VesselModel, ct: CtVolume | None, where: str, note: Note = logged) -> None:
    """Refuse models that were exported in different frames, and say where they lie together only in part.

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
    if model.centerlines is not None and model.surface is not None:
        _check_in_surface(model.centerlines, model.surface, where, note)


def check_in_contrast(tree: CenterlineTree, ct: CtVolume, where: str, note: Note = logged) -> None:
    """Say where centerlines hardly run through contrast, and refuse them where they would if they were turned from RAS.

    Raises:
        InputError: the centerlines lie in contrast only after x and y are negated.
    """
    points_mm = tree.resampled(1.0).points_mm()
    here, turned = _in_contrast(points_mm, ct), _in_contrast(points_mm * _TURN, ct)
    if here >= _LEAST_IN_CONTRAST:
        return
    if turned >= _TURNED_IN_CONTRAST:
        raise InputError(
            f"{where}: only {100 * here:.0f} % of the vessels lie in the CTA's contrast, but {100 * turned:.0f} % do "
            "with x and y negated: the model is in RAS; export it in LPS mm, or let its file say SPACE=RAS"
        )
    note(
        f"{where}: only {100 * here:.0f} % of the vessels lie in contrast (above {_CONTRAST_HU:.0f} HU) of the CTA; "
        "check that model and CTA are of one scan and in one frame"
    )


def _in_contrast(points_mm: Float[np.ndarray, "n 3"], ct: CtVolume) -> float:
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    index = points_mm @ index_from_lps[:3, :3].T + index_from_lps[:3, 3]
    hu = ndimage.map_coordinates(ct.voxels_hu, index.T, order=1, mode="constant", cval=-1000.0, output=float)
    return float((hu > _CONTRAST_HU).mean())


def _check_in_surface(tree: CenterlineTree, surface: SurfaceMesh, where: str, note: Note) -> None:
    """Of the centerline points next to the surface, most lie within it or at its wall."""
    points_mm = tree.resampled(1.0).points_mm()
    low, high = surface.vertices_mm.min(axis=0), surface.vertices_mm.max(axis=0)
    near = ((points_mm >= low) & (points_mm <= high)).all(axis=1)
    if not near.any():
        return
    step_mm = float(np.clip((high - low).max() / _INSIDE_STEPS, *_STEP_MM))
    mask, lps_from_index = mask_from_surface(surface, step_mm)
    if not mask.any():
        return  # a sheet has no inside
    index = np.rint((points_mm[near] - lps_from_index[:3, 3]) / step_mm).astype(int)
    inside = mask[tuple(np.clip(index, 0, np.array(mask.shape) - 1).T)]
    inside |= KDTree(surface_samples(surface)).query(points_mm[near])[0] <= _AT_WALL_MM
    share = float(inside.mean())
    if share < _LEAST_IN_SURFACE:
        raise InputError(
            f"{where}: only {100 * share:.0f} % of the centerlines lie within the surface, expected nearly all; export "
            "both in LPS mm of one scan (RAS models have x and y negated), or give --placement"
        )
    if share < _WELL_IN_SURFACE:
        note(
            f"{where}: only {100 * share:.0f} % of the centerlines lie within the surface; check that both are of one "
            "scan and in one frame"
        )


def _refuse_apart(inside: float, inner: str, outer: str, where: str) -> None:
    if inside < _MIN_INSIDE_SHARE:
        raise InputError(
            f"{where}: only {100 * inside:.0f} % of the {inner} lie where the {outer} is, expected at least "
            f"{100 * _MIN_INSIDE_SHARE:.0f} %; export both in LPS mm of one scan (RAS models have x and y negated), "
            "or give --placement"
        )
