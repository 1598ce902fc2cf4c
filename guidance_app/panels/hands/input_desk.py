"""What the buttons of devices do now: harmless actions at once, consequential ones after a hold.

A button means the same everywhere: what plays the live picture plays the replay room's too. What a room can do beyond
that is reached through the list of actions, which the same buttons go up and down in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PyQt6.QtCore import QObject, pyqtSignal

from guidance_app.panels.action import Action
from guidance_app.panels.hands.bindings import Hands
from guidance_app.panels.hands.hold_ring import HoldRing
from guidance_app.views.language import tr

OPENS_LIST = "window.search"
_DOWN, _UP, _TAKE = ("on", "next-run", "hide"), ("back", "previous-run"), ("play", "accept")  # verbs, within the list


class ActionList(Protocol):
    """The list of actions that lies over a room."""

    @property
    def is_open(self) -> bool: ...

    @property
    def chosen(self) -> Action | None:
        """None where nothing in it can be done now."""
        ...

    def step(self, by: int) -> None:
        """Down or up by so many that can be done now."""
        ...

    def close_palette(self) -> None: ...


class InputDesk(QObject):
    """Between the devices and the actions. Keys and mouse of the desk keep their own way: they are never held.

    Args:
        actions: what can be done now.
        perform: does one, or says why it cannot be done.
        say: shows a line.
        ring: fills while a consequential action is held.

    Attributes:
        hands: what the buttons do; set it with `take`.
        changed: emitted when `hands` has changed.
    """

    changed = pyqtSignal()

    def __init__(
        self,
        actions: Callable[[], Sequence[Action]],
        perform: Callable[[Action], None],
        say: Callable[[str], None],
        ring: HoldRing,
    ) -> None:
        super().__init__()
        self.hands = Hands()
        self.ring = ring
        self._actions = actions
        self._perform = perform
        self._say = say
        self._down: dict[str, Action | None] = {}
        self._held = ""  # signal that the ring fills for
        self._learn: Callable[[str], None] | None = None
        self._list: ActionList | None = None

    def walk_in(self, actions: ActionList) -> None:
        """While this list lies open, the buttons go up and down in it."""
        self._list = actions

    def take(self, hands: Hands) -> None:
        if hands != self.hands:
            self.hands = hands
            self.changed.emit()

    def learn(self, learned: Callable[[str], None]) -> None:
        """The next button that is pressed does nothing but is told."""
        self._learn = learned

    def learn_no_more(self) -> None:
        self._learn = None

    def press(self, signal: str, *, repeated: bool = False) -> bool:
        """A button went down, or repeats by itself; False where it has no meaning here."""
        if self._learn is not None and signal:
            learned, self._learn = self._learn, None
            learned(signal)
            return True
        wanted = self.hands.action_of(signal)
        if not wanted:
            return False
        if self._list is not None and self._list.is_open:
            self._in_list(self._list, signal, wanted, repeated=repeated)
            return True
        action = self._down.get(signal) if repeated else self._find(wanted)
        if repeated:
            if action is not None and action.repeats:
                self._perform(action)
            return True
        self._down[signal] = action
        refusal = "" if action is None or not action.consequential else action.refusal()
        if action is None:
            self._say(tr("This button does nothing in this room"))
        elif refusal:
            self._say(refusal)
        elif action.consequential:
            self._held = signal
            self.ring.begin(action.words, lambda: self._held_long_enough(action))
        else:
            self._perform(action)
        return True

    def let_go(self, signal: str) -> bool:
        """A button came up; False where it had no meaning."""
        if signal not in self._down:
            return False
        action = self._down.pop(signal)
        if signal == self._held:
            self._held = ""
            if self.ring.let_go():
                self._say(tr("Let go too soon: nothing was done. Hold it until the ring is full"))
        elif action is not None and action.release is not None:
            self._say(action.release())
        return True

    def let_go_all(self) -> None:
        """The window is left, or the device is gone: nothing stays held."""
        for signal in tuple(self._down):
            self.let_go(signal)

    def _held_long_enough(self, action: Action) -> None:
        self._held = ""
        self._perform(action)

    def _in_list(self, shown: ActionList, signal: str, wanted: str, *, repeated: bool) -> None:
        verb = _verb(wanted)
        if verb in _DOWN or verb in _UP:
            shown.step(1 if verb in _DOWN else -1)
        if repeated:
            return
        self._down[signal] = None
        if wanted == OPENS_LIST:
            shown.close_palette()
        elif verb in _TAKE and (action := shown.chosen) is not None:
            if action.consequential:
                self._held = signal
                self.ring.begin(action.words, lambda: self._taken(shown, action))
            else:
                self._taken(shown, action)

    def _taken(self, shown: ActionList, action: Action) -> None:
        shown.close_palette()
        self._held_long_enough(action)

    def _find(self, action_id: str) -> Action | None:
        """The action itself, or what the room that is seen has under the same verb."""
        actions, verb = self._actions(), _verb(action_id)
        exact = next((action for action in actions if action.id == action_id), None)
        if exact is not None or action_id.startswith("window."):
            return exact
        alike = (action for action in actions if not action.id.startswith("window."))
        return next((action for action in alike if _verb(action.id) == verb), None)


def _verb(action_id: str) -> str:
    """Of "replay.play" the "play"."""
    return action_id.split(".", 1)[-1]
