"""Upslope of any part of the wall with its uncertainty, from the CMR's own pixels: what verdicts are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from engines.cmr.fusion.elastic import SliceLink
from engines.cmr.heart.radial_model import RadialModel
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion

_FEWEST = 6  # pixels
_SHADING = 0.012  # of the upslope, as in segments
_SEED = 175_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionUpslope:
    """Args:
    value: relative upslope of the region's mean curve.
    sigma: its standard error.
    pixels: number of pixels behind it.
    """

    value: float
    sigma: float
    pixels: int


class WallPixels:
    """Which wall voxel of the CT each CMR pixel shows."""

    def __init__(
        self,
        model: RadialModel,
        links: Sequence[SliceLink],
        slices: Sequence[SlicePerfusion],
        wall_mm: Float[np.ndarray, "n 3"],
        pool_per_s: float,
    ) -> None:
        self._slices, self._pool_per_s = tuple(slices), pool_per_s
        voxels = KDTree(wall_mm)
        self.voxel_of_pixel: list[Int[np.ndarray, " m"]] = []
        for link, part in zip(links, slices, strict=True):
            ct_from_cmr = np.linalg.inv(link.cmr_from_ct)
            points = part.part.points_mm()[part.interior] @ ct_from_cmr[:3, :3].T + ct_from_cmr[:3, 3]
            level, radius, angle = model.frame.local(points)
            moved = model.frame.point(level, link.elastic_forth(radius, angle), angle)
            self.voxel_of_pixel.append(np.asarray(voxels.query(moved)[1]))

    def upslope(self, wall: Bool[np.ndarray, " n"]) -> RegionUpslope | None:
        """Of a part of the wall; None where too few pixels show it."""
        values, variances, counts = [], [], []
        for number, (part, voxel) in enumerate(zip(self._slices, self.voxel_of_pixel, strict=True)):
            chosen = wall[voxel]
            if chosen.sum() < _FEWEST:
                continue
            fit = part.tissue.fit(part.curves[chosen].mean(axis=0))
            spread = part.tissue.slope_sd(fit, np.random.default_rng([_SEED, number]))
            values.append(fit.upslope_per_s)
            variances.append(spread**2 + (_SHADING * fit.upslope_per_s) ** 2)
            counts.append(int(chosen.sum()))
        if not counts:
            return None
        share = np.array(counts) / sum(counts)
        return RegionUpslope(
            value=float(share @ np.array(values)) / self._pool_per_s,
            sigma=float(np.sqrt(share**2 @ np.array(variances))) / self._pool_per_s,
            pixels=sum(counts),
        )
