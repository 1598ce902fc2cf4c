"""The way back to a stored view, in the words of the room."""

from __future__ import annotations

import math

from calibration.carm import SPACING_TOLERANCE, CArmGeometry

MET_DEG = 1.0  # nobody sees less, and few gantries stop more exactly
_MET_SID_MM = 10.0


def way_back(now: CArmGeometry | None, wanted: CArmGeometry) -> str:
    """How to turn and move the C-arm: "12 degrees LAO, 8 cranial"; "" where the view is met."""
    if now is None:
        return "this picture does not say how the C-arm stands"
    parts = []
    across = math.degrees(wanted.primary_rad - now.primary_rad)
    along = math.degrees(wanted.secondary_rad - now.secondary_rad)
    if abs(across) > MET_DEG:
        parts.append(f"{abs(across):.0f} degrees {'LAO' if across > 0 else 'RAO'}")
    if abs(along) > MET_DEG:
        unit = "" if parts else " degrees"
        parts.append(f"{abs(along):.0f}{unit} {'cranial' if along > 0 else 'caudal'}")
    nearer = wanted.sid_mm - now.sid_mm
    if abs(nearer) > _MET_SID_MM:
        parts.append(f"detector {abs(nearer) / 10.0:.0f} cm {'away' if nearer > 0 else 'closer'}")
    if abs(_field_mm(wanted) / _field_mm(now) - 1.0) > 10 * SPACING_TOLERANCE:
        parts.append(f"field {_field_mm(wanted) / 10.0:.0f} cm")
    return ", ".join(parts)


def _field_mm(geometry: CArmGeometry) -> float:
    """Of the picture's columns at the detector."""
    return geometry.column_spacing_mm * geometry.shape_px[1]
