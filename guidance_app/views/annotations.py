"""What is written on and around the picture, as text; nothing here paints or knows a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.carm import CArmGeometry
from guidance_app.live.guidance import ScreenState
from guidance_app.live.view_words import angles_text
from guidance_app.views.language import tr
from guidance_app.views.overlay_look import Badge, held_for_s
from guidance_app.views.reason_words import seconds_text
from guidance_app.views.windowing import WindowLevel

_SOURCE_WORDS = {
    "no_signal": "NO SIGNAL",
    "live": "\u25cf LIVE",
    "last_run": "LAST RUN",
    "frozen": "\u275a\u275a FROZEN",
    "replay": "\u25b6 REPLAY",
}
# Positioner angles are stated against the patient, however he lies (DICOM PS3.3 C.8.7.5.1.2): 0 degrees is before the
# chest of a prone patient too. What the position adds is which end of the patient the picture's upper edge is.
_LYING = ("S", "P", "DR", "DL")
_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
_OBLIQUE = 0.8  # a letter stands alone up to 37 degrees off its axis; beyond, nobody would call that side so


@dataclass(frozen=True, slots=True, kw_only=True)
class Corners:
    """Lines from the corner inwards.

    `state`, `angles` and `frame` are read from afar, and stand first at the top left, top right and bottom left.
    So are `lower_left` and `lower_right`, which stand first at the bottom. What is `spare` is read from near and helps
    who sits before the screen: it goes first where room is scarce.
    """

    state: str = ""
    angles: tuple[str, ...] = ()
    frame: str = ""
    top_left: tuple[str, ...] = ()
    top_right: tuple[str, ...] = ()
    bottom_left: tuple[str, ...] = ()
    bottom_right: tuple[str, ...] = ()
    lower_left: tuple[str, ...] = ()
    lower_right: tuple[str, ...] = ()
    spare_left: tuple[str, ...] = ()
    spare_right: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SideLetters:
    """The patient's side at each edge of the picture; "" where it is none of the six."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """All words on one picture.

    Args:
        bar: a warning across the whole picture, as that it may show another patient; "" for none.
        message: what is the matter and what to do, under the badge.
        notes: what was done to the picture, as a subtraction; never left out.
        label: written beside the overlay.
    """

    badge: Badge | None = None
    bar: str = ""
    message: str = ""
    notes: tuple[str, ...] = ()
    corners: Corners = Corners()
    sides: SideLetters | None = None
    label: str = ""
    label_colour: str = ""


def corners_of(
    screen: ScreenState,
    *,
    case_id: str,
    window: WindowLevel | None,
    zoom: float,
    frozen: bool = False,
    now_ns: int | None = None,
) -> Corners:
    """`frozen`: the window itself holds the picture, and the source goes on."""
    frame = screen.frame
    title = (tr("Case {id}").format(id=case_id),) if case_id else ()
    state = tr("\u275a\u275a PAUSED" if screen.paused else _SOURCE_WORDS[screen.source_state])
    state += f" {screen.last_run_at}" if screen.source_state == "last_run" else ""
    state = tr("\u275a\u275a FROZEN") if frozen else state
    if frame is None:
        return Corners(top_left=title)
    kind = tr("DSA" if frame.kind == "dsa" else "FLUORO")
    geometry = frame.geometry
    return Corners(
        state=state,
        angles=(tr("angles unknown"),) if geometry is None else tuple(angles_text(geometry).split("  ")),
        frame=tr("Frame {number}").format(number=frame.source_frame + 1)
        + (f"/{screen.frames_total}" if screen.frames_total else ""),
        top_left=(*title, frame.source_id, *_pace(screen), kind),
        top_right=() if geometry is None else (f"SID {geometry.sid_mm:.0f} mm",),
        spare_left=_picture_lines(screen, window, zoom),
        spare_right=_latency_lines(screen),
        bottom_right=_guidance_lines(screen, now_ns),
    )


def side_letters(geometry: CArmGeometry | None, patient_position: str) -> SideLetters | None:
    """Letters for the edges of the picture; None where angles or Patient Position are unknown.

    Camera x runs with the columns unless the picture is mirrored, camera y against the rows.
    """
    position = patient_position.strip().upper()
    if geometry is None or position[:2] not in ("HF", "FF") or position[2:] not in _LYING:
        return None
    camera = geometry.camera_from_isocentre().rotation
    turned = 1.0 if position[:2] == "HF" else -1.0  # the picture of a patient with the feet first stands on its head
    right = _letter(turned * (-camera[0] if geometry.mirrored else camera[0]))
    top = _letter(turned * camera[1])
    return SideLetters(left=_OPPOSITE.get(right, ""), right=right, top=top, bottom=_OPPOSITE.get(top, ""))


def _letter(direction: Float[np.ndarray, " 3"]) -> str:
    axis = int(np.abs(direction).argmax())
    if abs(direction[axis]) < _OBLIQUE:
        return ""
    return ("LPH" if direction[axis] > 0 else "RAF")[axis]


def _pace(screen: ScreenState) -> tuple[str, ...]:
    if screen.every_frame is None:
        return ()
    return (tr("Every frame with its overlay (T)" if screen.every_frame else "As it was live (T)"),)


def _picture_lines(screen: ScreenState, window: WindowLevel | None, zoom: float) -> tuple[str, ...]:
    lines = [] if screen.fps <= 0.0 else [tr("{rate} fps").format(rate=round(screen.fps))]
    lines.append(tr("Zoom {factor}\u00d7").format(factor=f"{zoom:.1f}"))
    if window is not None:
        lines.append(
            f"W {window.width:.0f}  L {window.center:.0f}" + ("  " + tr("inverted") if window.inverted else "")
        )
    return tuple(lines)


def _latency_lines(screen: ScreenState) -> tuple[str, ...]:
    """None where nothing was timed, as on what is shown again from a recording."""
    if screen.p95_ms <= 0.0:
        return ()
    return (tr("Ingest to paint p95 {time} ms").format(time=round(screen.p95_ms)),)


def _guidance_lines(screen: ScreenState, now_ns: int | None) -> tuple[str, ...]:
    # The panel tells confidence and error, at a pace that can be read: two paces would show two values of one figure.
    held_s = None if now_ns is None else held_for_s(screen, now_ns)
    age = "\u2013" if screen.overlay_age_ms is None else seconds_text(screen.overlay_age_ms / 1e3 + (held_s or 0.0))
    first = tr("Overlay age {age}").format(age=age)
    if held_s is not None:
        first = tr("Picture {age} old").format(age=seconds_text(held_s))
    if screen.overlay is None:
        return first, tr("No overlay")  # as many lines as with one: what stands above must not move
    return first, tr("Overlay rigid" if screen.overlay.motion_mm is None else "Overlay motion-compensated")
