"""A log on the disk, one JSON object a line, written by a thread of its own."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path

from calibration.errors import InputError

_MOST_WAITING = 20_000  # lines; some 5 MB, twenty minutes of pictures at 15 a second
_LONGEST_END_S = 5.0  # a disk that hangs must not hold up the end of a run for longer


class LineFile:
    """Takes lines at once and writes them moments later: a slow disk never holds up who adds one, the window above all.

    A disk that is full or does not answer ends no run: its lines wait until it takes them. Beyond 20 000 of them the
    newest are lost and counted.

    Attributes:
        lost: lines that had no room to wait, or that the disk had not taken at the end.

    Raises:
        InputError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise InputError(f"{path}: cannot write here ({error.strerror}); choose another output folder") from error
        self.lost = 0
        self._changed = threading.Condition()
        self._lines: list[bytes] = []  # that wait
        self._unwritten = 0  # lines: those that wait, and those that the thread has in hand
        self._ending = False
        self._rest = bytearray()  # of the thread alone: what the disk has not taken yet
        self._thread = threading.Thread(target=self._run, name="guidance-log", daemon=True)

    def add(self, content: Mapping[str, object]) -> None:
        """Hand over a line. After `close`, nothing is taken any more."""
        line = json.dumps(content, allow_nan=False).encode() + b"\n"
        with self._changed:
            if self._ending:
                return
            if self._unwritten >= _MOST_WAITING:
                self.lost += 1
                return
            self._lines.append(line)
            self._unwritten += 1
            if self._thread.ident is None:
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout_s: float = 5.0) -> bool:
        """Wait until the disk has every line that was handed over; False if it did not take them in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._unwritten, timeout_s)

    def close(self) -> None:
        """Write what waits; twice is harmless."""
        with self._changed:
            again, self._ending = self._ending, True
            self._changed.notify_all()
        if again:
            return
        if self._thread.ident is not None:
            self._thread.join(_LONGEST_END_S)
        with self._changed:
            self.lost += self._unwritten
        if not self._thread.is_alive():
            self._file.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._ending)
                lines, self._lines, ending = self._lines, [], self._ending
            self._rest += b"".join(lines)
            taken = self._write()
            with self._changed:
                if taken:
                    self._unwritten = len(self._lines)
                    self._changed.notify_all()
                if ending:
                    return

    def _write(self) -> bool:
        """Whether the disk took all of it; what it did not waits for the next line."""
        with contextlib.suppress(OSError):
            while self._rest:
                del self._rest[: self._file.write(self._rest) or 0]
        return not self._rest
