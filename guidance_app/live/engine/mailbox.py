"""A letter box for one item: a newer frame replaces one that nobody has fetched."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands the newest item from one thread to another; the writer never waits for the reader."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._item: T | None = None

    def put(self, item: T) -> T | None:
        """Leave `item`. Returns the item that it replaced, if nobody had fetched that one."""
        with self._arrived:
            replaced, self._item = self._item, item
            self._arrived.notify()
        return replaced

    def take(self, timeout_s: float = 0.0) -> T | None:
        """The newest item, at most once; None if none came in time."""
        with self._arrived:
            if self._item is None and timeout_s > 0.0:
                self._arrived.wait(timeout_s)
            item, self._item = self._item, None
        return item
