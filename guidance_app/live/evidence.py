"""What a frame's own picture says for the pose: its vessels, its bones, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EvidenceKind = Literal["vessel", "anatomy", "carried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why the model is drawn where it is.

    Args:
        kind: `vessel`: contrast-filled vessels fit the pose. `anatomy`: no vessel to see, but the bones are where they
            were when vessels last fitted it, or have moved as the model now has. `carried`: neither.
        age_s: seconds since a picture last spoke for the pose; 0 where this very one does.
        added_error_mm: what is to be added to the stated error (root of the sum of squares): how far the bones'
            in-plane move may be from the vessels' own.
    """

    kind: EvidenceKind
    age_s: float
    added_error_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLimits:
    """How long evidence holds.

    Args:
        vessel_s: frames between two that fit may show vessels that neither fit nor contradict; longer is `carried`.
        anatomy_s: since vessels last fitted. A procedure has minutes without contrast; what bones cannot tell (a
            guide wire that stretches a vessel, breath, a bowel that fills) grows with time.
        carried_s: a pose that nothing speaks for is drawn, marked, this long.
    """

    vessel_s: float = 0.5
    anatomy_s: float = 180.0
    carried_s: float = 10.0


LIMITS = EvidenceLimits()
