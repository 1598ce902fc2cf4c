"""All that a person can do in the live room."""

from __future__ import annotations

from guidance_app.panels.action import Action
from guidance_app.rooms.live.session_desk import SessionDesk
from guidance_app.views.language import tr

MOUSE_HELP: tuple[tuple[str, str], ...] = (
    ("left drag", "Window and level"),
    ("middle drag", "Move the picture"),
    ("right drag", "Zoom"),
    ("wheel", "Frames"),
    ("Ctrl + wheel", "Overlay opacity"),
)
LINES_HELP: tuple[tuple[str, str], ...] = (
    ("solid line", "Vessels of this picture confirm it"),
    ("long dashes", "Bones hold it"),
    ("dash and dot", "Carried: nothing confirms it now"),
    ("dashes", "Unverified: accept or reject it"),
    ("dots", "Not current"),
    ("thin line", "Branch filled earlier; faint: never"),
    ("shade", "How far off a line may be"),
    ("pink, hatched", "Roadmap: contrast of an earlier picture"),
)


def live_actions(desk: SessionDesk) -> tuple[Action, ...]:
    """Bound to the desk that carries them out."""
    return (*_playback(desk), *_picture(desk), *_overlay(desk), *_registration(desk))


def _playback(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.play", words=tr("Play or pause"), keys=("Space",), press=desk.play_or_pause,
            refusal=desk.no_playback,
        ),
        Action(
            id="live.back", words=tr("One frame back"), keys=("Left",), press=lambda: desk.step(-1),
            refusal=desk.no_playback, repeats=True,
        ),
        Action(
            id="live.on", words=tr("One frame on"), keys=("Right",), press=lambda: desk.step(1),
            refusal=desk.no_playback, repeats=True,
        ),
        Action(id="live.previous-run", words=tr("Previous run"), keys=("Up",), press=lambda: desk.change_run(-1)),
        Action(id="live.next-run", words=tr("Next run"), keys=("Down",), press=lambda: desk.change_run(1)),
        Action(
            id="live.first", words=tr("First frame"), keys=("Home",), press=desk.to_first_frame,
            refusal=desk.no_playback,
        ),
        Action(
            id="live.last", words=tr("Last frame"), keys=("End",), press=desk.to_last_frame, refusal=desk.no_playback
        ),
        Action(
            id="live.pace", words=tr("Every frame with its overlay, or as it was live"), keys=("T",),
            press=desk.change_pace, refusal=desk.no_pace,
        ),
        Action(
            id="live.slower", words=tr("Play slower"), keys=(",",), press=lambda: desk.change_speed(-1),
            refusal=desk.no_playback,
        ),
        Action(
            id="live.faster", words=tr("Play faster"), keys=(".",), press=lambda: desk.change_speed(1),
            refusal=desk.no_playback,
        ),
        Action(
            id="live.repeat", words=tr("Repeat a stretch: its first frame, its last, off"), keys=("A",),
            press=desk.mark_stretch, refusal=desk.no_playback,
        ),
        Action(
            id="live.freeze", words=tr("Freeze the picture, again: go on"), keys=("F",), press=desk.freeze,
            refusal=desk.no_picture, tip=tr("The source goes on behind it."),
        ),
    )  # fmt: skip


def _picture(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(id="live.zoom-in", words=tr("Zoom in"), keys=("+", "="), press=lambda: desk.zoom(1.25), repeats=True),
        Action(id="live.zoom-out", words=tr("Zoom out"), keys=("-",), press=lambda: desk.zoom(0.8), repeats=True),
        Action(id="live.invert", words=tr("Invert grey"), keys=("I",), press=desk.invert),
        Action(id="live.reset", words=tr("Reset zoom and window"), keys=("R",), press=desk.reset_view),
        Action(id="live.raw", words=tr("Raw image, again: back"), keys=("Esc",), press=desk.show_raw),
    )  # fmt: skip


def _overlay(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.hide", words=tr("Hide the overlay while held"), keys=("O",), press=lambda: desk.hold_overlay(True),
            release=lambda: desk.hold_overlay(False),
        ),
        Action(
            id="live.fainter", words=tr("Overlay fainter"), keys=("[",), press=lambda: desk.change_opacity(-1),
            repeats=True,
        ),
        Action(
            id="live.stronger", words=tr("Overlay stronger"), keys=("]",), press=lambda: desk.change_opacity(1),
            repeats=True,
        ),
        Action(id="live.mode", words=tr("Outline, centerline, filled"), keys=("V",), press=desk.next_mode),
        Action(
            id="live.unseen", words=tr("Hide or show branches never seen filled"), keys=("U",), press=desk.show_unseen
        ),
    )  # fmt: skip


def _registration(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.register", words=tr("Register now"), keys=("G",), press=desk.register, refusal=desk.no_run,
            consequential=True, tip=tr("Searches the pose anew on the next frame that shows enough vessel."),
        ),
        Action(
            id="live.accept", words=tr("Accept the proposed registration"), keys=("Return", "Enter"), press=desk.accept,
            refusal=desk.nothing_to_accept, consequential=True,
        ),
        Action(
            id="live.reject", words=tr("Reject the registration, again: take that back"), keys=("Del",),
            press=desk.reject, refusal=desk.nothing_to_reject, consequential=True,
        ),
    )  # fmt: skip
