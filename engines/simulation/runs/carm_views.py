"""Positions of C-arm and patient."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose


def place_patient(rng: np.random.Generator, target_mm: Float[np.ndarray, " 3"]) -> RigidPose:
    """Place the patient with the target near the isocentre: turned by up to 6 degrees, off by up to 15 mm."""
    rotation = rng.uniform(-1.0, 1.0, size=3) * np.deg2rad([6.0, 4.0, 6.0])
    turn = RigidPose.from_rotation_vector(rotation, np.zeros(3), target="isocentre", source="lps")
    miss_mm = rng.uniform(-1.0, 1.0, size=3) * [10.0, 15.0, 10.0]
    return RigidPose.from_rotation_vector(
        rotation, miss_mm - turn.apply(target_mm[None])[0], target="isocentre", source="lps"
    )


def draw_view(
    rng: np.random.Generator,
    *,
    primary_deg: float,
    secondary_deg: float,
    spread_deg: float,
    sid_mm: tuple[float, float],
    sod_mm: tuple[float, float],
    field_mm: tuple[float, ...],
    size_px: int = 512,
) -> CArmGeometry:
    """A view near the given angles; as in headers, angles are rounded to 0.1 degrees and distances to 1 mm."""
    angles = np.round([primary_deg + spread_deg * rng.normal(), secondary_deg + spread_deg * rng.normal()], 1)
    spacing = round(float(rng.choice(field_mm)) / size_px, 4)
    return CArmGeometry(
        primary_rad=float(np.deg2rad(angles[0])),
        secondary_rad=float(np.deg2rad(angles[1])),
        sid_mm=float(np.round(rng.uniform(*sid_mm))),
        sod_mm=float(np.round(rng.uniform(*sod_mm))),
        column_spacing_mm=spacing,
        row_spacing_mm=spacing,
        shape_px=(size_px, size_px),
        principal_point_px=((size_px - 1) / 2, (size_px - 1) / 2),
    )


def view_text(geometry: CArmGeometry) -> tuple[str, ...]:
    """The text that systems burn into the picture."""
    primary, secondary = np.rad2deg(geometry.primary_rad), np.rad2deg(geometry.secondary_rad)
    side, tilt = ("LAO" if primary >= 0 else "RAO"), ("CRA" if secondary >= 0 else "CAU")
    return (f"{side} {abs(primary):.0f}  {tilt} {abs(secondary):.0f}", f"SID {geometry.sid_mm / 10:.0f}")
