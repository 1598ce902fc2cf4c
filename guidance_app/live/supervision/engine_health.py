"""How the supervisor judges an engine process: by the pace of its steps and the memory that it holds."""

from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

import numpy as np
import psutil

LONGEST_STEP_S = 10.0  # no frame takes this long on any machine
_SHORTEST_LIMIT_S = 2.0  # a busy machine may hold up one step for this long; with the spare, guidance is back in 3 s
_USUAL_STEPS = 15  # so many times the usual step
_REMEMBERED = 32
_KNOWN_AFTER = 8
_MEMORY_SHARE = 0.5  # of the machine: beyond it the system would begin to swap, and the picture with it
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 8.0


class StepPace:
    """How long this engine usually takes for a frame, and from when on it counts as stuck."""

    def __init__(self) -> None:
        self._steps_s: deque[float] = deque(maxlen=_REMEMBERED)

    def add(self, step_s: float) -> None:
        self._steps_s.append(step_s)

    @property
    def limit_s(self) -> float:
        if len(self._steps_s) < _KNOWN_AFTER:
            return LONGEST_STEP_S
        usual_s = float(np.median(self._steps_s))
        return min(max(_USUAL_STEPS * usual_s, _SHORTEST_LIMIT_S), LONGEST_STEP_S)


def default_memory_limit_bytes() -> int:
    """How much memory an engine may hold if no limit was given."""
    return int(_MEMORY_SHARE * psutil.virtual_memory().total)


def resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 once it is gone."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def is_computing(pid: int) -> bool:
    """Whether any thread of the process runs or waits for a core; False while all sleep or are stopped.

    The thread that beats, or those that multiply for the main thread, may be what waits.
    """
    with contextlib.suppress(OSError):
        return any(_state(task) == "R" for task in Path(f"/proc/{pid}/task").iterdir())
    try:
        return psutil.Process(pid).status() == psutil.STATUS_RUNNING  # not Linux: the main thread alone
    except psutil.Error:
        return False


def _state(task: Path) -> str:
    """One letter, as in proc(5); "" once the thread is gone."""
    with contextlib.suppress(OSError):
        return (task / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    return ""


def waited_for_core_s(pid: int) -> float:
    """How long the threads of a process together were ready to run and had no core; 0 if the system does not tell."""
    waited_ns = 0
    with contextlib.suppress(OSError, ValueError, IndexError):  # not Linux, or gone
        for task in Path(f"/proc/{pid}/task").iterdir():
            waited_ns += int((task / "schedstat").read_text(encoding="ascii").split()[1])
    return waited_ns / 1e9


def restart_delay_s(deaths_in_a_row: int) -> float:
    """The first restart is immediate; an engine that dies again and again waits longer each time."""
    if deaths_in_a_row <= 1:
        return 0.0
    return min(_FIRST_DELAY_S * 2.0 ** (deaths_in_a_row - 2), _LONGEST_DELAY_S)
