"""A coronary centerline between two points of a CT: the cheapest way through contrast."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from skimage.graph import MCP_Geometric

from calibration.errors import InputError
from engines.anatomy.vessel_model import Branch, CenterlineTree, CtVolume
from engines.ivus.features.ct_maps import ct_maps
from engines.ivus.geometry.straightened import sample_ct
from engines.ivus.geometry.vessel_course import vessel_course

_MARGIN_MM = 25.0
_TISSUE_HU = 80.0
_LEAST_CONTRAST_HU = 130.0
_SNAP_MM = 2.0
_MAX_VOXELS = 60_000_000


def line_between(
    ct: CtVolume, ostium_mm: Float[np.ndarray, " 3"], distal_mm: Float[np.ndarray, " 3"]
) -> CenterlineTree:
    """The vessel between two points, recentred, with radii.

    Raises:
        InputError: a point outside the CT or without contrast, or no contrast on the way.
    """
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    ends = []
    for name, point in (("--ostium", ostium_mm), ("--distal", distal_mm)):
        index = index_from_lps[:3, :3] @ point + index_from_lps[:3, 3]
        if (index < 0).any() or (index > np.array(ct.voxels_hu.shape) - 1).any():
            raise InputError(f"{name} {_text(point)}: lies outside the CT; give LPS mm of a point in the vessel")
        ends.append(_brightest(ct, point))
    levels = [float(sample_ct(ct, end[None])[0]) for end in ends]
    if min(levels) < _LEAST_CONTRAST_HU:
        worst = ("--ostium", "--distal")[int(np.argmin(levels))]
        raise InputError(f"{worst}: {min(levels):.0f} HU there, expected contrast of at least "
                         f"{_LEAST_CONTRAST_HU:.0f}; give a point inside the vessel")  # fmt: skip
    points = _cheapest_way(ct, ends[0], ends[1], 0.5 * (min(levels) + _TISSUE_HU))
    course = vessel_course(ct, points, beyond_mm=0.0)
    maps = ct_maps(ct, course)
    branch = Branch(points_mm=course.frame.points_mm, radius_mm=maps.size_mm, name="")
    return CenterlineTree(branches=(branch,))


def _brightest(ct: CtVolume, point: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """The middle of the contrast near a clicked point."""
    steps = np.arange(-_SNAP_MM, _SNAP_MM + 1e-6, 0.4)
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets, axis=1) <= _SNAP_MM]
    hu = sample_ct(ct, point + offsets)
    score = hu - 20.0 * np.linalg.norm(offsets, axis=1)
    return point + offsets[int(np.argmax(score))]


def _cheapest_way(
    ct: CtVolume, first: Float[np.ndarray, " 3"], last: Float[np.ndarray, " 3"], middle_hu: float
) -> Float[np.ndarray, "n 3"]:
    index_from_lps = np.linalg.inv(ct.lps_from_index)
    ends = np.stack([index_from_lps[:3, :3] @ p + index_from_lps[:3, 3] for p in (first, last)])
    margin = np.ceil(_MARGIN_MM / np.array(ct.spacing_mm)).astype(int)
    low = np.maximum(np.floor(ends.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(ends.max(axis=0)).astype(int) + margin + 1, ct.voxels_hu.shape)
    if np.prod((high - low).astype(np.float64)) > _MAX_VOXELS:
        raise InputError("--ostium and --distal are too far apart for one vessel; give points of the same artery")
    box = ct.voxels_hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]].astype(np.float32)
    cost = 0.02 + 1.0 / (1.0 + np.exp((box - middle_hu) / 25.0))
    search = MCP_Geometric(cost, sampling=tuple(float(s) for s in ct.spacing_mm))
    start, goal = (tuple(int(v) for v in np.rint(end - low)) for end in ends)
    search.find_costs([start], [goal])
    way = np.array(search.traceback(goal), dtype=np.float64) + low
    points = way @ ct.lps_from_index[:3, :3].T + ct.lps_from_index[:3, 3]
    on_way = sample_ct(ct, points)
    if len(points) < 4 or float((on_way < middle_hu - 60.0).mean()) > 0.25:
        raise InputError(
            "no vessel with contrast joins --ostium and --distal in this CT; check that both points lie in one artery"
        )
    return points


def _text(point: Float[np.ndarray, " 3"]) -> str:
    return ",".join(f"{value:g}" for value in point)
