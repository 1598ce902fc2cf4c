"""The aorta of a contrast CTA: the longest round tube, with both lumina and the branches of the arch.

Region growing would leak: heart chambers, pulmonary and caval vessels are as bright as the aorta and touch it. Instead,
a tube tracker walks along the lumen, measures it with rays in its cross-section, and stops where walls are missing (at
the valve or the end of the volume). Only voxels within the measured radius of that walk belong to the aorta.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.measure import label, regionprops

from calibration.errors import InputError
from engines.anatomy.extraction.arch_vessels import arch_vessels
from engines.anatomy.extraction.blood_level import SOFT_TISSUE_HU, blood_level, dense_parts, local_spread
from engines.anatomy.extraction.false_lumen import thrombosed_lumen
from engines.anatomy.extraction.lumina import parted_lumina
from engines.anatomy.extraction.tube_tracker import TubeWalk, inside_walk, walk_tube
from engines.anatomy.working_grid import WorkingGrid, opened

AORTA, ARCH_VESSELS, FALSE_LUMEN = 1, 2, 3
AORTA_NAMES = {AORTA: "aorta", ARCH_VESSELS: "aortic arch vessels", FALSE_LUMEN: "aorta false lumen"}

_RADIUS_MM = (6.0, 24.0)  # smallest and largest lumen in axial slices, aneurysms included
_NARROWEST_MM = 4.5  # a true lumen beside a wide false lumen
_ROUND = 0.72  # smallest ratio of the minor to the major axis, by second moments
_SLICE_AREA = (0.08, 1.7)  # range of the area relative to the previous slices
_SMALLEST_SLICE_MM2 = 25.0
_SLIDE_MM = 5.0  # largest shift of the centre from slice to slice
_SHORTEST_CHAIN_MM = 15.0
_SHORTEST_WALK_MM = 18.0
_ASCENDING_MM = 60.0
_VALVE_SHARE = 0.7  # of the ascending aorta's radius; the ring of the valve and the outflow tract are narrower
_BEFORE_VALVE_MM = 35.0
_FALSE_LUMEN_SHARE = (0.22, 0.9)  # range of its enhancement relative to the true lumen's
_FALSE_LUMEN_MM3 = 4000.0
_FALSE_LUMEN_LONG_MM = 40.0
_FALSE_LUMEN_OPENING_MM = 3.0
_FALSE_LUMEN_CONTACT_MM2 = 400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Disc:
    """A round bright cross-section in one axial slice."""

    slice_: int
    centre: Float[np.ndarray, " 2"]  # voxels
    radius_mm: float


def aorta_vessels(grid: WorkingGrid, highest_blood_hu: float) -> UInt8[np.ndarray, "i j k"]:
    """Labels numbered as in `AORTA_NAMES`.

    Raises:
        InputError: no contrast, or no round vessel of an aorta's width.
    """
    blood_hu = blood_level(grid, highest_blood_hu)
    dense = dense_parts(grid, blood_hu, above_hu=200.0)
    bright = (grid.hu > 0.5 * (blood_hu + SOFT_TISSUE_HU)) & ~dense
    walk = _aortic_walk(grid, bright)
    lumen = _within_walk(grid, bright, walk)
    # The right heart may be twice as bright, so the wall is found with the aorta's own level.
    blood_hu = float(np.median(grid.hu[lumen]))
    bright = (grid.hu > 0.5 * (blood_hu + SOFT_TISSUE_HU)) & ~dense
    walk = _from_the_valve(grid, _aortic_walk(grid, bright))
    lumen = _within_walk(grid, bright, walk)
    flat_from = _lowest_slice(grid, walk)
    walk, lumen = _continued_downwards(grid, bright, walk, lumen)
    labels = np.zeros(bright.shape, dtype=np.uint8)
    false_lumen = _false_lumen(grid, lumen, dense, walk, blood_hu)
    lumen, false_lumen = parted_lumina(grid, lumen, false_lumen, walk)
    labels[lumen] = AORTA
    false_lumen |= thrombosed_lumen(grid, lumen, false_lumen, blood_hu, flat_from)
    labels[false_lumen] = FALSE_LUMEN
    labels[arch_vessels(grid, bright, lumen | false_lumen, walk)] = ARCH_VESSELS
    return labels


def _aortic_walk(grid: WorkingGrid, bright: Bool[np.ndarray, "i j k"]) -> TubeWalk:
    """The walk along the aorta, tracked both ways from the longest chain of round cross-sections."""
    core = opened(bright, grid.steps(3.0))
    walks: list[TubeWalk] = []
    for chain in _chains(grid, core)[:4]:
        middle = chain[len(chain) // 2]
        start = np.array([*middle.centre, middle.slice_])
        if any(walk.covers(start * grid.spacing_mm) for walk in walks):
            continue
        walks.append(walk_tube(bright, grid.spacing_mm, start, np.array([0.0, 0.0, 1.0]), middle.radius_mm,
                               narrowest_mm=_NARROWEST_MM))  # fmt: skip
    walks = [walk for walk in walks if walk.length_mm >= _SHORTEST_WALK_MM]
    if not walks:
        raise InputError(
            "no round contrast-filled vessel of an aorta's width (12 to 48 mm) in this CT; give a CTA of the chest "
            "or belly, or the vessels as labels, surface or centerlines"
        )
    return max(walks, key=lambda walk: walk.length_mm)


def _from_the_valve(grid: WorkingGrid, walk: TubeWalk) -> TubeWalk:
    """Without what lies before the ring of the valve, where the walk goes on into the ventricle."""
    root = len(walk.points_mm) - 1 - _descending_end(grid, walk)
    order = np.arange(len(walk.points_mm))[:: 1 if root == 0 else -1]
    steps_mm = np.linalg.norm(np.diff(walk.points_mm[order], axis=0), axis=1)
    along_mm = np.concatenate([[0.0], np.cumsum(steps_mm)])
    radius_mm = walk.radius_mm[order]
    if along_mm[-1] < 2.0 * _ASCENDING_MM:
        return walk
    usual_mm = float(np.median(radius_mm[(along_mm > 0.4 * _ASCENDING_MM) & (along_mm < _ASCENDING_MM)]))
    narrow = np.flatnonzero((radius_mm < _VALVE_SHARE * usual_mm) & (along_mm < _BEFORE_VALVE_MM))
    if not len(narrow):
        return walk
    kept = np.sort(order[narrow[-1] + 1 :])
    return replace(
        walk,
        points_mm=walk.points_mm[kept],
        radius_mm=walk.radius_mm[kept],
        directions=walk.directions[kept],
        sides=walk.sides[kept],
        rays_mm=walk.rays_mm[kept],
    )


def _chains(grid: WorkingGrid, core: Bool[np.ndarray, "i j k"]) -> list[list[_Disc]]:
    """Round cross-sections that follow one another from slice to slice, longest first."""
    open_chains: list[list[_Disc]] = []
    done: list[list[_Disc]] = []
    pixel_mm = float(grid.spacing_mm[:2].mean())
    for number in range(core.shape[2]):
        discs = _round_discs(core[:, :, number], number, pixel_mm)
        going_on: list[list[_Disc]] = []
        for chain in open_chains:
            last = chain[-1]
            near = [disc for disc in discs if _follows(last, disc, pixel_mm, float(grid.spacing_mm[2]))]
            if near:
                best = min(near, key=lambda disc: float(np.linalg.norm(disc.centre - last.centre)))
                discs.remove(best)
                going_on.append([*chain, best])
            else:
                done.append(chain)
        open_chains = going_on + [[disc] for disc in discs]
    chains = [chain for chain in done + open_chains if len(chain) * grid.spacing_mm[2] >= _SHORTEST_CHAIN_MM]
    return sorted(chains, key=len, reverse=True)


def _follows(last: _Disc, disc: _Disc, pixel_mm: float, slice_mm: float) -> bool:
    slide_mm = float(np.linalg.norm(disc.centre - last.centre)) * pixel_mm
    return slide_mm < max(_SLIDE_MM, 1.5 * slice_mm) and 0.7 < disc.radius_mm / last.radius_mm < 1.45


def _round_discs(core: Bool[np.ndarray, "i j"], number: int, pixel_mm: float) -> list[_Disc]:
    discs = []
    for part in regionprops(np.asarray(label(core))):
        radius_mm = float(np.sqrt(part.area / np.pi)) * pixel_mm
        if not _RADIUS_MM[0] <= radius_mm <= _RADIUS_MM[1] or part.axis_minor_length <= 0:
            continue
        if part.axis_minor_length / part.axis_major_length >= _ROUND and part.solidity > 0.88:
            discs.append(_Disc(slice_=number, centre=np.array(part.centroid), radius_mm=radius_mm))
    return discs


def _within_walk(grid: WorkingGrid, bright: Bool[np.ndarray, "i j k"], walk: TubeWalk) -> Bool[np.ndarray, "i j k"]:
    """Bright voxels within the measured radius, cut perpendicularly at the walk's ends."""
    index = np.argwhere(bright)
    own = index[inside_walk(walk, index * grid.spacing_mm, slack_mm=0.5 * float(grid.spacing_mm.max()))]
    lumen = np.zeros(bright.shape, dtype=bool)
    lumen[tuple(own.T)] = True
    return np.asarray(ndimage.binary_fill_holes(lumen), dtype=bool)


