"""Arteries and veins of a head CTA: the brain case by surroundedness, vessels within, tubes below, bridges between.

Contrast level, noise and threshold come from the brain itself. Arteries and veins part by where they start (large
superficial sinuses against the deep centre of the skull base, as in DeepIterReg) and how bright they stay along the
way. Both are guesses, written as labels that a person can repaint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from skimage.graph import MCP_Geometric
from skimage.measure import label, regionprops

from calibration.errors import InputError
from engines.anatomy.working_grid import (
    WorkingGrid,
    closed,
    coarser,
    finer,
    largest_part,
    opened,
    parts_of_at_least,
    parts_touching,
    within,
)

ARTERY, VEIN = 1, 2
CEREBRAL_NAMES = {ARTERY: "cerebral arteries", VEIN: "cerebral veins"}

_BONE_HU = 500.0  # cortical bone, 700 and more, halved with its neighbours
_BRAIN_HU = (10.0, 70.0)  # grey and white matter of a CTA, 25 to 50, and what reconstruction adds
_AIR_HU = -300.0
_COARSE_MM = 3.3
_FARTHEST_BONE_MM = 200.0  # from any point of the brain, in any direction
_SURROUNDED = 0.8  # share of 26 directions that meet bone: all in the brain, about half in the face and the neck
_SMALLEST_BRAIN_ML = 300.0
_HULL_MM = 10.0  # closing of the brain: sinuses lie in grooves of its surface
_GAP_MM = 4.0  # half the width of marrow between cortices
_MARROW_MM, _ENCLOSED = 12.0, 0.75  # marrow of petrous bone and clivus: dense bone so near, in so many directions
_BONE_MM3 = 300.0
_VESSEL_MM3 = 15.0
_WALL_SHARE = 0.52  # of the vessel's level above the brain's
_SINUS_OUT_MM = 6.0  # sinuses reach so far into grooves of the inner table
_THICK_SINUS_MM = 1.6
_THIN_SINUS_MM = 1.1
_THICKEST_TUBE_MM = 6.5  # radius of a jugular bulb
_SHORTEST_TUBE_MM = 10.0
_TUBE_MM3 = 60.0
_TRUNK_MM3 = 300.0
_FROM_BELOW_MM = 10.0
_BRIGHTEST_TUBE = 1.1  # of the level in the brain; brighter is bone
_LONGEST_BRIDGE_MM = 60.0
_WALL_OF_AIR_MM = 3.0  # thin bone about nose and sinuses is as bright as a vessel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """What a head CTA tells about itself.

    Args:
        brain_hu, noise_hu: middle and spread of brain tissue.
        blood_hu: level of well filled arteries.
        lowest_hu: faintest vessel.
        bone: dense voxels.
        solid: bone and the marrow between.
        cavity: inside of the brain case, sinuses included.
    """

    brain_hu: float
    noise_hu: float
    blood_hu: float
    lowest_hu: float
    bone: Bool[np.ndarray, "i j k"]
    solid: Bool[np.ndarray, "i j k"]
    cavity: Bool[np.ndarray, "i j k"]

    @property
    def densest_blood_hu(self) -> float:
        return max(1.3 * self.blood_hu, self.blood_hu + 80.0)


def cerebral_vessels(grid: WorkingGrid) -> UInt8[np.ndarray, "i j k"]:
    """Labels: 1 artery, 2 vein.

    Raises:
        InputError: no brain case in the volume, or no contrast in it.
    """
    head = read_head(grid)
    inside = _vessels_inside(grid, head)
    sinuses = _sinuses(grid, head, inside)
    walls = _half_maximum(grid, head, inside) | sinuses
    vessels = walls | _tubes_below(grid, head, walls)
    return _arteries_and_veins(grid, head, vessels)


def read_head(grid: WorkingGrid) -> Head:
    """Find brain, bone and contrast level."""
    hu, spacing_mm = grid.hu, grid.spacing_mm
    a, b, c = (max(1, round(_COARSE_MM / float(mm))) for mm in spacing_mm)
    blocks = (a, b, c)
    rough, rough_mm = _brain_case(coarser(hu > _BONE_HU, blocks), spacing_mm * np.array(blocks))
    if rough.sum() * np.prod(rough_mm) < 1000.0 * _SMALLEST_BRAIN_ML:
        raise InputError(
            "no brain case in this CT: expected a space of at least 300 ml with bone all about it; give a head CTA "
            "from the skull base to the crown, or the vessels as labels, surface or centerlines"
        )
    deep = finer(ndimage.binary_erosion(rough), blocks, hu.shape)
    brain_hu = float(np.median(hu[deep]))
    if not _BRAIN_HU[0] <= brain_hu <= _BRAIN_HU[1]:
        raise InputError(f"the middle of the brain case has {brain_hu:.0f} HU, expected brain; give a head CTA in HU")
    noise_hu = float(1.4826 * np.median(np.abs(hu[deep] - brain_hu)))
    dense = coarser(parts_of_at_least(hu > 0.9 * _BONE_HU, 3 * _BONE_MM3 / grid.voxel_mm3), (2, 2, 2))
    dense = finer(within(_with_marrow(dense, 2 * spacing_mm), 4.0, 2 * spacing_mm), (2, 2, 2), hu.shape)
    dense |= _near_air(grid, 2.0 * _WALL_OF_AIR_MM)
    filled = hu[deep & ~dense & (hu > brain_hu + max(90.0, 6.0 * noise_hu))]
    if len(filled) * grid.voxel_mm3 < 200.0:
        raise InputError("no contrast in the vessels of the brain; give a CTA, or labels, surface or centerlines")
    blood_hu = float(np.percentile(filled, 95))
    lowest_hu = brain_hu + max(4.5 * noise_hu, 0.2 * (blood_hu - brain_hu))
    densest_hu = max(1.3 * blood_hu, blood_hu + 80.0)
    bone = parts_of_at_least(hu > densest_hu, _BONE_MM3 / grid.voxel_mm3)
    soft = (hu > brain_hu - 90.0) & (hu < lowest_hu) & finer(within(rough, 5.0, rough_mm), blocks, hu.shape)
    cavity = _hull_of_brain(soft, grid)
    solid = finer(_with_marrow(coarser(bone, (2, 2, 2)), 2 * spacing_mm), (2, 2, 2), hu.shape)
    return Head(
        brain_hu=brain_hu, noise_hu=noise_hu, blood_hu=blood_hu, lowest_hu=lowest_hu, bone=bone, solid=solid | bone,
        cavity=cavity,
    )  # fmt: skip


def _brain_case(
    bone: Bool[np.ndarray, "a b c"], spacing_mm: Float[np.ndarray, " 3"]
) -> tuple[Bool[np.ndarray, "a b c"], Float[np.ndarray, " 3"]]:
    """The largest space with bone in nearly all directions."""
    case = largest_part(opened((_surrounded(bone, spacing_mm, _FARTHEST_BONE_MM) > _SURROUNDED) & ~bone, 2))
    return np.asarray(ndimage.binary_fill_holes(closed(case, 8.0, spacing_mm)), dtype=bool), spacing_mm


def _surrounded(
    bone: Bool[np.ndarray, "a b c"], spacing_mm: Float[np.ndarray, " 3"], farthest_mm: float
) -> Float[np.ndarray, "a b c"]:
    """Share of 26 directions in which bone is met within a distance."""
    reach = int(farthest_mm / float(spacing_mm.max()))
    padded = np.pad(bone, reach)
    met = np.zeros(bone.shape, dtype=np.float32)
    directions = [np.array(d) - 1 for d in np.ndindex(3, 3, 3) if d != (1, 1, 1)]
    for direction in directions:
        hit = np.zeros(bone.shape, dtype=bool)
        for step in range(1, int(reach / np.linalg.norm(direction)) + 1):
            corner = reach + step * direction
            hit |= padded[tuple(slice(at, at + size) for at, size in zip(corner.tolist(), bone.shape, strict=True))]
        met += hit
    return met / len(directions)


def _with_marrow(bone: Bool[np.ndarray, "a b c"], spacing_mm: Float[np.ndarray, " 3"]) -> Bool[np.ndarray, "a b c"]:
    """Bone, the gaps in it, and what lies deep within it."""
    return closed(bone, _GAP_MM, spacing_mm) | (_surrounded(bone, spacing_mm, _MARROW_MM) > _ENCLOSED)


def _hull_of_brain(soft: Bool[np.ndarray, "i j k"], grid: WorkingGrid) -> Bool[np.ndarray, "i j k"]:
    """Brain tissue with its grooves, ventricles and vessels filled, and the depth of the dura about it."""
    coarse = soft[::2, ::2, ::2]
    brain = opened(largest_part(opened(coarse, 1)), 2)
    spacing_mm = 2 * grid.spacing_mm
    hull = np.asarray(ndimage.binary_fill_holes(closed(brain, _HULL_MM, spacing_mm)), dtype=bool)
    return finer(within(hull, 1.5, spacing_mm), (2, 2, 2), soft.shape)


def _vessels_inside(grid: WorkingGrid, head: Head) -> Bool[np.ndarray, "i j k"]:
    """Bright in the cavity: hysteresis, and no rim of bone."""
    hu = grid.hu
    bright = (hu > head.lowest_hu) & ~head.bone & ~head.solid & head.cavity
    # Partial volume lines the inner table with a sheet one voxel thick; a vessel there has a core beyond it.
    core = bright & ~_grown(head.bone, 1)
    bright &= _grown(core, 1)
    sure = bright & (hu > head.brain_hu + 0.35 * (head.blood_hu - head.brain_hu))
    # The thin walls of air cells (frontal, sphenoid) lie within the brain's hull and are as bright as a vessel.
    bright &= ~_near_air(grid, _WALL_OF_AIR_MM)
    vessels = parts_of_at_least(parts_touching(bright, sure), _VESSEL_MM3 / grid.voxel_mm3)
    parts = np.asarray(label(vessels, connectivity=3))
    size = np.bincount(parts.ravel())
    at_air = np.bincount(parts.ravel(), weights=_near_air(grid, 2.0 * _WALL_OF_AIR_MM).ravel()) / np.maximum(size, 1)
    return vessels & (at_air < 0.4)[parts]


def _near_air(grid: WorkingGrid, distance_mm: float) -> Bool[np.ndarray, "i j k"]:
    air = within(coarser(grid.hu < _AIR_HU, (2, 2, 2)), distance_mm, 2 * grid.spacing_mm)
    return finer(air, (2, 2, 2), grid.hu.shape)


def _half_maximum(grid: WorkingGrid, head: Head, vessels: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """The wall lies where half of the vessel's own level is reached: bright ones blur wider than faint ones."""
    level = ndimage.maximum_filter(np.where(vessels, grid.hu, head.brain_hu), 3)
    return vessels & (grid.hu > head.brain_hu + _WALL_SHARE * (np.minimum(level, head.blood_hu) - head.brain_hu))


