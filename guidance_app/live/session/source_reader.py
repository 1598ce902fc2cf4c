"""The thread that asks a source for pictures, from the moment guidance is ready until the source ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from calibration.errors import GuidanceError
from engines.angiography.frame import Frame
from guidance_app.sources.source import CorruptFrame, FrameSource, SkippedFrame, SourceClosed, SourceTimeout

_READ_TIMEOUT_S = 0.1


class HearsPictures(Protocol):
    """Told of everything that a source gives, from the reader's thread and in its order."""

    def arrived(self, frame: Frame) -> None: ...

    def corrupt(self, error: CorruptFrame) -> None: ...

    def skipped(self, skipped: SkippedFrame) -> None: ...

    def silent(self) -> None:
        """Nothing came for a tenth of a second."""
        ...

    def ended(self, error: str) -> None:
        """The last call of all; `error` says why the source ended before its time, "" when it did not."""
        ...


class SourceReader:
    """Reads one source on a thread of its own.

    Args:
        wait: called on that thread before the first picture; returns when it may come.
        first_at_once: the first picture comes at once, and `wait` is called after it.
        run_for_s: end by itself this long after the first picture could come.
    """

    def __init__(
        self,
        source: FrameSource,
        hears: HearsPictures,
        *,
        wait: Callable[[], None],
        run_for_s: float | None,
        first_at_once: bool = False,
    ) -> None:
        self._source = source
        self._hears = hears
        self._wait = wait
        self._first_at_once = first_at_once
        self._run_for_s = run_for_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guidance-source", daemon=True)
        self.began_ns = 0  # `time.monotonic_ns` from which the first picture could come; 0 before

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the source and wait for the thread; not under a lock that `hears` takes."""
        self._stopping.set()
        self._source.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        waited = not self._first_at_once
        if waited:
            self._wait()
        self.began_ns = time.monotonic_ns()
        error = ""
        while not self._stopping.is_set() and not self._time_is_up():
            try:
                frame = self._source.next_frame(_READ_TIMEOUT_S)
            except SourceTimeout:
                self._hears.silent()
            except CorruptFrame as fault:
                self._hears.corrupt(fault)
            except SkippedFrame as skipped:
                self._hears.skipped(skipped)
            except SourceClosed:
                break
            except GuidanceError as fault:
                error = str(fault)
                break
            except Exception as fault:
                error = " ".join(f"{self._source.source_id}: {type(fault).__name__}: {fault}".split())
                break
            else:
                self._hears.arrived(frame)
                if not waited:
                    self._wait()
                    waited, self.began_ns = True, time.monotonic_ns()
        self._hears.ended(error)

    def _time_is_up(self) -> bool:
        limit_s = self._run_for_s
        return limit_s is not None and time.monotonic_ns() - self.began_ns > limit_s * 1e9
