"""Vessels of the neck, followed through the bone of the skull base along paths that stay as bright as the vessel."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from scipy import ndimage
from skimage.graph import MCP_Geometric
from skimage.measure import label, regionprops

from engines.anatomy.extraction.head import AIR_HU, WALL_OF_AIR_MM, Head, near_air, plateau_hu
from engines.anatomy.working_grid import (
    WorkingGrid,
    along_lps,
    grown,
    parts_of_at_least,
    parts_touching,
    thick_parts,
    within,
)

_THICKEST_TUBE_MM = 6.5  # radius; a jugular bulb is this thick
_SHORTEST_TUBE_MM = 10.0
_TUBE_MM3 = 60.0
_TRUNK_MM3 = 300.0
_FROM_BELOW_MM = 10.0
_BRIGHTEST_TUBE = 1.1  # relative to the level in the brain; brighter tubes are bone
_LONGEST_BRIDGE_MM = 60.0


def tubes_below(grid: WorkingGrid, head: Head, above: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """Carotid, vertebral and jugular vessels of the neck, followed through the skull base."""
    hu = grid.hu
    height_mm = along_lps(grid, 2)
    below = height_mm < float(np.median(height_mm[head.cavity]))
    bright = (
        (hu > head.lowest_hu)
        & (hu < head.densest_blood_hu)
        & ~head.solid
        & ~near_air(grid, WALL_OF_AIR_MM)
        & below
        & ~head.cavity
    )
    bright &= grown(bright & ~grown(head.bone, 1), 1)
    too_thick = thick_parts(grid, bright, _THICKEST_TUBE_MM)
    bright &= ~too_thick
    trunks = parts_of_at_least(above, _TRUNK_MM3 / grid.voxel_mm3)
    found = np.zeros(hu.shape, dtype=bool)
    # Carotid and jugular touch in the neck: take the brighter vessels with their walls first, then the rest.
    for share in (0.6, 0.0):
        lowest_hu = max(head.lowest_hu, head.brain_hu + share * (head.blood_hu - head.brain_hu))
        left = bright & (hu > lowest_hu) & ~grown(found, 1)
        tubes = _led_upwards(grid, head, left, trunks)
        wall_hu = max(head.lowest_hu, head.brain_hu + 0.8 * share * (head.blood_hu - head.brain_hu))
        found |= tubes | (grown(tubes, 1) & (hu > wall_hu) & (hu < head.densest_blood_hu) & ~head.bone)
    return found


def _led_upwards(
    grid: WorkingGrid, head: Head, bright: Bool[np.ndarray, "i j k"], trunks: Bool[np.ndarray, "i j k"]
) -> Bool[np.ndarray, "i j k"]:
    """Parts that enter at the volume's lower end, each with its bridge to a trunk of the same brightness."""
    plateau = plateau_hu(grid, bright | trunks)
    height_mm = along_lps(grid, 2)
    bottom_mm = float(height_mm[grid.hu > AIR_HU].min())
    found = np.zeros(bright.shape, dtype=bool)
    for part in regionprops(np.asarray(label(bright, connectivity=3))):
        span_mm = (np.array(part.bbox[3:]) - np.array(part.bbox[:3])) * grid.spacing_mm
        if float(span_mm.max()) < _SHORTEST_TUBE_MM or part.area * grid.voxel_mm3 < _TUBE_MM3:
            continue
        tube = np.zeros(bright.shape, dtype=bool)
        tube[part.slice] = part.image
        level = float(np.median(plateau[tube]))
        if float(height_mm[tube].min()) > bottom_mm + _FROM_BELOW_MM or level > _BRIGHTEST_TUBE * head.blood_hu:
            continue
        tube &= grid.hu > head.brain_hu + 0.45 * (level - head.brain_hu)
        targets = trunks & (np.abs(plateau - level) < 0.25 * level)
        if (grown(tube, 2) & targets).any():
            found |= tube
            continue
        bridge = _bridge(grid, tube, targets, level)
        if bridge is not None:  # a part without a bridge is marrow
            found |= tube | bridge
    return found


def _bridge(
    grid: WorkingGrid, tube: Bool[np.ndarray, "i j k"], targets: Bool[np.ndarray, "i j k"], level: float
) -> Bool[np.ndarray, "i j k"] | None:
    """The path of a tube through bone to the vessels above, on which voxels stay as bright as the tube."""
    spacing_mm = grid.spacing_mm
    margin = np.ceil(_LONGEST_BRIDGE_MM / spacing_mm).astype(int)
    index = np.argwhere(tube)
    height_mm = index @ grid.lps_from_index[2, :3]
    top = index[height_mm > height_mm.max() - 6.0]
    low = np.maximum(top.min(axis=0) - margin, 0)
    high = np.minimum(top.max(axis=0) + margin + 1, tube.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    ends = targets[box]
    if not ends.any():
        return None
    off = np.abs(ndimage.gaussian_filter(grid.hu[box], 0.6) - level) / (0.2 * level)
    cost = np.where(off < 3.0, 1.0 + off**2, -1.0)  # soft tissue and cortical bone block the path
    search = MCP_Geometric(cost, sampling=tuple(spacing_mm.tolist()))
    starts = top - low
    reached, _ = search.find_costs(starts)
    reached = np.where(ends, reached, np.inf)
    if not np.isfinite(reached).any():
        return None
    end = np.unravel_index(int(np.argmin(reached)), reached.shape)
    path = np.array(search.traceback(end))
    off_tube = path[~tube[box][tuple(path.T)]]
    length_mm = float(np.linalg.norm(np.diff(path, axis=0) * spacing_mm, axis=1).sum())
    if len(off_tube) == 0 or length_mm > 2.0 * _LONGEST_BRIDGE_MM:
        return None
    # A path inside a vessel costs little more than its length; one through bone or brain costs tens of times that.
    if float(np.median(cost[tuple(off_tube.T)])) > 3.0:
        return None
    height_mm -= height_mm.min()
    area_mm2 = len(index) * grid.voxel_mm3 / max(float(height_mm.max()), 3.0)
    radius_mm = float(np.clip(np.sqrt(area_mm2 / np.pi), 1.2, 4.5))
    line = np.zeros(ends.shape, dtype=bool)
    line[tuple(path.T)] = True
    around = within(line, radius_mm, spacing_mm) & (off < 2.2)
    result = np.zeros(tube.shape, dtype=bool)
    result[box] = parts_touching(around | line, line)
    return result
