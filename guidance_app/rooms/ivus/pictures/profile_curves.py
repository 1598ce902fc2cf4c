"""Curves below the long views: lumen of both modalities, vessel, plaque burden, calcium, the narrowest place."""

from __future__ import annotations

import numpy as np

from guidance_app.panels.pictures.profile_plot import Profile, Spot
from guidance_app.rooms.ivus.answer.frame_table import FrameTable
from guidance_app.rooms.ivus.pictures import lanes
from guidance_app.views import palette

_VESSEL, _BURDEN = "#c792ea", "#e64a5a"


def profile_curves(table: FrameTable) -> tuple[Profile, ...]:
    """In mm\u00b2 along the vessel; what has another unit says so in its name."""
    order = np.argsort(table.place_mm)
    x = table.place_mm[order]
    shown = [Profile(name="lumen IVUS", x_mm=x, y=table.lumen_mm2[order], colour=lanes.LUMEN),
             Profile(name="lumen CT", x_mm=x, y=table.ct_area_mm2[order], colour=palette.VALID)]  # fmt: skip
    if np.isfinite(table.vessel_mm2).any():
        burden = table.burden_percent[order] / 10
        shown += [
            Profile(name="vessel IVUS", x_mm=x, y=table.vessel_mm2[order], colour=_VESSEL),
            Profile(name="plaque burden, % / 10", x_mm=x, y=burden, colour=_BURDEN, dashed=True),
        ]
    calcium = 5.0 * table.ct_calcium[order]
    shown.append(Profile(name="calcium CT (0 to 5)", x_mm=x, y=calcium, colour=lanes.CALCIUM, dashed=True))
    return tuple(shown)


def narrow_spots(table: FrameTable) -> tuple[Spot, Spot]:
    """The narrowest place and its reference."""
    low, reference = table.narrowest, table.reference
    return (
        Spot(x_mm=float(table.place_mm[low]), y=float(table.lumen_mm2[low]), colour=palette.ALARM,
             words=f"MLA {table.lumen_mm2[low]:.1f}"),
        Spot(x_mm=float(table.place_mm[reference]), y=float(table.lumen_mm2[reference]),
             words=f"ref {table.lumen_mm2[reference]:.1f}", colour=palette.BRIGHT_TEXT),
    )  # fmt: skip
