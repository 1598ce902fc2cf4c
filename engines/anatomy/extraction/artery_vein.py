"""Tell arteries from veins: fronts from deep bright trunks and from superficial thick ones race through the vessels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8
from skimage.graph import MCP_Geometric

from calibration.errors import InputError
from engines.anatomy.extraction.head import Head, deeper_than, plateau_hu
from engines.anatomy.working_grid import WorkingGrid, along_lps, grown, thick_parts

ARTERY, VEIN = 1, 2
THICK_SINUS_MM = 1.6
_STRICT, _LENIENT = 10.0, 2.0  # how much a brightness of the other side slows a front


def arteries_and_veins(grid: WorkingGrid, head: Head, vessels: Bool[np.ndarray, "i j k"]) -> UInt8[np.ndarray, "i j k"]:
    """Label each vessel voxel by the front that reaches it first.

    The arterial front starts in deep bright trunks, the venous front in superficial thick vessels. A front advances
    more slowly where the brightness does not fit its side. In a late CTA the veins are the brighter ones; then the
    arterial front starts in the thick vessels of the skull base.
    """
    if not vessels.any():
        raise InputError("no vessels are left in the brain case after bone removal; give labels")
    level = np.minimum(plateau_hu(grid, vessels), head.blood_hu)
    thick = thick_parts(grid, vessels, THICK_SINUS_MM)
    deep = deeper_than(grid, head, 10.0)
    vein_seed = thick & ~deep & grown(head.cavity, 2) & upper_or_back(grid, head)
    artery_seed = vessels & (deep | ~head.cavity) & (level > 0.85 * head.blood_hu) & ~vein_seed
    result = np.zeros(vessels.shape, dtype=np.uint8)
    if not vein_seed.any():
        result[vessels] = ARTERY
        return result
    vein_hu = float(np.median(level[vein_seed]))
    # Partial volume can dim a thin artery to the level of veins, but nothing makes a vein brighter than its blood.
    tolerance = max(0.08 * vein_hu, 2.0 * head.noise_hu)
    width = max(0.25 * (head.blood_hu - vein_hu), tolerance)
    border = vein_hu + tolerance
    told_apart = head.blood_hu - vein_hu > 4.0 * tolerance
    if told_apart:
        vein_seed |= thick & (level < border)
    strict = (_STRICT, _STRICT)
    sign = 1.0
    base = thick & ~upper_or_back(grid, head) & ~vein_seed
    base_hu = float(np.median(level[base])) if base.any() else np.inf
    if base_hu < vein_hu - 2.0 * tolerance:
        artery_seed, told_apart, sign = base, True, -1.0
        width, border = max(0.25 * (vein_hu - base_hu), tolerance), 0.5 * (base_hu + vein_hu)
        # Partial volume dims a thin vein to the level of arteries: what is dim says little about veins.
        strict = (_STRICT, _LENIENT)
    costs = []
    for seed, side, weight in ((artery_seed, -sign, strict[0]), (vein_seed, sign, strict[1])):
        off = np.maximum(side * (level - border) / width, 0.0) if told_apart else np.zeros_like(level)
        cost = np.where(vessels, 1.0 + weight * np.minimum(off, 3.0) ** 2, -1.0)
        starts = np.argwhere(seed)
        if len(starts) == 0:
            costs.append(np.full(vessels.shape, np.inf))
            continue
        costs.append(MCP_Geometric(cost, sampling=tuple(grid.spacing_mm.tolist())).find_costs(starts)[0])
    nearer_artery = costs[0] <= costs[1]
    loose = vessels & np.isinf(costs[0]) & np.isinf(costs[1])
    nearer_artery[loose] = (sign * (level - border) > 0)[loose] if told_apart else deep[loose]
    result[vessels & nearer_artery] = ARTERY
    result[vessels & ~nearer_artery] = VEIN
    return result


def upper_or_back(grid: WorkingGrid, head: Head) -> Bool[np.ndarray, "i j k"]:
    """All but the front of the skull base, where thick vessels are carotids."""
    height_mm, back_mm = along_lps(grid, 2), along_lps(grid, 1)
    inside_z, inside_y = height_mm[head.cavity], back_mm[head.cavity]
    floor = float(np.percentile(inside_z, 25))
    middle = float(np.median(inside_y))
    return (height_mm > floor) | (back_mm > middle)
