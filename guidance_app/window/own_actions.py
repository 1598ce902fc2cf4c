"""What a person can do with the window itself, in every room."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from guidance_app.panels.action import Action

if TYPE_CHECKING:
    from guidance_app.window.window import GuidanceWindow


def own_actions(window: GuidanceWindow) -> tuple[Action, ...]:
    to_rooms = tuple(
        Action(
            id=f"window.{room.id}", words=f"Go to {room.name}", keys=(f"Ctrl+{number + 1}",), icon=room.icon,
            press=partial(window.go_to, room.id),
        )
        for number, room in enumerate(window.rooms[:9])
    )  # fmt: skip
    return (
        *to_rooms,
        Action(id="window.next-room", words="Next room", keys=("Ctrl+Tab",), press=partial(window.next_room, 1)),
        Action(
            id="window.previous-room", words="Previous room", keys=("Ctrl+Shift+Tab",),
            press=partial(window.next_room, -1),
        ),
        Action(
            id="window.search", words="Search for an action", keys=("Ctrl+K",), icon="search", press=window.search
        ),
        Action(id="window.jobs", words="Show or hide the jobs", keys=("Ctrl+J",), icon="jobs", press=window.show_jobs),
        Action(id="window.full", words="Full screen, again: back", keys=("F11",), press=window.toggle_full_screen),
        Action(
            id="window.help", words="Show or hide all keys", keys=("F1", "?", "H"), icon="help", press=window.show_keys
        ),
    )  # fmt: skip
