"""A vessel that was missed, from one click: the brightest way to the model, on to its tip, and the lumen about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.graph import MCP_Geometric
from skimage.measure import label

from calibration.errors import InputError
from engines.anatomy.centerlines.lumen_grid import centred_lines, lumen_grid
from engines.anatomy.centerlines.polyline import Polyline
from engines.anatomy.centerlines.skeleton_graph import VoxelPath
from engines.anatomy.correcting.edits import AddVessel
from engines.anatomy.correcting.places import Box, Index, as_index, box_about, class_at, spacing_of
from engines.anatomy.vessel_model import CtVolume, LabelVolume
from engines.anatomy.working_grid import within

_SNAP_MM = 2.0  # the brightest voxel this near to the click is meant
_SURROUNDINGS_MM = (8.0, 20.0)
_LEAST_CONTRAST_HU = 70.0
_DENSER_SHARE, _DENSER_HU = 1.5, 150.0  # than blood: bone, calcium, metal
_MARGIN_MM, _FARTHEST_MM = 30.0, 120.0
_DARK_COST = 40.0  # a millimetre without contrast is as long as so many with it
_DARK_SHARE, _LONGEST_DARK_MM = 0.35, 4.0  # a tight stenosis is dark over less
_WALL_SHARE = 0.5
_LONGEST_TIP_MM = 60.0
_BURST = 4.0  # a front so many times wider than the vessel has left it
_LEAST_MM = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundVessel:
    """Voxels of a vessel that was added, in their box, and its line from the model to the tip.

    Args:
        number: the structure of the model that it reaches.
    """

    box: Box
    lumen: Bool[np.ndarray, "i j k"]
    line: Polyline
    number: int


def found_vessel(labels: LabelVolume, ct: CtVolume, edit: AddVessel) -> FoundVessel:
    """What hangs on a click.

    Raises:
        InputError: no contrast there, bone, a vessel that is in the model, or no bright way to the model.
    """
    spacing = spacing_of(labels)
    box = _searched(labels, edit, spacing)
    hu = _sampled(ct, labels, box)
    model = labels.labels[box] > 0
    ends = model if not edit.said else model & _of_side(labels, box, vein=edit.said == "vein")
    i, j, k = (np.rint(as_index(labels, edit.seed_mm)).astype(int) - np.array([side.start for side in box])).tolist()
    if model[i, j, k]:
        raise InputError("that place is in the model already; click on the vessel that is missing")
    known_hu = float(np.median(hu[model])) if model.any() else float(hu[i, j, k])
    if hu[i, j, k] > _densest(known_hu):
        raise InputError(
            f"that is denser than the model's blood ({hu[i, j, k]:.0f} against {known_hu:.0f} HU): bone or calcium; "
            "click beside it"
        )
    seed = _brightest(np.where(model | (hu > _densest(known_hu)), np.float32(-np.inf), hu), (i, j, k), spacing)
    blood_hu, tissue_hu = _levels(hu, seed, spacing)
    way = _way(hu, seed, ends, blood_hu, tissue_hu, spacing)
    number = int(labels.labels[box][tuple(way[-1])])
    wall_hu = tissue_hu + _WALL_SHARE * (blood_hu - tissue_hu)
    bright = (hu > wall_hu) & (hu < _densest(blood_hu)) & ~model
    radius_mm = _radius_mm(bright, way, spacing)
    tip = _tip(bright, way, seed, radius_mm, spacing)
    line = np.concatenate([tip[::-1], way])[::-1]  # from the model outwards
    about = np.zeros(model.shape, dtype=bool)
    about[tuple(line.T)] = True
    lumen = (within(about, 1.5 * radius_mm + float(spacing.min()), spacing) & bright) | (about & ~model)
    lumen = _hanging(lumen, seed)
    return FoundVessel(box=box, lumen=lumen, line=_centred(lumen, line, labels, box), number=number)


def _searched(labels: LabelVolume, edit: AddVessel, spacing: Float[np.ndarray, " 3"]) -> Box:
    at, shape = as_index(labels, edit.seed_mm), labels.labels.shape
    if ((at < -0.5) | (at > np.array(shape) - 0.5)).any():
        raise InputError("that place lies outside of the volume; click inside the scan")
    reach = box_about(shape, at, at, _FARTHEST_MM / spacing)
    near = np.argwhere(labels.labels[reach][::2, ::2, ::2] > 0) * 2 + np.array([side.start for side in reach])
    if not len(near):
        raise InputError(f"no vessel of the model lies within {_FARTHEST_MM:g} mm of that place; click nearer to it")
    nearest = near[int(np.linalg.norm((near - at) * spacing, axis=1).argmin())]
    return box_about(shape, at, nearest, _MARGIN_MM / spacing)


def _sampled(ct: CtVolume, labels: LabelVolume, box: Box) -> Float[np.ndarray, "i j k"]:
    """The CT on the voxels of the labels; over them where its own are finer."""
    start = np.array([side.start for side in box])
    if ct.voxels_hu.shape == labels.labels.shape and np.allclose(ct.lps_from_index, labels.lps_from_index, atol=1e-3):
        return np.asarray(ct.voxels_hu[box], dtype=np.float32)
    ct_from_labels = np.linalg.inv(ct.lps_from_index) @ labels.lps_from_index
    shape = tuple(side.stop - side.start for side in box)
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1) + start
    ends = corners @ ct_from_labels[:3, :3].T + ct_from_labels[:3, 3]
    part = box_about(ct.voxels_hu.shape, ends.min(axis=0), ends.max(axis=0), np.full(3, 2.0))
    own = np.asarray(ct.voxels_hu[part], dtype=np.float32)
    blur = np.maximum(spacing_of(labels) / np.array(ct.spacing_mm) - 1.0, 0.0) / 2.0
    own = np.asarray(ndimage.gaussian_filter(own, blur[np.abs(ct_from_labels[:3, :3]).argmax(axis=1)]))
    index = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1) + start
    places = index @ ct_from_labels[:3, :3].T + ct_from_labels[:3, 3] - np.array([side.start for side in part])
    return ndimage.map_coordinates(own, np.moveaxis(places, -1, 0), order=1, mode="nearest").astype(np.float32)


def _of_side(labels: LabelVolume, box: Box, *, vein: bool) -> Bool[np.ndarray, "i j k"]:
    numbers = [number for number in labels.names if (class_at(labels, number) == "vein") == vein]
    return np.isin(labels.labels[box], numbers)


def _brightest(hu: Float[np.ndarray, "i j k"], at: Index, spacing: Float[np.ndarray, " 3"]) -> Index:
    box = box_about(hu.shape, at, at, _SNAP_MM / spacing)
    own = np.maximum(hu[box], -2000.0)
    part = np.where(np.isfinite(hu[box]), ndimage.uniform_filter(own, 2), -np.inf)  # one bright voxel is noise
    i, j, k = (np.array(np.unravel_index(int(part.argmax()), part.shape)) + [side.start for side in box]).tolist()
    return i, j, k


def _levels(hu: Float[np.ndarray, "i j k"], seed: Index, spacing: Float[np.ndarray, " 3"]) -> tuple[float, float]:
    """Blood in the vessel, and tissue beside it.

    Raises:
        InputError: too little contrast.
    """
    blood_hu = float(np.mean(np.sort(hu[box_about(hu.shape, seed, seed, np.ones(3))].ravel())[-8:]))
    # A wide vessel fills its near surroundings.
    around = [hu[box_about(hu.shape, seed, seed, reach_mm / spacing)] for reach_mm in _SURROUNDINGS_MM]
    tissue_hu = min(float(np.percentile(values, 40)) for values in around)
    if blood_hu - tissue_hu < _LEAST_CONTRAST_HU:
        raise InputError(
            f"no contrast there: {blood_hu:.0f} HU in tissue of {tissue_hu:.0f}; click on the bright vessel, in slices"
        )
    return blood_hu, tissue_hu


def _densest(blood_hu: float) -> float:
    return max(_DENSER_SHARE * blood_hu, blood_hu + _DENSER_HU)


def _way(
    hu: Float[np.ndarray, "i j k"], seed: Index, ends: Bool[np.ndarray, "i j k"], blood_hu: float, tissue_hu: float,
    spacing: Float[np.ndarray, " 3"],
) -> Int[np.ndarray, "n 3"]:  # fmt: skip
    """Voxels from the click to the first of the model, along the brightest way.

    Raises:
        InputError: none that is bright enough.
    """
    missing = np.clip((blood_hu - hu) / (blood_hu - tissue_hu), 0.0, 1.5)
    missing = np.where(hu > _densest(blood_hu), 1.5, missing)
    search = MCP_Geometric(1.0 + _DARK_COST * missing**2, sampling=tuple(spacing.tolist()))
    targets = np.argwhere(ends & ~np.asarray(ndimage.binary_erosion(ends), dtype=bool))
    if not len(targets):
        raise InputError("no vessel of that class lies near; choose the class of the vessel that it springs from")
    cost, _ = search.find_costs([seed], targets.tolist(), find_all_ends=False)
    reached = targets[int(np.where(np.isfinite(cost[tuple(targets.T)]), cost[tuple(targets.T)], np.inf).argmin())]
    way = np.array(search.traceback(reached.tolist()))
    dark = missing[tuple(way.T)] > 1.0 - _DARK_SHARE
    steps = np.concatenate([[0.0], np.linalg.norm(np.diff(way, axis=0) * spacing, axis=1)])
    longest_mm = run_mm = 0.0
    for is_dark, step_mm in zip(dark.tolist(), steps.tolist(), strict=True):
        run_mm = run_mm + step_mm if is_dark else 0.0
        longest_mm = max(longest_mm, run_mm)
    if longest_mm > _LONGEST_DARK_MM:
        raise InputError(
            f"no bright way from there to the model: {longest_mm:.0f} mm of the best one are dark; click nearer to the "
            "model first"
        )
    return way


def _radius_mm(bright: Bool[np.ndarray, "i j k"], way: Int[np.ndarray, "n 3"], spacing: np.ndarray) -> float:
    """Of the vessel along the way; half a voxel at least."""
    depth = np.asarray(ndimage.distance_transform_edt(bright, sampling=spacing))
    deepest = np.asarray(ndimage.maximum_filter(depth, 3))[tuple(way.T)]
    deepest = deepest[deepest > 0]
    return max(float(np.median(deepest)) if len(deepest) else 0.0, 0.5 * float(spacing.max()))


def _tip(
    bright: Bool[np.ndarray, "i j k"], way: Int[np.ndarray, "n 3"], seed: Index, radius_mm: float,
    spacing: Float[np.ndarray, " 3"],
) -> Int[np.ndarray, "m 3"]:  # fmt: skip
    """Voxels onwards from the click, away from the model, as far as the vessel keeps its width."""
    taken = np.zeros(bright.shape, dtype=bool)
    taken[tuple(way[1:].T)] = True
    free = bright & ~within(taken, 1.5 * radius_mm, spacing) if len(way) > 1 else bright.copy()
    free[seed] = True
    if not len(way) > 1 or not np.asarray(ndimage.maximum_filter(free, 3))[seed]:
        return np.empty((0, 3), dtype=np.int64)
    # The tube about the way back is closed, but for the ball about the click, so that the front can leave it.
    ball = np.zeros(bright.shape, dtype=bool)
    ball[seed] = True
    free |= within(ball, 2.0 * radius_mm, spacing) & bright
    search = MCP_Geometric(np.where(free, 1.0, -1.0), sampling=tuple(spacing.tolist()))
    far_mm = np.asarray(search.find_costs([seed])[0])
    step_mm = max(1.0, float(spacing.max()))
    bins = np.where(np.isfinite(far_mm), far_mm / step_mm, -1.0).astype(np.int64)
    counts = np.bincount(bins[bins >= 0].ravel())
    most = _BURST * (np.pi * (radius_mm + 0.5 * float(spacing.max())) ** 2 * step_mm) / float(np.prod(spacing))
    near = int(np.ceil(2.5 * radius_mm / step_mm))  # a ball grows before it becomes a tube
    burst = np.flatnonzero(counts[near:] > most)
    stop = min(int(burst[0]) + near if len(burst) else len(counts), int(_LONGEST_TIP_MM / step_mm))
    allowed = np.where((bins >= 0) & (bins < stop), far_mm, -1.0)
    i, j, k = np.unravel_index(int(allowed.argmax()), allowed.shape)
    tip = np.array(search.traceback((int(i), int(j), int(k))))[1:]
    back_mm = KDTree(way[1:] * spacing).query(np.array([[i, j, k]]) * spacing)[0][0]
    return tip if back_mm > 2.0 * radius_mm else np.empty((0, 3), dtype=np.int64)


def _hanging(mask: Bool[np.ndarray, "i j k"], seed: Index) -> Bool[np.ndarray, "i j k"]:
    parts = np.asarray(label(mask, connectivity=3))
    return parts == parts[seed]


def _centred(lumen: Bool[np.ndarray, "i j k"], line: Int[np.ndarray, "n 3"], labels: LabelVolume, box: Box) -> Polyline:
    """The line in the middle of its lumen with radii, from the model outwards.

    Raises:
        InputError: too short to be a vessel.
    """
    shift = np.eye(4)
    shift[:3, 3] = [side.start for side in box]
    grid = lumen_grid(lumen, labels.lps_from_index @ shift)
    assert grid is not None  # the lumen holds the line
    grid_from_box = np.linalg.inv(grid.lps_from_grid) @ labels.lps_from_index @ shift
    points = line @ grid_from_box[:3, :3].T + grid_from_box[:3, 3]
    path = VoxelPath(points=points, start_is_free=False, end_is_free=True)
    lines = centred_lines([path], grid)
    if not lines or lines[0].length_mm < _LEAST_MM:
        raise InputError(f"less than {_LEAST_MM:g} mm of a vessel hang there; click on a longer one")
    return lines[0]
