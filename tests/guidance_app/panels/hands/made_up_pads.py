"""A gamepad without hardware."""

from __future__ import annotations

from guidance_app.panels.hands.gamepads import PadEvent


class MadeUpPads:
    def __init__(self, *names: str) -> None:
        self.names: tuple[str, ...] = names
        self.waiting: list[PadEvent] = []
        self.closed = 0

    def poll(self) -> list[PadEvent]:
        told, self.waiting = self.waiting, []
        return told

    def close(self) -> None:
        self.closed += 1
