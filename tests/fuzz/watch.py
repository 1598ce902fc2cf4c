"""What a case must not do, seen from inside: write elsewhere, start programs, call out, lose errors in threads."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

MAX_RESIDENT_BYTES = 1024**3
_PATHS_WRITTEN = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
    "os.truncate": (0,), "os.chmod": (0,), "shutil.rmtree": (0,), "shutil.copyfile": (1,), "shutil.move": (1,),
    "tempfile.mkstemp": (0,), "tempfile.mkdtemp": (0,),
}  # fmt: skip
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "ctypes.dlopen")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """One for a process; `armed` is entered around what the program does."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._allowed: Path | None = None
        self._lock = threading.Lock()
        sys.addaudithook(self._audit)
        threading.excepthook = self._lost_in_thread
        sys.unraisablehook = self._lost_anywhere
        logging.getLogger().addHandler(_Caught(self))

    @contextmanager
    def armed(self, folder: Path) -> Iterator[None]:
        """Writing is allowed below `folder / "out"` alone."""
        self._allowed = folder / "out"
        try:
            yield
        finally:
            self._allowed = None

    def taken(self) -> list[str]:
        """What was seen since the last call."""
        with self._lock:
            seen, self.seen = self.seen, []
        return seen

    def note(self, text: str) -> None:
        with self._lock:
            self.seen.append(text)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._allowed is None:
            return
        if event == "open":
            path, mode, flags = arguments
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITING):
                self._written(event, path)
        elif event in _PATHS_WRITTEN:
            for place in _PATHS_WRITTEN[event]:
                self._written(event, arguments[place])
        elif event in _PROGRAMS:
            self.note(f"{event} {str(arguments)[:100]}")
        elif event == "socket.connect" and "127.0.0.1" not in str(arguments[1]):
            self.note(f"{event} {arguments[1]}")

    def _written(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a file that is open already
        place = Path(os.path.realpath(os.fsdecode(path)))
        if self._allowed is not None and not (
            place == self._allowed
            or self._allowed in place.parents
            or str(place).startswith(("/dev/null", "/proc/self"))
        ):
            self.note(f"{event} writes {place}")

    def _lost_in_thread(self, lost: threading.ExceptHookArgs) -> None:
        self.note(f"a thread ended by {_shown(lost.exc_value, lost.exc_traceback)}")

    def _lost_anywhere(self, lost: Any) -> None:
        self.note(f"lost: {_shown(lost.exc_value, lost.exc_traceback)}")


class _Caught(logging.Handler):
    """Libraries log what their threads die of."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.ERROR)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        # pydicom tries one decoder after the other and tells of each; nobody hears it but us.
        if record.exc_info and record.exc_info[1] is not None and not record.name.startswith("pydicom"):
            self._watch.note(f"{record.name} caught {_shown(record.exc_info[1], record.exc_info[2])}")


def place_of(error: BaseException) -> str:
    """The error and the line of the program that it came through last."""
    return _shown(error, error.__traceback__)


def _shown(error: BaseException | None, trace: TracebackType | None) -> str:
    steps = traceback.extract_tb(trace)
    own = [step for step in steps if "site-packages" not in step.filename and "/lib/python" not in step.filename]
    named = [f"{Path(step.filename).name}:{step.lineno}" for step in (own[-2:] or steps[-2:])]
    last = f"{Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else "?"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]} at {' > '.join(named)} ({last})"


def peak_resident_bytes() -> int:
    """Peak of the resident size since `reset_peak`; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")
