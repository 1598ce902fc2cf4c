"""One event loop that ends in order: at a signal, an error, or when it is asked to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from PyQt6.QtCore import QEventLoop, QTimer

from guidance_app.ending import EndRequest

_WATCH_MS = 20  # how soon a signal ends a run


@contextmanager
def orderly_end(loop: QEventLoop, end: EndRequest) -> Iterator[list[BaseException]]:
    """Signals and errors inside Qt's callbacks leave the event loop instead of killing the process.

    The errors are in the list that it gives, the first one first.
    """
    failures: list[BaseException] = []

    def look() -> None:
        # No Qt object is called inside a signal handler: it may run in the midst of another.
        if end.asked:
            loop.quit()

    def failed(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        failures.append(error)
        end.asked = True

    # A timer asks once the loop runs: `quit` on a loop that has not begun yet would be forgotten.
    watch = QTimer()
    watch.timeout.connect(look)
    watch.start(_WATCH_MS)
    previous_hook = sys.excepthook
    sys.excepthook = failed
    try:
        yield failures
    finally:
        watch.stop()
        sys.excepthook = previous_hook