def _descending_end(grid: WorkingGrid, walk: TubeWalk) -> int:
    """Index of the walk's posterior end."""
    backwards_mm = (walk.points_mm / grid.spacing_mm) @ grid.lps_from_index[1, :3]
    return 0 if backwards_mm[0] > backwards_mm[-1] else len(backwards_mm) - 1


def _lowest_slice(grid: WorkingGrid, walk: TubeWalk) -> int:
    """The slice in which the descending lumen stops being a round tube."""
    return round(float(walk.points_mm[_descending_end(grid, walk)][2] / grid.spacing_mm[2]))


def _continued_downwards(
    grid: WorkingGrid, bright: Bool[np.ndarray, "i j k"], walk: TubeWalk, lumen: Bool[np.ndarray, "i j k"]
) -> tuple[TubeWalk, Bool[np.ndarray, "i j k"]]:
    """Follow the lumen further by overlap from slice to slice: a false lumen may press it flat, so it is not round."""
    rise = grid.lps_from_index[2, 2]
    if abs(rise) < 0.9 * grid.spacing_mm[2]:  # slices that are not axial cannot be followed; the walk alone counts
        return walk, lumen
    end = _descending_end(grid, walk)
    step = -1 if rise > 0 else 1
    number = round(float(walk.points_mm[end][2] / grid.spacing_mm[2]))
    start = np.zeros(bright.shape[:2], dtype=bool)
    for near in range(max(0, number - 2), min(bright.shape[2], number + 3)):
        start |= lumen[:, :, near]
    rows, columns = np.ogrid[: bright.shape[0], : bright.shape[1]]
    across_mm = np.hypot(*(axis * mm - at for axis, mm, at in
                           zip((rows, columns), grid.spacing_mm, walk.points_mm[end], strict=False)))  # fmt: skip
    before = start & bright[:, :, number] & (across_mm < 20.0)
    last = walk.radius_mm[:15] if end == 0 else walk.radius_mm[-15:]
    size = float(np.pi * np.median(last) ** 2)
    pixel_mm2 = float(np.prod(grid.spacing_mm[:2]))
    lumen, centres, radii = lumen.copy(), [], []
    number += step
    while 0 <= number < bright.shape[2]:
        parts = np.asarray(label(bright[:, :, number]))
        overlap = np.bincount(parts[before], minlength=int(parts.max()) + 1)
        overlap[0] = 0
        if not overlap.any():
            break
        here = parts == overlap.argmax()
        area_mm2 = float(here.sum()) * pixel_mm2
        if area_mm2 > _SLICE_AREA[1] * size:  # it touches a neighbour: keep the previous shape
            here &= np.asarray(ndimage.binary_dilation(before, iterations=2), dtype=bool)
            area_mm2 = float(here.sum()) * pixel_mm2
        if not _SLICE_AREA[0] < area_mm2 / size < _SLICE_AREA[1] or area_mm2 < _SMALLEST_SLICE_MM2:
            break
        lumen[:, :, number] |= here
        centres.append(np.array([*np.argwhere(here).mean(axis=0), number]) * grid.spacing_mm)
        radii.append(float(np.sqrt(area_mm2 / np.pi)))
        before, size = here, 0.7 * size + 0.3 * area_mm2
        number += step
    return _lengthened(walk, end, centres, radii), lumen


