"""Perfusion carried onto the CT's wall by wall coordinates: same level, same angle, same depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from engines.cmr.fusion.elastic import SliceLink, around
from engines.cmr.heart.radial_model import RadialModel
from engines.cmr.perfusion.segments import PixelPlaces
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion


def upslope_on_wall(
    model: RadialModel,
    links: Sequence[SliceLink],
    slices: Sequence[SlicePerfusion],
    pool_per_s: float,
    ct_mm: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, " n"]:
    """Relative upslope at CT points of the wall; NaN where no slice saw them."""
    level, radius, angle = model.frame.local(ct_mm)
    depth = np.clip(model.depth(level, radius, angle), 0.0, 1.0)
    total, count = np.zeros(len(ct_mm)), np.zeros(len(ct_mm))
    for link, part in zip(links, slices, strict=True):
        seen = np.flatnonzero(link.sees(ct_mm))
        if not len(seen):
            continue
        inner, outer = around(link.inner_mm, angle[seen]), around(link.outer_mm, angle[seen])
        points = model.frame.point(level[seen], inner + depth[seen] * (outer - inner), angle[seen])
        index = link.pixel(points @ link.cmr_from_ct[:3, :3].T + link.cmr_from_ct[:3, 3])
        picture = part.spread(part.upslope_per_s / pool_per_s)
        total[seen] += ndimage.map_coordinates(picture, index[:, :2].T, order=1, mode="nearest")
        count[seen] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def places_in_ct(model: RadialModel, link: SliceLink, part: SlicePerfusion) -> PixelPlaces:
    """Level and AHA angle of the interior's pixels, through the registration."""
    ct_from_cmr = np.linalg.inv(link.cmr_from_ct)
    points = part.part.points_mm()[part.interior] @ ct_from_cmr[:3, :3].T + ct_from_cmr[:3, 3]
    level, _, angle = model.frame.local(points)
    return PixelPlaces(
        level=level,
        half_slab=0.5 * part.part.thickness_mm / model.frame.length_mm,
        degrees=model.frame.aha_degrees(angle),
    )
