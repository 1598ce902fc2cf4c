"""One engine process as the supervisor sees it: how it is spoken to, and whether it is well."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from guidance_app.live.engine.exchange.reports import Job, Leave, Ready
from guidance_app.live.supervision.engine_health import (
    LONGEST_STEP_S,
    StepPace,
    is_computing,
    resident_bytes,
    waited_for_core_s,
)

SILENCE_LIMIT_S = 1.5  # a healthy engine beats every 0.2 s, even within a long step
END_S = 1.0  # in which a process that was asked to end does so
_WEIGHED_EVERY_S = 0.25


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """
    Args:
        searching: generation of the cold start that it does for another process; None without one.
        waited_before_s: for a core, when the frame it is busy with began to take long.
        silent_s: since its last report, in the supervisor's own ticks.
        weighed_s: when its memory was looked at last.
    """

    process: Any  # multiprocessing.context.SpawnProcess
    connection: Connection
    started_s: float
    ready: Ready | None = None
    rehearsed: bool = False
    searching: int | None = None
    refused: str = ""
    busy_since_s: float | None = None
    waited_before_s: float | None = None
    silent_s: float = 0.0
    pace: StepPace = field(default_factory=StepPace)
    weighed_s: float = 0.0

    def send(self, job: Job) -> None:
        with contextlib.suppress(OSError):  # it died this very moment: the next look at it says so
            self.connection.send(job)

    def step_ended(self) -> None:
        if self.busy_since_s is not None:
            self.pace.add(time.monotonic() - self.busy_since_s)
        self.busy_since_s = None

    @property
    def is_silent(self) -> bool:
        """On an overloaded machine the beats of a process that computes come late; then its pace counts."""
        if self.silent_s <= SILENCE_LIMIT_S:
            return False
        return self.silent_s > LONGEST_STEP_S or not is_computing(self.process.pid)

    def is_stuck(self, busy_s: float) -> bool:
        """Time spent waiting for a core does not count: to load another engine would burden the machine more."""
        limit_s = self.pace.limit_s
        if busy_s <= limit_s / 2:
            return False
        waited_s = waited_for_core_s(self.process.pid)
        if self.waited_before_s is None:
            self.waited_before_s = waited_s
        return busy_s > LONGEST_STEP_S or busy_s - (waited_s - self.waited_before_s) > limit_s

    def memory_fault(self, now_s: float, limit_bytes: int) -> str:
        """A process beyond its limit is replaced before the system runs out of memory and loses the picture too."""
        if now_s - self.weighed_s < _WEIGHED_EVERY_S:
            return ""
        self.weighed_s = now_s
        held_bytes = resident_bytes(self.process.pid)
        if held_bytes <= limit_bytes:
            return ""
        return f"the engine ran out of memory: it held {held_bytes / 2**30:.2f} of {limit_bytes / 2**30:.2f} GiB"

    def end(self, *, at_once: bool = False) -> None:
        """Ask the process to end, and kill it if it does not."""
        if not at_once:
            self.send(Leave())
        self.connection.close()
        if not at_once:
            self.process.join(END_S)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.process.close()
