"""How an overlay, or its absence, is marked: by colour, line and words together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from guidance_app.live.guidance import ScreenState
from guidance_app.views import palette
from guidance_app.views.language import tr
from guidance_app.views.reason_words import seconds_text

Line = Literal["solid", "long dashes", "dash dot", "dashed", "dotted"]
Shape = Literal["disc", "square", "hourglass", "diamond", "triangle", "ring", "cross"]

_HELD_S = 1.0  # a picture that stays longer on a live screen is a held one
_HELD_FRAMES = 1.5  # of a slow series
_LEAST_PER_S = 2.0  # below it an overlay is too old for most of the pictures that follow
LEAST_REMEMBERED_OPACITY = 0.4  # a fainter overlay is overlooked


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
_HELD = OverlayLook(colour=palette.HELD, line="long dashes", label="HELD BY BONES")
_UNVERIFIED = OverlayLook(colour=palette.UNVERIFIED, line="dashed", label="UNVERIFIED")


def look_of(screen: ScreenState, *, now_ns: int | None = None) -> OverlayLook | None:
    """How to draw the overlay; None where it must not be drawn.

    Only an accepted registration that this picture's own vessels bear out is drawn solid. A state that allows no
    drawing is refused here too, whatever overlay comes with it.

    Args:
        now_ns: monotonic clock; None counts every age to the picture on the screen.
    """
    overlay = screen.overlay
    if overlay is None or screen.overlay_state == "hidden":
        return None
    if screen.guidance_state in ("unregistered", "rejected"):
        return None
    if screen.guidance_state == "proposed":
        own = screen.frame is not None and overlay.frame_index == screen.frame.index
        label = tr("UNVERIFIED") if own else tr("UNVERIFIED - {age}").format(age=age_text(screen, now_ns))
        return replace(_UNVERIFIED, label=label)
    if screen.overlays_per_s is not None:
        steady = OverlayLook(colour=palette.NOT_CURRENT, line="dotted", label="")
        return steady if screen.overlays_per_s >= _LEAST_PER_S else None
    if screen.overlay_state == "valid" and screen.guidance_state == "accepted":
        held = overlay.evidence is not None and overlay.evidence.kind == "anatomy"
        return replace(_HELD, label=tr(_HELD.label)) if held else _VALID
    if screen.guidance_state == "accepted" and _is_carried(screen):
        return OverlayLook(colour=palette.CARRIED, line="dash dot", label=tr("CARRIED"))
    not_current = tr("NOT CURRENT - {age}").format(age=age_text(screen, now_ns))
    return OverlayLook(colour=palette.NOT_CURRENT, line="dotted", label=not_current)


def badge_of(
    screen: ScreenState,
    *,
    held: bool,
    raw: bool,
    frozen: bool = False,
    opacity: float = 1.0,
    now_ns: int | None = None,
) -> Badge:
    """The one badge on the picture. A picture that does not show the present is always marked as such.

    Args:
        frozen: a person holds the picture, and the source goes on.
        opacity: of the overlay; one that is easily overlooked is said.
        now_ns: as in `look_of`.
    """
    if frozen:
        text = tr("PICTURE FROZEN (F) - NOT LIVE")
        if now_ns is not None:
            age = seconds_text(_picture_age_s(screen, now_ns))
            text = tr("PICTURE FROZEN (F) - NOT LIVE, {age} old").format(age=age)
        return Badge(text=text, shape="triangle", colour=palette.NOT_CURRENT)
    if raw:
        faults = {"no_signal": "RAW IMAGE - NO SIGNAL", "frozen": "RAW IMAGE - SOURCE STANDS STILL"}
        fault = faults.get(screen.source_state)
        if fault is not None and screen.frame is not None:
            return Badge(text=tr(fault), shape="cross", colour=palette.ALARM)
        return Badge(text=tr("RAW IMAGE"), shape="ring", colour=palette.TEXT)
    if held:
        return Badge(text=tr("OVERLAY HIDDEN (O)"), shape="ring", colour=palette.TEXT)
    badge = _badge(screen, now_ns)
    faint = look_of(screen) is not None and opacity < LEAST_REMEMBERED_OPACITY
    return (
        replace(badge, text=f"{badge.text} - " + tr("FAINT, {share} %").format(share=round(100 * opacity)))
        if faint
        else badge
    )


def _badge(screen: ScreenState, now_ns: int | None) -> Badge:
    if screen.overlays_per_s is not None and screen.guidance_state == "accepted":
        words = tr("SLOW - {count} overlays a second").format(count=round(max(1.0, screen.overlays_per_s)))
        if screen.overlays_per_s < _LEAST_PER_S:
            words = tr("SLOW - overlay only while paused")
        return Badge(text=words, shape="triangle", colour=palette.NOT_CURRENT)
    look = look_of(screen, now_ns=now_ns)
    if screen.source_state == "last_run" and (look is None or look.line == "dotted"):
        what = tr("no overlay") if look is None else tr("overlay {age}").format(age=age_text(screen, now_ns))
        return Badge(
            text=tr("LAST RUN, {time}").format(time=screen.last_run_at) + f" - {what}",
            shape="triangle",
            colour=palette.NOT_CURRENT,
        )
    if look is None:
        return _badge_without_overlay(screen)
    evidence = screen.overlay.evidence if screen.overlay is not None else None
    match look.line:
        case "dotted":
            text = tr("NOT CURRENT - {age}").format(age=age_text(screen, now_ns))
            return Badge(text=text, shape="triangle", colour=look.colour)
        case "dashed":
            return Badge(text=tr("UNVERIFIED"), shape="diamond", colour=look.colour)
        case "dash dot":
            if evidence is None:
                return Badge(text=tr("CARRIED - not checked on this picture"), shape="hourglass", colour=look.colour)
            since_s = evidence.age_s + (screen.overlay_age_ms or 0.0) / 1e3
            text = tr("CARRIED - last confirmed {age} s ago").format(age=f"{since_s:.1f}")
            return Badge(text=text, shape="hourglass", colour=look.colour)
        case "long dashes":
            since_s = 0.0 if evidence is None else evidence.age_s
            text = tr("HELD BY BONES - vessels seen {age} ago").format(age=seconds_text(since_s))
            return Badge(text=text, shape="square", colour=look.colour)
        case _:
            return Badge(text=tr("OVERLAY VALID"), shape="disc", colour=look.colour)


def age_text(screen: ScreenState, now_ns: int | None = None) -> str:
    """How old the overlay is: against its picture, or against now where that picture is held on a live screen."""
    age_ms = screen.overlay_age_ms
    if age_ms is None:
        return tr("age unknown")
    if now_ns is not None and (held_s := held_for_s(screen, now_ns)) is not None:
        age_ms += 1000.0 * held_s
    return tr("{age} old").format(age=seconds_text(age_ms / 1000.0))


def held_for_s(screen: ScreenState, now_ns: int) -> float | None:
    """Since when no newer picture has come from a live source; None while they flow, and for recordings."""
    frame = screen.frame
    if frame is None or screen.frames_total is not None or frame.received_ns == 0:
        return None
    held_s = _picture_age_s(screen, now_ns)
    return held_s if held_s > max(_HELD_S, _HELD_FRAMES * (frame.frame_time_ms or 0.0) / 1e3) else None


def _picture_age_s(screen: ScreenState, now_ns: int) -> float:
    return 0.0 if screen.frame is None else max(0.0, (now_ns - screen.frame.received_ns) / 1e9)


def _is_carried(screen: ScreenState) -> bool:
    """The pose is drawn on its own picture, and only that picture does not speak for it."""
    if screen.why is not None:
        return screen.why.code in ("carried", "unchecked")
    evidence = screen.overlay.evidence if screen.overlay is not None else None
    return evidence is not None and evidence.kind == "carried"


def _badge_without_overlay(screen: ScreenState) -> Badge:
    if screen.frame is None:
        return Badge(text=tr("WAITING FOR THE FIRST PICTURE"), shape="ring", colour=palette.TEXT)
    if screen.source_state == "no_signal":
        return Badge(text=tr("NO SIGNAL"), shape="cross", colour=palette.ALARM)
    if not screen.engine_up and screen.engine_loading:
        return Badge(text=tr("NO OVERLAY - GUIDANCE IS LOADING"), shape="ring", colour=palette.TEXT)
    if not screen.engine_up:
        return Badge(text=tr("NO OVERLAY - GUIDANCE NOT RUNNING"), shape="cross", colour=palette.ALARM)
    words = {
        "unregistered": "NO OVERLAY - NOT REGISTERED",
        "rejected": "NO OVERLAY - REGISTRATION REJECTED",
        "stale": "NO OVERLAY - NOT CURRENT",
        "proposed": "NO OVERLAY - UNVERIFIED",
        "accepted": "NO OVERLAY ON THIS FRAME",
    }
    return Badge(text=tr(words[screen.guidance_state]), shape="ring", colour=palette.TEXT)
