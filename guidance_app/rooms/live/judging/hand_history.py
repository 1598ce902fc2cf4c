"""What a person did, step by step, with the way back and forth."""

from __future__ import annotations

from typing import Generic, TypeVar

Step = TypeVar("Step")


class History(Generic[Step]):
    """Begins with what was there before the first step; a new step forgets what was undone."""

    def __init__(self, first: Step) -> None:
        self._steps = [first]
        self._at = 0

    @property
    def first(self) -> Step:
        return self._steps[0]

    @property
    def current(self) -> Step:
        return self._steps[self._at]

    @property
    def can_undo(self) -> bool:
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        return self._at + 1 < len(self._steps)

    def push(self, step: Step) -> None:
        del self._steps[self._at + 1 :]
        self._steps.append(step)
        self._at += 1

    def undo(self) -> bool:
        """Whether there was a step to take back."""
        done = self.can_undo
        self._at -= done
        return done

    def redo(self) -> bool:
        done = self.can_redo
        self._at += done
        return done
