"""What is written in the corners of the picture, as text; nothing here paints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from guidance_app.live.guidance import ScreenState
from guidance_app.live.view_words import angles_text
from guidance_app.views.windowing import WindowLevel

_SOURCE_WORDS = {
    "no_signal": "NO SIGNAL",
    "live": "\u25cf LIVE",
    "frozen": "\u275a\u275a FROZEN",
    "replay": "\u25b6 REPLAY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Corners:
    """Lines from the corner inwards."""

    top_left: tuple[str, ...]
    top_right: tuple[str, ...]
    bottom_left: tuple[str, ...]
    bottom_right: tuple[str, ...]


def corners_of(
    screen: ScreenState, *, case_id: str, window: WindowLevel | None, zoom: float, frozen: bool = False
) -> Corners:
    """`frozen`: the window itself holds the picture, and the source goes on."""
    frame = screen.frame
    title = (f"Case {case_id}",) if case_id else ()
    state = "\u275a\u275a PAUSED" if screen.paused else _SOURCE_WORDS[screen.source_state]
    state = "\u275a\u275a FROZEN HERE (F)" if frozen else state
    if frame is None:
        return Corners(top_left=title, top_right=(), bottom_left=(), bottom_right=())
    kind = "DSA" if frame.kind == "dsa" else "FLUORO"
    return Corners(
        top_left=(*title, frame.source_id, kind, state),
        top_right=_geometry_lines(frame),
        bottom_left=_picture_lines(screen, frame, window, zoom),
        bottom_right=_guidance_lines(screen),
    )


def side_letters(geometry: CArmGeometry | None) -> tuple[str, str] | None:
    """Letters for the left and right edge of the picture, where the header says how the patient lies.

    Camera x is (cos p, sin p, 0) in LPS and runs with the columns unless the picture is mirrored.
    """
    if geometry is None or not geometry.sides_known:
        return None
    left, posterior = np.cos(geometry.primary_rad), np.sin(geometry.primary_rad)
    if geometry.mirrored:
        left, posterior = -left, -posterior
    if abs(left) >= abs(posterior):
        return ("R", "L") if left > 0 else ("L", "R")
    return ("A", "P") if posterior > 0 else ("P", "A")


def _geometry_lines(frame: Frame) -> tuple[str, ...]:
    if frame.geometry is None:
        return ("angles unknown",)
    return angles_text(frame.geometry), f"SID {frame.geometry.sid_mm:.0f} mm"


def _picture_lines(screen: ScreenState, frame: Frame, window: WindowLevel | None, zoom: float) -> tuple[str, ...]:
    number = f"Frame {frame.source_frame + 1}"
    if screen.frames_total is not None:
        number += f"/{screen.frames_total}"
    lines = [f"{number}   {screen.fps:.0f} fps", f"Zoom {zoom:.1f}\u00d7"]
    if window is not None:
        lines.append(f"W {window.width:.0f}  L {window.center:.0f}" + ("  inverted" if window.inverted else ""))
    return tuple(reversed(lines))


def _guidance_lines(screen: ScreenState) -> tuple[str, ...]:
    # The panel tells confidence and error, at a pace that can be read: two paces would show two values of one figure.
    age = "\u2013" if screen.overlay_age_ms is None else f"{screen.overlay_age_ms:.0f} ms"
    lines = [f"Ingest to paint p95 {screen.p95_ms:.0f} ms", f"Overlay age {age}"]
    if screen.overlay is not None:
        lines.append("Overlay rigid" if screen.overlay.motion_mm is None else "Overlay motion-compensated")
    return tuple(lines)
