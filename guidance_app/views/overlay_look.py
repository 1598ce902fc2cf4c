"""How an overlay, or its absence, is marked: by colour, line and words together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from guidance_app.live.guidance import ScreenState
from guidance_app.views import palette

Line = Literal["solid", "dashed", "dotted"]
Shape = Literal["disc", "diamond", "triangle", "ring", "cross"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """The state in a word, a shape and a colour."""

    text: str
    shape: Shape
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayLook:
    colour: str
    line: Line
    label: str  # written beside the overlay itself; "" where the badge is enough


_VALID = OverlayLook(colour=palette.VALID, line="solid", label="")
_UNVERIFIED = OverlayLook(colour=palette.UNVERIFIED, line="dashed", label="UNVERIFIED")


def look_of(screen: ScreenState) -> OverlayLook | None:
    """How to draw the overlay; None where it must not be drawn.

    Only an accepted registration on its own frame is drawn solid. A state that allows no drawing is refused here too,
    whatever overlay comes with it.
    """
    if screen.overlay is None or screen.overlay_state == "hidden":
        return None
    if screen.guidance_state in ("unregistered", "rejected"):
        return None
    if screen.guidance_state == "proposed":
        own = screen.frame is not None and screen.overlay.frame_index == screen.frame.index
        return _UNVERIFIED if own else replace(_UNVERIFIED, label=f"UNVERIFIED - {age_text(screen)}")
    if screen.overlay_state == "stale" or screen.guidance_state == "stale":
        return OverlayLook(colour=palette.NOT_CURRENT, line="dotted", label=f"NOT CURRENT - {age_text(screen)}")
    return _VALID


def badge_of(screen: ScreenState, *, held: bool, raw: bool, frozen: bool = False) -> Badge:
    """The one badge on the picture. A picture that does not show the present is always marked as such.

    Args:
        frozen: a person holds the picture, and the source goes on.
    """
    if frozen:
        return Badge(text="PICTURE FROZEN (F) - NOT LIVE", shape="triangle", colour=palette.NOT_CURRENT)
    if raw:
        fault = {"no_signal": "NO SIGNAL", "frozen": "SOURCE STANDS STILL"}.get(screen.source_state)
        if fault is not None and screen.frame is not None:
            return Badge(text=f"RAW IMAGE - {fault}", shape="cross", colour=palette.ALARM)
        return Badge(text="RAW IMAGE", shape="ring", colour=palette.TEXT)
    if held:
        return Badge(text="OVERLAY HIDDEN (O)", shape="ring", colour=palette.TEXT)
    look = look_of(screen)
    if look is None:
        return _badge_without_overlay(screen)
    if look.line == "dotted":
        return Badge(text=f"NOT CURRENT - {age_text(screen)}", shape="triangle", colour=look.colour)
    if look.line == "dashed":
        return Badge(text="UNVERIFIED", shape="diamond", colour=look.colour)
    return Badge(text="OVERLAY VALID", shape="disc", colour=look.colour)


def age_text(screen: ScreenState) -> str:
    age_ms = screen.overlay_age_ms
    if age_ms is None:
        return "age unknown"
    return f"{age_ms / 1000.0:.1f} s old" if age_ms >= 1000.0 else f"{age_ms:.0f} ms old"


def _badge_without_overlay(screen: ScreenState) -> Badge:
    if screen.frame is None:
        return Badge(text="WAITING FOR THE FIRST PICTURE", shape="ring", colour=palette.TEXT)
    if screen.source_state == "no_signal":
        return Badge(text="NO SIGNAL", shape="cross", colour=palette.ALARM)
    if not screen.engine_up and screen.engine_loading:
        return Badge(text="NO OVERLAY - GUIDANCE IS LOADING", shape="ring", colour=palette.TEXT)
    if not screen.engine_up:
        return Badge(text="NO OVERLAY - GUIDANCE NOT RUNNING", shape="cross", colour=palette.ALARM)
    words = {
        "unregistered": "NO OVERLAY - NOT REGISTERED",
        "rejected": "NO OVERLAY - REGISTRATION REJECTED",
        "stale": "NO OVERLAY - NOT CURRENT",
        "proposed": "NO OVERLAY - UNVERIFIED",
        "accepted": "NO OVERLAY ON THIS FRAME",
    }
    return Badge(text=words[screen.guidance_state], shape="ring", colour=palette.TEXT)
