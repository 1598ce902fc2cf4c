"""What a key does, as records: the key help, the window and the tests read the same list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PyQt6.QtCore import Qt

Key = Qt.Key


class Desk(Protocol):
    """What actions act on. Every method returns a line for the status strip, "" where the picture says it all."""

    def play_or_pause(self) -> str: ...
    def step(self, frames: int) -> str: ...
    def to_first_frame(self) -> str: ...
    def to_last_frame(self) -> str: ...
    def change_run(self, by: int) -> str: ...
    def zoom(self, factor: float) -> str: ...
    def reset_view(self) -> str: ...
    def invert(self) -> str: ...
    def hold_overlay(self, held: bool) -> str: ...
    def set_mask(self) -> str: ...
    def freeze(self) -> str: ...
    def show_raw(self) -> str: ...
    def next_mode(self) -> str: ...
    def show_unseen(self) -> str: ...
    def show_keys(self) -> str: ...
    def register(self) -> str: ...
    def accept(self) -> str: ...
    def reject(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a person can do from the keyboard.

    Args:
        keys: any of these triggers it.
        shown: the keys in words, for the help.
        text: what it does, for the help.
        press: called on the key's first press, or on every repeat where `repeats`.
        release: called when the key is let go, for what lasts only while it is held.
    """

    keys: tuple[Key, ...]
    shown: str
    text: str
    press: Callable[[Desk], str]
    release: Callable[[Desk], str] | None = None
    repeats: bool = False


ACTIONS: tuple[Action, ...] = (
    Action(keys=(Key.Key_Space,), shown="Space", text="play or pause", press=lambda desk: desk.play_or_pause()),
    Action(keys=(Key.Key_Left,), shown="\u2190", text="one frame back", press=lambda desk: desk.step(-1), repeats=True),
    Action(keys=(Key.Key_Right,), shown="\u2192", text="one frame on", press=lambda desk: desk.step(1), repeats=True),
    Action(keys=(Key.Key_Up,), shown="\u2191", text="previous run", press=lambda desk: desk.change_run(-1)),
    Action(keys=(Key.Key_Down,), shown="\u2193", text="next run", press=lambda desk: desk.change_run(1)),
    Action(keys=(Key.Key_Home,), shown="Home", text="first frame", press=lambda desk: desk.to_first_frame()),
    Action(keys=(Key.Key_End,), shown="End", text="last frame", press=lambda desk: desk.to_last_frame()),
    Action(
        keys=(Key.Key_Plus, Key.Key_Equal),
        shown="+  =",
        text="zoom in",
        press=lambda desk: desk.zoom(1.25),
        repeats=True,
    ),
    Action(keys=(Key.Key_Minus,), shown="-", text="zoom out", press=lambda desk: desk.zoom(0.8), repeats=True),
    Action(keys=(Key.Key_I,), shown="I", text="invert grey", press=lambda desk: desk.invert()),
    Action(
        keys=(Key.Key_O,),
        shown="O (hold)",
        text="hide the overlay while held",
        press=lambda desk: desk.hold_overlay(True),
        release=lambda desk: desk.hold_overlay(False),
    ),
    Action(keys=(Key.Key_V,), shown="V", text="outline, centerline, filled", press=lambda desk: desk.next_mode()),
    Action(keys=(Key.Key_U,), shown="U", text="hide or show unseen branches", press=lambda desk: desk.show_unseen()),
    Action(keys=(Key.Key_R,), shown="R", text="reset zoom and window", press=lambda desk: desk.reset_view()),
    Action(keys=(Key.Key_M,), shown="M", text="this frame as mask, again: off", press=lambda desk: desk.set_mask()),
    Action(keys=(Key.Key_F,), shown="F", text="freeze the picture, again: go on", press=lambda desk: desk.freeze()),
    Action(keys=(Key.Key_Escape,), shown="Esc", text="raw image, again: back", press=lambda desk: desk.show_raw()),
    Action(keys=(Key.Key_G,), shown="G", text="register now", press=lambda desk: desk.register()),
    Action(
        keys=(Key.Key_Return, Key.Key_Enter),
        shown="Enter",
        text="accept the proposed registration",
        press=lambda desk: desk.accept(),
    ),
    Action(keys=(Key.Key_Delete,), shown="Del", text="reject the registration, again: take that back", press=lambda desk: desk.reject()),
    Action(
        keys=(Key.Key_H, Key.Key_Question), shown="H  ?", text="show or hide this", press=lambda desk: desk.show_keys()
    ),
)

MOUSE_HELP: tuple[tuple[str, str], ...] = (
    ("left drag", "window and level"),
    ("middle drag", "move the picture"),
    ("right drag", "zoom"),
    ("wheel", "frames"),
    ("Ctrl + wheel", "overlay opacity"),
)


def action_of(key: int) -> Action | None:
    return next((action for action in ACTIONS if key in action.keys), None)
