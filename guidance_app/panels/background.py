"""Work off Qt's thread: the newest request wins, results come back in Qt's thread, a stale one is dropped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    generation: int
    work: Callable[[], Any]
    then: Callable[[Any], None]
    failed: Callable[[Exception], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    task: _Task
    value: Any = None
    error: Exception | None = None


class Background(QObject):
    """One thread. `busy_changed` tells whether something is being worked on."""

    busy_changed = pyqtSignal(bool)
    _done = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks: queue.Queue[_Task | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._generation, self._waiting = 0, 0
        self._done.connect(self._finish)

    @property
    def busy(self) -> bool:
        return self._waiting > 0

    def run(
        self, work: Callable[[], Any], then: Callable[[Any], None], *, failed: Callable[[Exception], None],
        replaces: bool = True,
    ) -> None:  # fmt: skip
        """Do the work, then call `then` with its value.

        Args:
            replaces: earlier requests are no longer wanted.
        """
        self._generation += replaces
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="guidance-background", daemon=True)
            self._thread.start()
        self._waiting += 1
        if self._waiting == 1:
            self.busy_changed.emit(True)
        self._tasks.put(_Task(generation=self._generation, work=work, then=then, failed=failed))

    def close(self) -> None:
        """Wait for the present piece of work, drop the rest."""
        self._generation += 1
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if task.generation != self._generation:
                self._done.emit(_Outcome(task=task))
                continue
            try:
                outcome = _Outcome(task=task, value=task.work())
            except Exception as error:
                outcome = _Outcome(task=task, error=error)
            self._done.emit(outcome)

    def _finish(self, outcome: _Outcome) -> None:
        self._waiting -= 1
        if self._waiting == 0:
            self.busy_changed.emit(False)
        if outcome.task.generation != self._generation:
            return
        if outcome.error is not None:
            outcome.task.failed(outcome.error)
        else:
            outcome.task.then(outcome.value)