def _lengthened(walk: TubeWalk, end: int, centres: list[Float[np.ndarray, " 3"]], radii: list[float]) -> TubeWalk:
    if not centres:
        return walk
    more, wide = np.array(centres), np.array(radii)
    heading = np.repeat([[0.0, 0.0, np.sign(more[-1, 2] - more[0, 2]) or 1.0]], len(more), axis=0)
    parts = [
        (walk.points_mm, more), (walk.radius_mm, wide), (walk.directions, heading if end else -heading),
        (walk.sides, np.repeat([[1.0, 0.0, 0.0]], len(more), axis=0)),
        (walk.rays_mm, np.repeat(wide[:, None], walk.rays_mm.shape[1], axis=1)),
    ]  # fmt: skip
    points, radius, directions, sides, rays = (
        np.concatenate([own, new] if end else [new[::-1], own]) for own, new in parts
    )
    return TubeWalk(
        points_mm=points, radius_mm=radius, directions=directions, sides=sides, rays_mm=rays, step_mm=walk.step_mm
    )


def _beside(
    grid: WorkingGrid, mask: Bool[np.ndarray, "i j k"], walk: TubeWalk, factor: float, margin_mm: float
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, " n"]]:
    """Mask voxels within a number of radii of the walk: their index, the nearest walk point, the distance to it."""
    index = np.argwhere(mask)
    far_mm, nearest = (np.asarray(found) for found in KDTree(walk.points_mm).query(index * grid.spacing_mm))
    keep = far_mm < factor * walk.radius_mm[nearest] + margin_mm
    return index[keep], nearest[keep], far_mm[keep]


