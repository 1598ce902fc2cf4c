"""Ctrl-C and SIGTERM, remembered until a run can end in order."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class EndRequest:
    """Within its `with` block the first signal only sets `asked`, which the running code must check.

    Entering twice is harmless.

    Enter it before a port is opened. A run that is asked to end while it still opens then begins, writes its files and
    ends, so that every peer sees an orderly end.

    Attributes:
        asked: the run is to end.
        running: somebody looks at `asked`. Before that a second Ctrl-C interrupts, as a device may hang while it opens.
    """

    def __init__(self) -> None:
        self.asked = False
        self.running = False
        self._depth = 0
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> EndRequest:
        self._depth += 1
        if self._depth == 1:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.getsignal(number)
                signal.signal(number, self._note)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None):
        self._depth -= 1
        if self._depth == 0:
            for number, handler in self._previous.items():
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and not self.running and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
