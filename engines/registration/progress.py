"""How a slow registration tells how far it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

# Takes a stage's name, the steps done and the steps in all. A call that raises stops the registration.
Report = Callable[[str, int, int], None]


def silent(stage: str, done: int, of: int) -> None:
    """Tells nobody."""


# Called between a search's stages; a call that raises ends the search.
Between = Callable[[], None]


def go_on() -> None:
    """Lets every stage follow."""


# The same as `Report` for one stage: steps done and steps in all.
Told = Callable[[int, int], None]


def untold(done: int, of: int) -> None:
    """Tells nobody."""
