"""What each ruler makes of the points that were clicked; every one raises InputError where it cannot measure."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.angiography.measurement import Figure, PixelSize, angle, length, size_of_catheter, size_of_marker
from guidance_app.live.guidance import GuidanceResult
from guidance_app.rooms.live.measuring.measured import Measurement, Ruler


def length_of(
    ruler: Ruler,
    points_px: Float[np.ndarray, "n 2"],
    frame: Frame,
    size: PixelSize | None,
    *,
    foreshortened_percent: float | None = None,
) -> Measurement:
    """Of a straight line or of several pieces."""
    figures = (("", length(points_px, size)),)
    return _measurement(ruler, points_px, figures, frame, foreshortened_percent=foreshortened_percent)


def angle_of(points_px: Float[np.ndarray, "3 2"], frame: Frame, size: PixelSize | None) -> Measurement:
    return _measurement("angle", points_px, (("", angle(points_px, size)),), frame)


def calibrated(
    ruler: Ruler, points_px: Float[np.ndarray, "2 2"], frame: Frame, *, known: float
) -> tuple[Measurement, PixelSize]:
    """The pixel size that a catheter (`known` in French) or a marker (in mm) gives, and the line it was taken from."""
    shown_px = length(points_px, None).value
    size = size_of_catheter(known, shown_px) if ruler == "catheter" else size_of_marker(known, shown_px)
    figures = (("", Figure(value=shown_px, unit="px", way=f"is now {size.way}")),)
    return _measurement(ruler, points_px, figures, frame), size


def diameter_of(
    points_px: Float[np.ndarray, "2 2"], frame: Frame, result: GuidanceResult | None, size: PixelSize | None
) -> Measurement:
    """Along the vessel that was segmented in this very picture."""
    from engines.angiography.vessel_width import vessel_width
    from guidance_app.rooms.live.judging.judged_model import filled_mask

    if result is None or result.frame_index != frame.index:
        raise InputError("diameter: the vessels of this very picture are not segmented yet; pause, and click again")
    start, end = (tuple(point) for point in points_px.tolist())
    found = vessel_width(filled_mask(result.vessel_outline, frame.shape_px), start, end)
    percent = Figure(value=found.stenosis_percent, unit="% stenosis", way="of the diameter, needs no calibration")
    figures = (
        ("least", found.narrowest_diameter(size)), ("healthy there", found.reference_diameter(size)), ("", percent),
    )  # fmt: skip
    return _measurement("diameter", found.path_px, figures, frame, narrowest_px=found.path_px[found.narrowest])


def _measurement(
    ruler: Ruler,
    points_px: Float[np.ndarray, "n 2"],
    figures: tuple[tuple[str, Figure], ...],
    frame: Frame,
    *,
    foreshortened_percent: float | None = None,
    narrowest_px: Float[np.ndarray, " 2"] | None = None,
) -> Measurement:
    return Measurement(
        kind=ruler, points_px=points_px, figures=figures, source_id=frame.source_id, frame=frame.source_frame,
        geometry=frame.geometry, sop_instance_uid=frame.sop_instance_uid, foreshortened_percent=foreshortened_percent,
        narrowest_px=narrowest_px,
    )  # fmt: skip
