"""C-arm angles and directions in the patient, who lies as in the CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAngles:
    """Degrees; + is LAO, + is cranial (DICOM PS3.3 C.8.7.5.1.2)."""

    primary_deg: float
    secondary_deg: float

    def words(self) -> str:
        """As a cath lab says it: "LAO 30 CRA 20"."""
        return angle_words(self.primary_deg, self.secondary_deg)


@dataclass(frozen=True, slots=True, kw_only=True)
class GantryLimits:
    """How far a C-arm turns; the defaults are what floor-mounted ones reach beside a patient, not one machine's."""

    lao_deg: float = 60.0
    rao_deg: float = 60.0
    cranial_deg: float = 40.0
    caudal_deg: float = 40.0

    def reach(self, angles: ViewAngles) -> bool:
        return (
            -self.rao_deg <= angles.primary_deg <= self.lao_deg
            and -self.caudal_deg <= angles.secondary_deg <= self.cranial_deg
        )


def beam_lps(primary_deg: float, secondary_deg: float) -> Float[np.ndarray, " 3"]:
    """From the source to the detector, a unit vector (DICOM PS3.3 C.8.7.5.1.2)."""
    primary, secondary = np.deg2rad([primary_deg, secondary_deg])
    return np.array(
        [np.sin(primary) * np.cos(secondary), -np.cos(primary) * np.cos(secondary), np.sin(secondary)]
    )  # fmt: skip


def angles_along(direction_lps: Float[np.ndarray, " 3"]) -> ViewAngles:
    """The view whose beam runs along a line, either way: the one with the detector in front of the patient.

    Raises:
        ValueError: no direction.
    """
    length = float(np.linalg.norm(direction_lps))
    if length < 1e-9:
        raise ValueError("a direction needs a length")
    x, y, z = direction_lps / length
    if y > 0.0:
        x, y, z = -x, -y, -z
    return ViewAngles(
        primary_deg=float(np.rad2deg(np.arctan2(x, -y))), secondary_deg=float(np.rad2deg(np.arcsin(np.clip(z, -1, 1))))
    )


def angle_words(primary_deg: float, secondary_deg: float) -> str:
    """As a cath lab says it: "LAO 30 CRA 20"."""
    first = f"{'LAO' if primary_deg >= 0 else 'RAO'} {abs(primary_deg):.0f}"
    return f"{first} {'CRA' if secondary_deg >= 0 else 'CAU'} {abs(secondary_deg):.0f}"
