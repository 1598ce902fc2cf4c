"""A view in words, as people in the room say it."""

from __future__ import annotations

import math

from calibration.carm import DISTANCE_TOLERANCE_MM, TILT_TOLERANCE_DEG, CArmGeometry


def angles_text(geometry: CArmGeometry) -> str:
    """The C-arm angles as people in the room say them."""
    primary, secondary = math.degrees(geometry.primary_rad), math.degrees(geometry.secondary_rad)
    side = "RAO" if primary < 0 else "LAO"
    tilt = "CAU" if secondary < 0 else "CRA"
    return f"{side} {abs(primary):.1f}\u00b0  {tilt} {abs(secondary):.1f}\u00b0"


def change_of_view(before: CArmGeometry, now: CArmGeometry) -> str:
    """What differs between two views that are not the same, for the log."""
    parts = []
    old, new = (" ".join(angles_text(view).split()) for view in (before, now))
    if old != new:
        parts.append(f"{old} to {new}")
    if abs(before.sid_mm - now.sid_mm) > DISTANCE_TOLERANCE_MM:
        parts.append(f"SID {before.sid_mm:.0f} to {now.sid_mm:.0f} mm")
    if before.table_mm is not None and now.table_mm is not None:
        moved_mm = math.dist(before.table_mm, now.table_mm)
        if moved_mm > DISTANCE_TOLERANCE_MM:
            parts.append(f"table moved {moved_mm:.0f} mm")
    elif before.table_mm is not None:
        parts.append("the table's position is no longer stated")
    if before.table_tilt_rad is not None and now.table_tilt_rad is None:
        parts.append("the table's tilt is no longer stated")
    elif before.table_tilt_rad is not None and now.table_tilt_rad is not None:
        tilted_deg = math.degrees(
            max(abs(a - b) for a, b in zip(before.table_tilt_rad, now.table_tilt_rad, strict=True))
        )
        if tilted_deg > TILT_TOLERANCE_DEG:
            parts.append(f"table tilted by {tilted_deg:.1f}\u00b0")
    if before.patient_position != now.patient_position and before.patient_position and now.patient_position:
        parts.append(f"patient position {before.patient_position} to {now.patient_position}")
    if before.shape_px != now.shape_px:
        sizes = (f"{columns}x{rows}" for rows, columns in (before.shape_px, now.shape_px))
        parts.append(" to ".join(sizes))
    # What is left is small or rare: less than 0.1 degrees, pixel size, isocentre, centre of the picture, mirroring.
    return ", ".join(parts) or "angles, distances, pixel size or field of view"
