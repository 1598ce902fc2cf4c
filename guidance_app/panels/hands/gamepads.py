"""Buttons of gamepads, through SDL (pygame-ce), which knows how each model names its buttons."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Any, Protocol

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from guidance_app.panels.hands.input_desk import InputDesk

_POLL_MS = 20
_LOOK_MS = 1000  # for a pad that is plugged in later
_TRIGGER_DOWN, _TRIGGER_UP = 16000, 8000  # of 32767: apart, so that a resting finger does not flicker
_BUTTONS = {
    "A": "a", "B": "b", "X": "x", "Y": "y", "DPAD_LEFT": "left", "DPAD_RIGHT": "right", "DPAD_UP": "up",
    "DPAD_DOWN": "down", "LEFTSHOULDER": "left-shoulder", "RIGHTSHOULDER": "right-shoulder", "START": "start",
    "BACK": "back",
}  # fmt: skip
NEEDS = "Gamepads need the extra package: pip install 'guidance-app[gamepad]'"


@dataclass(frozen=True, slots=True)
class PadEvent:
    """`button` is a signal of `bindings`, "pad:a"."""

    button: str
    down: bool


class Pads(Protocol):
    """All gamepads of this machine as one."""

    def poll(self) -> list[PadEvent]:
        """What happened since the last call, oldest first."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pads that are plugged in."""
        ...

    def close(self) -> None: ...


class GamepadWatch(QObject):
    """Hands the buttons of the pads to the desk; sticks are left alone, since a thumb rests on them.

    Attributes:
        plugged: told the names of the pads whenever they change.
    """

    plugged = pyqtSignal(tuple)

    def __init__(self, pads: Pads, desk: InputDesk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pads, self._desk = pads, desk
        self.names: tuple[str, ...] = ()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(_LOOK_MS)
        self.look()

    def look(self) -> None:
        """Do what was pressed; called by a timer."""
        events = self._pads.poll()
        names = self._pads.names
        if names != self.names:
            if len(names) < len(self.names):
                self._desk.let_go_all()  # the release of a button that is held will never come
                events = []
            self.names = names
            self._timer.setInterval(_POLL_MS if names else _LOOK_MS)
            self.plugged.emit(names)
        for event in events:
            (self._desk.press if event.down else self._desk.let_go)(event.button)

    def close(self) -> None:
        """Twice is harmless."""
        self._timer.stop()
        self._pads.close()


class SdlPads:
    """Raises:
    ImportError: pygame-ce is not installed.
    """

    def __init__(self) -> None:
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # SDL hands out events only beside a picture of its own
        os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        self._pygame: Any = importlib.import_module("pygame")
        self._sdl: Any = importlib.import_module("pygame._sdl2.controller")
        self._pygame.display.init()
        self._sdl.init()
        self._open: dict[int, Any] = {}
        self._triggers: set[str] = set()
        pygame = self._pygame
        self._button_names = {
            getattr(pygame, f"CONTROLLER_BUTTON_{name}"): f"pad:{own}" for name, own in _BUTTONS.items()
        }
        self._trigger_names = {
            pygame.CONTROLLER_AXIS_TRIGGERLEFT: "pad:left-trigger",
            pygame.CONTROLLER_AXIS_TRIGGERRIGHT: "pad:right-trigger",
        }
        for index in range(self._sdl.get_count()):
            self._add(index)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(pad.name for pad in self._open.values())

    def poll(self) -> list[PadEvent]:
        told: list[PadEvent] = []
        for event in self._pygame.event.get():
            match event.type:
                case self._pygame.CONTROLLERDEVICEADDED:
                    self._add(event.device_index)
                case self._pygame.CONTROLLERDEVICEREMOVED:
                    self._open.pop(event.instance_id, None)
                    self._triggers.clear()
                case self._pygame.CONTROLLERBUTTONDOWN | self._pygame.CONTROLLERBUTTONUP:
                    if (name := self._button_names.get(event.button)) is not None:
                        told.append(PadEvent(name, event.type == self._pygame.CONTROLLERBUTTONDOWN))
                case self._pygame.CONTROLLERAXISMOTION:
                    told.extend(self._trigger(event.axis, event.value))
        return told

    def close(self) -> None:
        self._open.clear()
        self._sdl.quit()
        self._pygame.display.quit()

    def _add(self, index: int) -> None:
        if self._sdl.is_controller(index):
            pad = self._sdl.Controller(index)
            self._open[pad.as_joystick().get_instance_id()] = pad

    def _trigger(self, axis: int, value: int) -> list[PadEvent]:
        name = self._trigger_names.get(axis)
        if name is None:
            return []
        if name not in self._triggers and value > _TRIGGER_DOWN:
            self._triggers.add(name)
            return [PadEvent(name, down=True)]
        if name in self._triggers and value < _TRIGGER_UP:
            self._triggers.discard(name)
            return [PadEvent(name, down=False)]
        return []
