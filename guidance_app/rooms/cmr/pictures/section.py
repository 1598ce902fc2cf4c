"""Sections of the heart in its own frame, across and along: CT, perfusion, territories and walls. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from skimage.measure import find_contours

from engines.anatomy.vessel_model import CtVolume
from engines.cmr.results.drawing import VESSEL_COLOURS, colours
from engines.cmr.results.figure import MOST
from engines.ivus.geometry.straightened import sample_ct
from guidance_app.panels.pictures.grey import windowed
from guidance_app.rooms.cmr.opened import OpenedCmr

HALF_MM, STEP_MM = 48.0, 0.4
LONG_HALF_MM = 66.0
CT_WINDOW = (-100.0, 500.0)
_OPACITY = 0.6
_NO_CT = 26  # grey behind the maps where there is no CT
VESSELS = ("LAD", "LCx", "RCA")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """Rows run from anterior to inferior, columns from septal to lateral, as the heart is seen from its apex.

    Args:
        hu: None where no CT is there.
        upslope: NaN where no slice saw the wall.
    """

    level: float
    hu: Float[np.ndarray, "r c"] | None
    upslope: Float[np.ndarray, "r c"]
    territory: UInt8[np.ndarray, "r c"]
    carried: Bool[np.ndarray, "r c"]

    @property
    def wall(self) -> Bool[np.ndarray, "r c"]:
        """The CT's wall, as far as a map tells it."""
        return np.isfinite(self.upslope) | (self.territory > 0)


def short_axis(opened: OpenedCmr, ct: CtVolume | None, level: float) -> Section:
    """Args:
    level: share of the length, 0 at the apex, 1 at the mitral plane.
    """
    side = np.arange(-HALF_MM, HALF_MM + 0.5 * STEP_MM, STEP_MM)
    points = (
        opened.frame.apex_mm
        + level * opened.frame.length_mm * opened.frame.axis
        - side[None, :, None] * opened.frame.right
        - side[:, None, None] * opened.frame.anterior
    )
    return _cut(opened, ct, points, level)


def long_axis(opened: OpenedCmr, ct: CtVolume | None, *, septal: bool) -> Section:
    """A section along the axis, base on top: septum to lateral wall, or anterior to inferior wall."""
    frame = opened.frame
    side = np.arange(-LONG_HALF_MM, LONG_HALF_MM + 0.5 * STEP_MM, STEP_MM)
    across = frame.right if septal else frame.anterior
    middle = frame.apex_mm + 0.5 * frame.length_mm * frame.axis
    points = middle - side[None, :, None] * across - side[:, None, None] * frame.axis
    return _cut(opened, ct, points, 0.5)


def row_of_level(opened: OpenedCmr, level: float) -> float:
    """Place of a level in a long section, mm below its middle."""
    return (0.5 - level) * opened.frame.length_mm


def _cut(opened: OpenedCmr, ct: CtVolume | None, points: Float[np.ndarray, "r c 3"], level: float) -> Section:
    inverse = np.linalg.inv(opened.lps_from_index)
    at = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = np.all((at >= 0) & (at < np.array(opened.upslope.shape)), axis=2)
    i, j, k = np.moveaxis(np.where(inside[..., None], at, 0), 2, 0)
    return Section(
        level=level,
        hu=None if ct is None else sample_ct(ct, points).astype(np.float64),
        upslope=np.where(inside, opened.upslope[i, j, k], np.nan),
        territory=np.where(inside, opened.territory[i, j, k], 0).astype(np.uint8),
        carried=inside & opened.carried[i, j, k],
    )


def painted(
    section: Section, remote: float | None, *, window: tuple[float, float], overlay: bool, territories: bool
) -> UInt8[np.ndarray, "r c 3"]:
    """CT in grey with perfusion (or territories) over the wall.

    Args:
        window: HU shown black and white.
    """
    grey = np.full(section.upslope.shape, _NO_CT, np.uint8) if section.hu is None else windowed(section.hu, window)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    if not overlay:
        return rgb
    if territories:
        table = np.array([(0, 0, 0), *(VESSEL_COLOURS[name] for name in VESSELS)])
        over, shown = table[section.territory], section.territory > 0
    else:
        share = section.upslope / (remote or np.nan) / MOST
        over, shown = colours(share), np.isfinite(share)
    mixed = (1 - _OPACITY) * rgb + _OPACITY * over
    return np.where(shown[..., None], mixed, rgb).astype(np.uint8)


def outlines_mm(mask: Bool[np.ndarray, "r c"], half_mm: float = HALF_MM) -> list[Float[np.ndarray, "n 2"]]:
    """Borders of a mask, (columns, rows) in mm from the axis; specks are left out."""
    soft = np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), 2.0))
    return [
        line[:, ::-1] * STEP_MM - half_mm
        for line in find_contours(soft, 0.5)
        if len(line) > 40
    ]  # fmt: skip


def level_and_degrees(opened: OpenedCmr, level: float, x_mm: float, y_mm: float) -> tuple[float, float]:
    """Where a place in a section lies in the bull's eye."""
    angle = np.arctan2(-y_mm, -x_mm)
    return level, float(opened.frame.aha_degrees(np.asarray(angle)))
