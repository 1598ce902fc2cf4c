"""All that a person can do in the live room."""

from __future__ import annotations

from guidance_app.panels.action import Action
from guidance_app.rooms.live.session_desk import SessionDesk

MOUSE_HELP: tuple[tuple[str, str], ...] = (
    ("left drag", "Window and level"),
    ("middle drag", "Move the picture"),
    ("right drag", "Zoom"),
    ("wheel", "Frames"),
    ("Ctrl + wheel", "Overlay opacity"),
)


def live_actions(desk: SessionDesk) -> tuple[Action, ...]:
    """Bound to the desk that carries them out."""
    return (*_playback(desk), *_picture(desk), *_overlay(desk), *_registration(desk))


def _playback(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.play", words="Play or pause", keys=("Space",), press=desk.play_or_pause, refusal=desk.no_playback
        ),
        Action(
            id="live.back", words="One frame back", keys=("Left",), press=lambda: desk.step(-1),
            refusal=desk.no_playback, repeats=True,
        ),
        Action(
            id="live.on", words="One frame on", keys=("Right",), press=lambda: desk.step(1),
            refusal=desk.no_playback, repeats=True,
        ),
        Action(id="live.previous-run", words="Previous run", keys=("Up",), press=lambda: desk.change_run(-1)),
        Action(id="live.next-run", words="Next run", keys=("Down",), press=lambda: desk.change_run(1)),
        Action(
            id="live.first", words="First frame", keys=("Home",), press=desk.to_first_frame, refusal=desk.no_playback
        ),
        Action(id="live.last", words="Last frame", keys=("End",), press=desk.to_last_frame, refusal=desk.no_playback),
        Action(
            id="live.freeze", words="Freeze the picture, again: go on", keys=("F",), press=desk.freeze,
            refusal=desk.no_picture, tip="The source goes on behind it.",
        ),
    )  # fmt: skip


def _picture(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(id="live.zoom-in", words="Zoom in", keys=("+", "="), press=lambda: desk.zoom(1.25), repeats=True),
        Action(id="live.zoom-out", words="Zoom out", keys=("-",), press=lambda: desk.zoom(0.8), repeats=True),
        Action(id="live.invert", words="Invert grey", keys=("I",), press=desk.invert),
        Action(id="live.reset", words="Reset zoom and window", keys=("R",), press=desk.reset_view),
        Action(
            id="live.mask", words="This frame as mask, again: off", keys=("M",), press=desk.set_mask,
            refusal=desk.no_picture,
        ),
        Action(id="live.raw", words="Raw image, again: back", keys=("Esc",), press=desk.show_raw),
    )  # fmt: skip


def _overlay(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.hide", words="Hide the overlay while held", keys=("O",), press=lambda: desk.hold_overlay(True),
            release=lambda: desk.hold_overlay(False),
        ),
        Action(id="live.mode", words="Outline, centerline, filled", keys=("V",), press=desk.next_mode),
        Action(
            id="live.unseen", words="Hide or show branches never seen filled", keys=("U",), press=desk.show_unseen
        ),
    )  # fmt: skip


def _registration(desk: SessionDesk) -> tuple[Action, ...]:
    return (
        Action(
            id="live.register", words="Register now", keys=("G",), press=desk.register, refusal=desk.no_run,
            consequential=True, tip="Searches the pose anew on the next frame that shows enough vessel.",
        ),
        Action(
            id="live.accept", words="Accept the proposed registration", keys=("Return", "Enter"), press=desk.accept,
            refusal=desk.nothing_to_accept, consequential=True,
        ),
        Action(
            id="live.reject", words="Reject the registration, again: take that back", keys=("Del",), press=desk.reject,
            refusal=desk.nothing_to_reject, consequential=True,
        ),
    )  # fmt: skip