def _sinuses(grid: WorkingGrid, head: Head, inside: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """Thick vessels at the inner table, followed into its grooves as long as they stay as bright."""
    thick = _thick(grid, inside, _THIN_SINUS_MM) & ~_deep(grid, head, 8.0) & _upper_or_back(grid, head)
    if not thick.any():
        return thick
    level = _mode(grid.hu[thick], width_hu=max(10.0, head.noise_hu))
    alike = (grid.hu > head.brain_hu + 0.5 * (level - head.brain_hu)) & ~head.bone
    alike &= grid.hu < level + max(0.3 * level, 4.0 * head.noise_hu)
    near = within(coarser(head.cavity, (2, 2, 2)), _SINUS_OUT_MM, 2 * grid.spacing_mm)
    alike &= finer(near, (2, 2, 2), alike.shape)
    core = np.asarray(ndimage.binary_erosion(alike), dtype=bool) | (thick & alike)
    return parts_touching(alike & _grown(core, 1), thick)


def _mode(values: Float[np.ndarray, " n"], width_hu: float) -> float:
    """The most frequent value, to a bin of this width."""
    counts, edges = np.histogram(values, np.arange(values.min(), values.max() + 2 * width_hu, width_hu))
    return float(edges[counts.argmax()] + 0.5 * width_hu)


def _tubes_below(grid: WorkingGrid, head: Head, above: Bool[np.ndarray, "i j k"]) -> Bool[np.ndarray, "i j k"]:
    """Carotid, vertebral and jugular vessels of the neck, led through the skull base."""
    hu = grid.hu
    height_mm = _along_lps(grid, 2)
    below = height_mm < float(np.median(height_mm[head.cavity]))
    bright = (
        (hu > head.lowest_hu)
        & (hu < head.densest_blood_hu)
        & ~head.solid
        & ~_near_air(grid, _WALL_OF_AIR_MM)
        & below
        & ~head.cavity
    )
    bright &= _grown(bright & ~_grown(head.bone, 1), 1)
    too_thick = _thick(grid, bright, _THICKEST_TUBE_MM)
    bright &= ~too_thick
    trunks = parts_of_at_least(above, _TRUNK_MM3 / grid.voxel_mm3)
    found = np.zeros(hu.shape, dtype=bool)
    # Carotid and jugular touch in the neck: the brighter are taken first, with their walls, then what is left.
    for share in (0.6, 0.0):
        lowest_hu = max(head.lowest_hu, head.brain_hu + share * (head.blood_hu - head.brain_hu))
        left = bright & (hu > lowest_hu) & ~_grown(found, 1)
        tubes = _led_upwards(grid, head, left, trunks)
        wall_hu = max(head.lowest_hu, head.brain_hu + 0.8 * share * (head.blood_hu - head.brain_hu))
        found |= tubes | (_grown(tubes, 1) & (hu > wall_hu) & (hu < head.densest_blood_hu) & ~head.bone)
    return found


def _led_upwards(
    grid: WorkingGrid, head: Head, bright: Bool[np.ndarray, "i j k"], trunks: Bool[np.ndarray, "i j k"]
) -> Bool[np.ndarray, "i j k"]:
    """Parts that come from the lower end of the volume, each with its bridge to a trunk of its own brightness."""
    plateau = _plateau(grid, bright | trunks)
    height_mm = _along_lps(grid, 2)
    bottom_mm = float(height_mm[grid.hu > _AIR_HU].min())
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
        if (_grown(tube, 2) & targets).any():
            found |= tube
            continue
        bridge = _bridge(grid, tube, targets, level)
        if bridge is not None:  # what leads nowhere is marrow
            found |= tube | bridge
    return found


def _bridge(
    grid: WorkingGrid, tube: Bool[np.ndarray, "i j k"], targets: Bool[np.ndarray, "i j k"], level: float
) -> Bool[np.ndarray, "i j k"] | None:
    """The way of a tube through bone to the vessels above: the path on which voxels stay as bright as the tube."""
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
    cost = np.where(off < 3.0, 1.0 + off**2, -1.0)  # soft tissue and cortical bone are no way
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
    # A vessel's way costs little more than its length; bone and brain cost tens of times that.
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


def _arteries_and_veins(
    grid: WorkingGrid, head: Head, vessels: Bool[np.ndarray, "i j k"]
) -> UInt8[np.ndarray, "i j k"]:
    """Two fronts race through the vessels, from deep bright trunks and from superficial thick ones."""
    if not vessels.any():
        raise InputError("no vessels are left in the brain case after bone removal; give labels")
    level = np.minimum(_plateau(grid, vessels), head.blood_hu)
    thick = _thick(grid, vessels, _THICK_SINUS_MM)
    deep = _deep(grid, head, 10.0)
    vein_seed = thick & ~deep & _grown(head.cavity, 2) & _upper_or_back(grid, head)
    artery_seed = vessels & (deep | ~head.cavity) & (level > 0.85 * head.blood_hu) & ~vein_seed
    result = np.zeros(vessels.shape, dtype=np.uint8)
    if not vein_seed.any():
        result[vessels] = ARTERY
        return result
    vein_hu = float(np.median(level[vein_seed]))
    # Partial volume dims a thin artery down to the level of veins; nothing makes a vein brighter than its blood.
    tolerance = max(0.08 * vein_hu, 2.0 * head.noise_hu)
    width = max(0.25 * (head.blood_hu - vein_hu), tolerance)
    border = vein_hu + tolerance
    told_apart = head.blood_hu - vein_hu > 4.0 * tolerance
    if told_apart:
        vein_seed |= thick & (level < border)
    costs = []
    for seed, sign in ((artery_seed, -1.0), (vein_seed, 1.0)):
        off = np.maximum(sign * (level - border) / width, 0.0) if told_apart else np.zeros_like(level)
        cost = np.where(vessels, 1.0 + 10.0 * np.minimum(off, 3.0) ** 2, -1.0)
        starts = np.argwhere(seed)
        if len(starts) == 0:
            costs.append(np.full(vessels.shape, np.inf))
            continue
        costs.append(MCP_Geometric(cost, sampling=tuple(grid.spacing_mm.tolist())).find_costs(starts)[0])
    nearer_artery = costs[0] <= costs[1]
    loose = vessels & np.isinf(costs[0]) & np.isinf(costs[1])
    nearer_artery[loose] = (level > border)[loose] if told_apart else deep[loose]
    result[vessels & nearer_artery] = ARTERY
    result[vessels & ~nearer_artery] = VEIN
    return result


def _plateau(grid: WorkingGrid, vessels: Bool[np.ndarray, "i j k"]) -> Float[np.ndarray, "i j k"]:
    """How bright the middle of the vessel is near each of its voxels, evened out along it."""
    middle = ndimage.maximum_filter(np.where(vessels, grid.hu, 0.0), 3)
    weight = vessels.astype(np.float32)
    sigma = 2.0 / grid.spacing_mm
    total = ndimage.gaussian_filter(middle * weight, sigma, truncate=2.5)
    return np.where(vessels, total / np.maximum(ndimage.gaussian_filter(weight, sigma, truncate=2.5), 1e-6), 0.0)


def _upper_or_back(grid: WorkingGrid, head: Head) -> Bool[np.ndarray, "i j k"]:
    """Not the front of the skull base, where thick vessels are carotids."""
    height_mm, back_mm = _along_lps(grid, 2), _along_lps(grid, 1)
    inside_z, inside_y = height_mm[head.cavity], back_mm[head.cavity]
    floor = float(np.percentile(inside_z, 25))
    middle = float(np.median(inside_y))
    return (height_mm > floor) | (back_mm > middle)


def _along_lps(grid: WorkingGrid, axis: int) -> Float[np.ndarray, "i j k"]:
    """Each voxel's coordinate along x, y or z, up to rounding of oblique grids."""
    i, j, k = np.ogrid[tuple(slice(0, size) for size in grid.hu.shape)]
    row = grid.lps_from_index[axis]
    return (row[0] * i + row[1] * j + row[2] * k + row[3]).astype(np.float32)


def _deep(grid: WorkingGrid, head: Head, depth_mm: float) -> Bool[np.ndarray, "i j k"]:
    """Farther than this below the surface of the brain."""
    outside = ~coarser(head.cavity, (2, 2, 2))
    return finer(within(outside, depth_mm, 2 * grid.spacing_mm, beyond=True), (2, 2, 2), head.cavity.shape)


def _thick(grid: WorkingGrid, mask: Bool[np.ndarray, "i j k"], radius_mm: float) -> Bool[np.ndarray, "i j k"]:
    """What a ball of this radius covers within the mask."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return mask.copy()
    result = np.zeros(mask.shape, dtype=bool)
    part = np.pad(mask[boxes[0]], 1)
    core = np.asarray(ndimage.distance_transform_edt(part, sampling=grid.spacing_mm)) > radius_mm
    covered = part & within(core, radius_mm + 0.5 * float(grid.spacing_mm.min()), grid.spacing_mm)
    result[boxes[0]] = covered[1:-1, 1:-1, 1:-1]
    return result


def _grown(mask: Bool[np.ndarray, "i j k"], steps: int) -> Bool[np.ndarray, "i j k"]:
    return np.asarray(ndimage.binary_dilation(mask, iterations=steps), dtype=bool)
