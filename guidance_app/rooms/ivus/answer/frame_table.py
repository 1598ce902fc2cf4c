"""Numbers along the vessel: areas, plaque burden, calcium, the narrowest place and its reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engines.ivus.files.contour_tables import Contours, Polygon
from guidance_app.rooms.ivus.answer.desk import FusionDesk

_REFERENCE_MM = (2.0, 10.0)  # how far from the narrowest place its reference is looked for, as is usual


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameTable:
    """One value a stored frame; NaN where it is not known.

    Args:
        calcium_deg: arc of calcium in the ultrasound.
        ct_calcium: strongest sign of calcium in the CT, 0 to 1.
        ct_area_mm2: lumen in the CT; NaN beyond what is seen of the vessel.
    """

    place_mm: Float[np.ndarray, " f"]
    lumen_mm2: Float[np.ndarray, " f"]
    vessel_mm2: Float[np.ndarray, " f"]
    burden_percent: Float[np.ndarray, " f"]
    calcium_deg: Float[np.ndarray, " f"]
    ct_area_mm2: Float[np.ndarray, " f"]
    ct_calcium: Float[np.ndarray, " f"]

    @property
    def narrowest(self) -> int:
        """The frame with the smallest lumen."""
        return int(np.argmin(self.lumen_mm2))

    @property
    def reference(self) -> int:
        """The frame with the largest lumen 2 to 10 mm away from the narrowest one."""
        apart = np.abs(self.place_mm - self.place_mm[self.narrowest])
        near = (apart >= _REFERENCE_MM[0]) & (apart <= _REFERENCE_MM[1])
        return int(np.argmax(np.where(near, self.lumen_mm2, -1.0))) if near.any() else self.narrowest


def frame_table(desk: FusionDesk) -> FrameTable:
    """All frames, also those between the searched ones."""
    fusion, source = desk.fusion, desk.opened.source
    maps, course = fusion.frame_maps, fusion.course_maps
    lumen = desk.at_frames(np.pi * maps.size_mm**2)
    vessel = np.full(desk.frames, np.nan)
    if isinstance(source, Contours):
        lumen = np.array([_area(polygon) for polygon in source.lumen])
        vessel = np.array([max(map(_area, drawn)) if drawn else np.nan for drawn in source.eem])
    seen = (fusion.place_mm >= course.place_mm[0]) & (fusion.place_mm <= course.place_mm[-1])
    ct_area = np.interp(fusion.place_mm, course.place_mm, np.pi * course.size_mm**2)
    return FrameTable(
        place_mm=fusion.place_mm, lumen_mm2=lumen, vessel_mm2=vessel, burden_percent=100.0 * (1.0 - lumen / vessel),
        calcium_deg=desk.at_frames((maps.calcium > 0.5).mean(axis=1) * 360.0),
        ct_area_mm2=np.where(seen, ct_area, np.nan),
        ct_calcium=np.where(seen, np.interp(fusion.place_mm, course.place_mm, course.calcium.max(axis=1)), np.nan),
    )  # fmt: skip


def _area(polygon: Polygon) -> float:
    following = np.roll(polygon, -1, axis=0)
    return 0.5 * abs(float((polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]).sum()))
