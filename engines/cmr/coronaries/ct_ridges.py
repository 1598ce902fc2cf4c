"""Where a contrast CT shows thin bright tubes on the heart's surface, and how much like a tube each voxel is.

Second derivatives at three widths (Sato et al., Medical Image Analysis 2:143, 1998): across a tube brightness falls
in two directions, across the edge of a chamber in one. The chambers are darkened to muscle first, so that an artery
that lies on one still stands out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from engines.anatomy.vessel_model import CtVolume
from engines.anatomy.working_grid import closed, within
from engines.cmr.heart.ct_heart import block_mean

_GRID_MM = 0.8
_MARGIN_MM = 14.0
_GROOVE_MM = 8.0  # grooves narrower than twice this count as heart
_SHELL_MM = 5.0  # arteries run in the fat within this distance of it; farther out is pericardium, liver and lung
_DEEP_MM = 3.0  # and dip into the outer wall by as much
_RIM_MM = 2.5  # a path may cross the rim of a chamber where its mask has swallowed an artery
_CHAMBER_MM = 4.0  # thicker than any coronary
_WIDTHS_MM = (0.9, 1.4, 2.0)
_LOW, _HIGH = 0.10, 0.20  # curvature over contrast: of noise and edges at most, of an artery surely
_DARK_HU, _RAMP_HU = 100.0, 60.0  # an artery thinner than a voxel is darker than muscle, but not as dark as fat
_FAINT, _CLEAR = 0.15, 0.40  # brightness over muscle, as a share of the contrast
_FAT_HU = 0.0
_DARKEST_HU = -150.0
_CHAMBERS = ("lv_cavity", "rv", "la", "ra", "aorta")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoronaryRidges:
    """A crop of the CT about the heart, with what a path may run through.

    Args:
        likeness: 0 no tube, 1 surely one.
        allowed: the shell about the heart and the rims of its chambers.
        fat: as dark as fat, which no artery crosses unseen.
        masks: those of the heart, on this grid.
        chambers: blood in the masks, and all that is wider than any coronary.
        thick_blood: the latter alone.
        shell_mm: distance from the heart.
        blood_hu: of pure blood.
        lps_from_index: of the crop.
    """

    likeness: Float[np.ndarray, "i j k"]
    allowed: Bool[np.ndarray, "i j k"]
    fat: Bool[np.ndarray, "i j k"]
    masks: Mapping[str, Bool[np.ndarray, "i j k"]]
    chambers: Bool[np.ndarray, "i j k"]
    thick_blood: Bool[np.ndarray, "i j k"]
    shell_mm: Float[np.ndarray, "i j k"]
    blood_hu: float
    lps_from_index: Float[np.ndarray, "4 4"]

    @property
    def spacing_mm(self) -> Float[np.ndarray, " 3"]:
        return np.linalg.norm(self.lps_from_index[:3, :3], axis=0)

    def points_mm(self, index: np.ndarray) -> Float[np.ndarray, "n 3"]:
        return index @ self.lps_from_index[:3, :3].T + self.lps_from_index[:3, 3]


def coronary_ridges(ct: CtVolume, masks: Mapping[str, Bool[np.ndarray, "i j k"]]) -> CoronaryRidges:
    """Tubes on the heart's surface.

    Args:
        masks: `lv_cavity` and `lv_wall`, and what is known of the other chambers, on the grid of the CT.
    """
    spacing = np.array(ct.spacing_mm)
    blocks = np.maximum(1, np.floor(_GRID_MM / spacing + 0.35)).astype(int)
    cut = _crop(masks, spacing, blocks)
    index_from_block = np.diag([*blocks.astype(float), 1.0])
    index_from_block[:3, 3] = [part.start + 0.5 * (block - 1) for part, block in zip(cut, blocks, strict=True)]
    hu = block_mean(ct.voxels_hu[cut], blocks)
    own = {name: block_mean(mask[cut], blocks) >= 0.5 for name, mask in masks.items()}
    mm = spacing * blocks
    return _ridges(hu, own, mm, ct.lps_from_index @ index_from_block)


def _ridges(
    hu: Float[np.ndarray, "i j k"],
    masks: Mapping[str, Bool[np.ndarray, "i j k"]],
    mm: Float[np.ndarray, " 3"],
    lps_from_index: Float[np.ndarray, "4 4"],
) -> CoronaryRidges:
    wall = masks["lv_wall"]
    muscle_hu, blood_hu = float(np.median(hu[wall])), float(np.median(hu[masks["lv_cavity"]]))
    contrast = max(blood_hu - muscle_hu, 1.0)
    named = np.any([mask for name, mask in masks.items() if name in _CHAMBERS], axis=0)
    thick = _thick(hu > 0.5 * (blood_hu + muscle_hu), mm)
    chambers = named | thick
    outside_mm = _distance_mm(~closed(named | wall, _GROOVE_MM, mm), mm)
    deep_mm = _distance_mm(masks["lv_cavity"] | wall, mm)
    shell = (outside_mm < _SHELL_MM) & ~chambers & (deep_mm < _DEEP_MM)
    flat = np.clip(hu, _DARKEST_HU, 1.15 * blood_hu)
    flat[chambers] = np.minimum(flat[chambers], muscle_hu)
    curved = _curvature(flat, mm, shell) / contrast
    smooth = ndimage.gaussian_filter(flat, 0.6 / mm)
    bright = np.clip((smooth - (muscle_hu - _DARK_HU)) / _RAMP_HU, 0.0, 1.0)
    # The edge of a chamber's mask is half blood: beside it, only what is clearly brighter than muscle is an artery.
    beside = _distance_mm(~chambers, mm) < _RIM_MM
    clear = np.clip(((smooth - muscle_hu) / contrast - _FAINT) / (_CLEAR - _FAINT), 0.0, 1.0)
    bright = np.where(beside, clear, bright)
    rim = chambers & (_distance_mm(chambers, mm) < _RIM_MM)
    return CoronaryRidges(
        likeness=(np.clip((curved - _LOW) / (_HIGH - _LOW), 0.0, 1.0) * bright).astype(np.float32),
        allowed=shell | rim,
        fat=smooth < _FAT_HU,
        masks=masks,
        chambers=chambers,
        thick_blood=thick,
        shell_mm=outside_mm.astype(np.float32),
        blood_hu=blood_hu,
        lps_from_index=lps_from_index,
    )


def _curvature(
    hu: Float[np.ndarray, "i j k"], mm: Float[np.ndarray, " 3"], where: Bool[np.ndarray, "i j k"]
) -> Float[np.ndarray, "i j k"]:
    """The weaker of the two falls of brightness across a tube, times the width squared, less a fall along it."""
    at = np.flatnonzero(where)
    best = np.zeros(hu.size, dtype=np.float32)
    for width in _WIDTHS_MM:
        second = np.empty((len(at), 3, 3), dtype=np.float32)
        for a in range(3):
            for b in range(a, 3):
                order = tuple(int(axis == a) + int(axis == b) for axis in range(3))
                field = ndimage.gaussian_filter(hu, width / mm, order=order, truncate=3.0)  # pyright: ignore[reportArgumentType]
                second[:, a, b] = second[:, b, a] = field.ravel()[at] * (width**2 / (mm[a] * mm[b]))
        falls = np.flatnonzero(np.trace(second, axis1=1, axis2=2) < 0)
        value = np.linalg.eigvalsh(second[falls])
        strength = np.maximum(-value[:, 1] - 0.5 * np.maximum(-value[:, 2], 0.0), 0.0)
        best[at[falls]] = np.maximum(best[at[falls]], strength)
    return best.reshape(hu.shape)


def _distance_mm(inside: Bool[np.ndarray, "i j k"], mm: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "i j k"]:
    """From each voxel inside to the nearest one that is not."""
    return np.asarray(ndimage.distance_transform_edt(inside, sampling=mm))


def _thick(bright: Bool[np.ndarray, "i j k"], mm: Float[np.ndarray, " 3"]) -> Bool[np.ndarray, "i j k"]:
    """Bright blood wider than any coronary."""
    core = _distance_mm(bright, mm) > _CHAMBER_MM
    return within(core, _CHAMBER_MM, mm) & bright


def _crop(
    masks: Mapping[str, Bool[np.ndarray, "i j k"]], spacing: Float[np.ndarray, " 3"], blocks: np.ndarray
) -> tuple[slice, slice, slice]:
    heart = np.any(list(masks.values()), axis=0)
    box = ndimage.find_objects(heart.astype(np.uint8))[0]
    margin = np.ceil(_MARGIN_MM / spacing).astype(int)
    low = [max(part.start - int(m), 0) for part, m in zip(box, margin, strict=True)]
    high = [min(part.stop + int(m), n) for part, m, n in zip(box, margin, heart.shape, strict=True)]
    first, second, third = (slice(a, a + (b - a) // int(n) * int(n)) for a, b, n in zip(low, high, blocks, strict=True))
    return first, second, third
