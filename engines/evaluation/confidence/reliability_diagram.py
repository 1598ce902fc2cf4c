"""Reliability diagram: how often registrations of each stated confidence were right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from calibration.store import write_bytes
from engines.evaluation.registration.figures import Calibration, Summary

_SIDE_PX, _MARGIN_PX, _BARS_PX = 360, 56, 60
_INK, _GREY, _BLUE = (40, 40, 40), (170, 170, 170), (190, 110, 30)  # BGR


def write_reliability_diagram(path: Path, methods: Mapping[str, Mapping[str, Summary]]) -> bool:
    """Write one panel per method with a confidence and per kind of start; False if no method has a confidence."""
    return write_reliability_panels(
        path,
        {
            f"{method}, {start} starts": summary.calibration
            for method, by_start in methods.items()
            for start, summary in by_start.items()
        },
    )


def write_reliability_panels(path: Path, calibrations: Mapping[str, Calibration]) -> bool:
    """Write one panel beside the other, by title; False if none has a confidence."""
    import cv2

    panels = [reliability_panel(title, found) for title, found in calibrations.items() if found.brier is not None]
    if not panels:
        return False
    write_bytes(path, cv2.imencode(".png", np.hstack(panels))[1].tobytes())
    return True


def reliability_panel(title: str, calibration: Calibration) -> UInt8[np.ndarray, "rows columns 3"]:
    """Points at (mean confidence, share within 5 mm) with 95 % intervals; below, the registrations per bin."""
    import cv2

    height, width = _SIDE_PX + 2 * _MARGIN_PX + _BARS_PX, _SIDE_PX + 2 * _MARGIN_PX
    panel = np.full((height, width, 3), 255, dtype=np.uint8)

    def place(confidence: float, share: float) -> tuple[int, int]:
        return round(_MARGIN_PX + confidence * _SIDE_PX), round(_MARGIN_PX + (1.0 - share) * _SIDE_PX)

    def write(text: str, at: tuple[int, int], size: float = 0.4) -> None:
        cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)

    cv2.rectangle(panel, place(0, 1), place(1, 0), _INK, 1)
    cv2.line(panel, place(0, 0), place(1, 1), _GREY, 1, cv2.LINE_AA)
    for tick in (0.0, 0.5, 1.0):
        write(f"{tick:g}", (place(tick, 0)[0] - 8, place(0, 0)[1] + 16))
        write(f"{tick:g}", (_MARGIN_PX - 28, place(0, tick)[1] + 4))
    most = max(1, *(found.within_5mm.n for found in calibration.bins))
    floor = height - 24
    for found in calibration.bins:
        within = found.within_5mm
        left, right = place(found.low, 0)[0] + 2, place(found.high, 0)[0] - 2
        cv2.rectangle(panel, (left, floor - round(_BARS_PX * within.n / most)), (right, floor), _GREY, -1)
        if found.mean_confidence is None or within.value is None or within.low is None or within.high is None:
            continue
        write(str(within.n), (left, floor + 14), 0.33)
        x = found.mean_confidence
        cv2.line(panel, place(x, within.low), place(x, within.high), _BLUE, 1, cv2.LINE_AA)
        cv2.circle(panel, place(x, within.value), 4, _BLUE, -1, cv2.LINE_AA)
    write(title, (_MARGIN_PX, 20))
    write(f"Brier {calibration.brier:.3f}, ECE {calibration.expected_calibration_error:.3f}", (_MARGIN_PX, 38))
    write("confidence (x), share within 5 mm (y); bars: registrations", (_MARGIN_PX, place(0, 0)[1] + 32), 0.36)
    return panel
