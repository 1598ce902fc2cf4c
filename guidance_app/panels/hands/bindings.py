"""Which button of which device does what, as a person set it up."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence

from guidance_app.views.language import tr

_ALONE_NOTHING = (
    0,
    Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_AltGr, Qt.Key.Key_Meta, Qt.Key.Key_CapsLock,
    Qt.Key.Key_NumLock, Qt.Key.Key_unknown, Qt.Key.Key_Escape,
)  # fmt: skip
_PAD_WORDS = {
    "pad:a": "Pad A", "pad:b": "Pad B", "pad:x": "Pad X", "pad:y": "Pad Y", "pad:left": "Pad \u2190",
    "pad:right": "Pad \u2192", "pad:up": "Pad \u2191", "pad:down": "Pad \u2193", "pad:left-shoulder": "Pad L1",
    "pad:right-shoulder": "Pad R1", "pad:left-trigger": "Pad L2", "pad:right-trigger": "Pad R2",
    "pad:start": "Pad start", "pad:back": "Pad back",
}  # fmt: skip


class Binding(BaseModel):
    """One button and what it does.

    Args:
        signal: "key:" and a chord as Qt writes it ("key:F13"), or "pad:" and a button's name ("pad:a").
        action: id of the action.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    signal: str
    action: str


class Hands(BaseModel):
    """All that devices do, and how large the targets are.

    Args:
        touch: every button is at least 15 mm high, for gloved fingers.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    bindings: tuple[Binding, ...] = ()
    touch: bool = False

    @classmethod
    def of_state(cls, state: Mapping[str, JsonValue]) -> Hands:
        """The defaults where the state makes no sense to this version."""
        try:
            return cls.model_validate(state)
        except ValidationError:
            return cls()

    def action_of(self, signal: str) -> str:
        """Id of the action, "" where the button does nothing."""
        return next((one.action for one in self.bindings if one.signal == signal), "")

    def bound(self, signal: str, action: str) -> Hands:
        """With this button for this action, and for no other."""
        others = tuple(one for one in self.bindings if one.signal != signal)
        return self.model_copy(update={"bindings": (*others, Binding(signal=signal, action=action))})

    def without(self, signal: str) -> Hands:
        return self.model_copy(update={"bindings": tuple(one for one in self.bindings if one.signal != signal)})


# Only what can be done without looking: frames, hiding, and what is held. Accepting stays on the buttons that are
# farthest from the thumb's rest.
PROFILES: dict[str, tuple[tuple[str, str], ...]] = {
    "Presenter": (
        ("key:PgDown", "live.on"), ("key:PgUp", "live.back"), ("key:.", "live.hide"), ("key:F5", "live.play"),
    ),
    "Pedal pair": (("key:F13", "live.hide"), ("key:F14", "live.play")),
    "Gamepad": (
        ("pad:left", "live.back"), ("pad:right", "live.on"), ("pad:up", "live.previous-run"),
        ("pad:down", "live.next-run"), ("pad:a", "live.play"), ("pad:b", "live.hide"), ("pad:x", "live.register"),
        ("pad:y", "live.mode"), ("pad:left-shoulder", "live.fainter"), ("pad:right-shoulder", "live.stronger"),
        ("pad:start", "live.accept"), ("pad:back", "live.reject"), ("pad:left-trigger", "window.next-room"),
        ("pad:right-trigger", "window.search"),
    ),
}  # fmt: skip


def with_profile(hands: Hands, name: str) -> Hands:
    """These hands and the buttons of this profile; what else was learned stays."""
    for signal, action in PROFILES[name]:
        hands = hands.bound(signal, action)
    return hands


def key_signal(event: QKeyEvent) -> str:
    """The signal of a key, "" for keys that mean nothing alone and for Esc, which always goes back."""
    if event.key() in _ALONE_NOTHING:
        return ""
    held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    chord = QKeySequence(held.value | event.key()).toString(QKeySequence.SequenceFormat.PortableText)
    return f"key:{chord}" if chord else ""


def signal_words(signal: str) -> str:
    """As it is shown: "F13", "Pad A"."""
    return tr(_PAD_WORDS[signal]) if signal in _PAD_WORDS else signal.partition(":")[2]
