"""What a person can do, as records: buttons, the key help, the command palette and the tests read the same list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence

from guidance_app.panels.icons import IconName

_SHOWN = {"Left": "\u2190", "Right": "\u2192", "Up": "\u2191", "Down": "\u2193", "Return": "Enter", "Esc": "Esc"}
_SHIFTS = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier  # "?" needs Shift, digits the pad
_NO_SHIFT = ~_SHIFTS


def _nothing_against_it() -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a person can do. `press` returns a line for the status strip, "" where the picture says it all.

    Args:
        id: room and verb, as "live.accept"; unique in the whole window.
        words: what it does, starting with a capital.
        press: does it; called on the first press of a key, or on every repeat where `repeats`.
        keys: any of these triggers it, written as Qt does ("Ctrl+K", "Space", "Left").
        tip: a second sentence, for the tool tip; "" where the words say enough.
        icon: of its button.
        refusal: why it cannot be done now, "" where it can.
        consequential: it changes what guidance says of the patient, so it is marked and, with `undo`, taken back.
        undo: id of the action that takes it back.
        help_row: keys and words of the line of the help that stands for it and its like; None for a line of its own.
        release: called when the key is let go, for what lasts only while it is held.
    """

    id: str
    words: str
    press: Callable[[], str]
    keys: tuple[str, ...] = ()
    tip: str = ""
    icon: IconName | None = None
    refusal: Callable[[], str] = _nothing_against_it
    consequential: bool = False
    undo: str = ""
    release: Callable[[], str] | None = None
    repeats: bool = False
    help_row: tuple[str, str] | None = None

    @property
    def in_help(self) -> tuple[str, str]:
        """Keys and words of its line in the help."""
        return self.help_row or (self.shown_keys, self.words)

    @property
    def shown_keys(self) -> str:
        """The keys as the help shows them."""
        distinct = dict.fromkeys(_SHOWN.get(key, key) for key in self.keys)
        return "  ".join(distinct) + (" (hold)" if self.release is not None else "")

    def perform(self) -> str:
        """Do it, or say why it cannot be done now."""
        return self.refusal() or self.press()


def action_for(actions: Iterable[Action], event: QKeyEvent) -> Action | None:
    """The action that this key triggers.

    Where a chord names Shift, Shift must be held, and it goes before the same key without; else, without Ctrl, Alt or
    Meta in a chord, Shift and the number pad do not count.
    """
    fitting = [action for action in actions if any(_is(chord, event) for chord in action.keys)]
    shifted = (action for action in fitting if any(_names_shift(chord) and _is(chord, event) for chord in action.keys))
    return next(shifted, fitting[0] if fitting else None)


def _names_shift(chord: str) -> bool:
    return bool(QKeySequence(chord)[0].keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier)


def _is(chord: str, event: QKeyEvent) -> bool:
    wanted = QKeySequence(chord)[0]
    if wanted.key() != event.key():
        return False
    held = event.modifiers()
    if wanted.keyboardModifiers() & _NO_SHIFT or _names_shift(chord):
        return held & ~Qt.KeyboardModifier.KeypadModifier == wanted.keyboardModifiers()
    return not held & _NO_SHIFT
