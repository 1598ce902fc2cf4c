"""The coronaries of a contrast CT on whose heart the masks are known: found, named, measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.anatomy.centerlines.polyline import arc_length_mm, points_at
from engines.anatomy.vessel_model import CtVolume
from engines.anatomy.working_grid import largest_part
from engines.cmr.coronaries.ct_calibre import measured_line
from engines.cmr.coronaries.ct_names import NamedLine, named_lines
from engines.cmr.coronaries.ct_paths import grown_paths
from engines.cmr.coronaries.ct_ridges import CoronaryRidges, coronary_ridges
from engines.cmr.heart.lv_frame import LvFrame
from engines.cmr.reading.coronaries import CoronaryBranch

_STEP_MM = 0.5
_SAME_POINT_MM = 0.01
_EVEN_MM = 1.5
_LEAST_CONTRAST_HU = 80.0  # of blood over muscle: below it noise looks like arteries
_SEEN = 0.35
_LONGEST_DARK_MM = 8.0
_BESIDE_DARK_MM = 3.0
_OSTIUM_MM = 3.0  # sections beside the aorta show its wall


def coronaries_from_ct(
    ct: CtVolume, masks: Mapping[str, Bool[np.ndarray, "i j k"]], frame: LvFrame
) -> tuple[CoronaryBranch, ...]:
    """Branches from origin to tip, LPS mm, with lumen radii; none where nothing looks like a coronary tree.

    Args:
        masks: `lv_cavity` and `lv_wall`, and what is known of `rv`, `la`, `ra`, `aorta`, on the grid of the CT.
        frame: of the left ventricle, which tells the vessels apart.
    """
    blood, muscle = (float(np.median(ct.voxels_hu[masks[name]])) for name in ("lv_cavity", "lv_wall"))
    if blood - muscle < _LEAST_CONTRAST_HU:
        return ()
    ridges = coronary_ridges(ct, masks)
    source = _aorta(ridges, frame)
    if not source.any():
        return ()
    lines = named_lines(grown_paths(ridges, source), frame)
    return _measured(lines, ct, ridges)


def _aorta(ridges: CoronaryRidges, frame: LvFrame) -> Bool[np.ndarray, "i j k"]:
    """Its mask, else thick blood above the mitral plane on the side of the septum."""
    if "aorta" in ridges.masks and ridges.masks["aorta"].any():
        return ridges.masks["aorta"]
    free = ridges.thick_blood.copy()
    for name, mask in ridges.masks.items():
        if name != "aorta":
            free &= ~mask
    at = np.argwhere(free)
    if not len(at):
        return free
    from_mitral = ridges.points_mm(at) - frame.mitral_mm
    root = (from_mitral @ frame.axis > 4.0) & (from_mitral @ frame.axis < 45.0)
    root &= (from_mitral @ frame.right > 4.0) & (from_mitral @ frame.right < 45.0)
    found = np.zeros_like(free)
    found[tuple(at[root].T)] = True
    return largest_part(found)


def _measured(lines: tuple[NamedLine, ...], ct: CtVolume, ridges: CoronaryRidges) -> tuple[CoronaryBranch, ...]:
    found: list[CoronaryBranch] = []
    for line in lines:
        points, radius = measured_line(_evened(line.points_mm), ct, ridges.blood_hu)
        radius[_unseen(points, ridges)] = np.nan
        if line.root:
            radius[: round(_OSTIUM_MM / _STEP_MM)] = np.nan
        # Each line was moved to its own middle: its origin goes back onto the branch that it leaves.
        for parent, drawn in zip(found, lines, strict=False):
            if np.linalg.norm(drawn.points_mm - line.points_mm[0], axis=1).min() < _SAME_POINT_MM:
                points[0] = parent.points_mm[np.linalg.norm(parent.points_mm - line.points_mm[0], axis=1).argmin()]
                break
        found.append(CoronaryBranch(points_mm=points, radius_mm=radius, name=line.name))
    return tuple(found)


def _unseen(points_mm: Float[np.ndarray, "n 3"], ridges: CoronaryRidges) -> Bool[np.ndarray, " n"]:
    """Stretches that nothing shows: within a chamber's blood, or longer dark than a stenosis is."""
    index = np.rint((points_mm - ridges.lps_from_index[:3, 3]) @ np.linalg.inv(ridges.lps_from_index[:3, :3]).T)
    index = np.clip(index.astype(int), 0, np.array(ridges.allowed.shape) - 1)
    likeness = ndimage.maximum_filter(ridges.likeness, 3)[tuple(index.T)]
    swallowed = np.asarray(ndimage.binary_opening(ridges.chambers[tuple(index.T)], np.ones(3)), dtype=bool)
    parts, count = ndimage.label(likeness < _SEEN)  # pyright: ignore[reportGeneralTypeIssues]
    dark = np.asarray(parts, dtype=np.int64)
    long = np.bincount(dark, minlength=count + 1) * _STEP_MM > _LONGEST_DARK_MM
    long[[dark[0], dark[-1]]] = True  # a path that begins or ends in the dark has lost its artery there
    long[0] = False
    return ndimage.binary_dilation(swallowed | long[dark], iterations=round(_BESIDE_DARK_MM / _STEP_MM))


def _evened(points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
    """Points every half millimetre, with the stairs of the voxels taken out and both ends kept."""
    along = arc_length_mm(points_mm)
    place = np.linspace(0.0, along[-1], max(3, round(along[-1] / _STEP_MM) + 1))
    fine = points_at(place, along, points_mm)
    straight = fine[0] + (fine[-1] - fine[0]) * (place / max(along[-1], 1e-9))[:, None]
    step = along[-1] / (len(place) - 1)
    bent = np.pad(fine - straight, ((len(place) - 1, len(place) - 1), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = ndimage.gaussian_filter1d(bent, _EVEN_MM / max(step, 1e-9), axis=0)
    return smooth[len(place) - 1 : 2 * len(place) - 1] + straight
