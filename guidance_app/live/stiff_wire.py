"""What a stiff wire or a delivery system inside the vessels means for a rigid model: they are bent away from it."""

from __future__ import annotations

import math

# An assumption, not a measurement of this program: reports on endovascular repair tell of several millimetres at the
# ostia (as Lalys et al. 2019, doi 10.1016/j.jvir.2019.02.022). The halo is twice what is expected.
WIRE_ERROR_MM, WIRE_HALO_MM = 4.0, 8.0
WIRE_WORDS = "STIFF WIRE INSIDE: it bends the vessels, the model does not follow."


def error_with_wire(expected_error_mm: float, *, inside: bool) -> float:
    """The pose's expected error with what the wire adds to it."""
    return math.hypot(expected_error_mm, WIRE_ERROR_MM) if inside else expected_error_mm