def _false_lumen(
    grid: WorkingGrid,
    lumen: Bool[np.ndarray, "i j k"],
    dense: Bool[np.ndarray, "i j k"],
    walk: TubeWalk,
    blood_hu: float,
) -> Bool[np.ndarray, "i j k"]:
    """The false lumen: fainter homogeneous blood behind a flap, along a long stretch of the true lumen."""
    low, high = (SOFT_TISSUE_HU + share * (blood_hu - SOFT_TISSUE_HU) for share in _FALSE_LUMEN_SHARE)
    smooth, spread = local_spread(grid.hu)
    noise_hu = (
        float(np.median(spread[np.asarray(ndimage.binary_erosion(lumen, iterations=2), dtype=bool)]))
        if lumen.any()
        else 0.0
    )
    faint = (smooth > low) & (smooth < high) & (spread < max(3.0 * noise_hu, 60.0)) & ~lumen & ~dense
    near = np.zeros(faint.shape, dtype=bool)
    near[tuple(_beside(grid, faint, walk, 3.0, 4.0)[0].T)] = True
    body = opened(near, grid.steps(_FALSE_LUMEN_OPENING_MM))
    contact = np.asarray(ndimage.binary_dilation(lumen, iterations=3), dtype=bool)
    found = np.zeros(faint.shape, dtype=bool)
    parts = np.asarray(label(body, connectivity=1))
    for part in regionprops(parts):
        if part.area * grid.voxel_mm3 < _FALSE_LUMEN_MM3:
            continue
        mask = parts == part.label
        touching = np.argwhere(mask & contact)
        if len(touching) * float(grid.spacing_mm.min()) ** 2 < _FALSE_LUMEN_CONTACT_MM2:
            continue
        along = np.unique(KDTree(walk.points_mm).query(touching * grid.spacing_mm)[1])
        if len(along) * walk.step_mm >= _FALSE_LUMEN_LONG_MM:
            found |= mask
    if not found.any():
        return found
    # The flap and the partial volume around it belong to the aorta.
    grown = np.asarray(ndimage.binary_dilation(found, iterations=2), dtype=bool)
    return (found | (grown & (grid.hu > low))) & ~lumen & ~dense
