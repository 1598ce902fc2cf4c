"""Frames on their way from a source's receiving threads to the reading one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from engines.angiography.frame import Frame
from guidance_app.sources.source import CorruptFrame, SkippedFrame, SourceClosed, SourceTimeout

# A reader that keeps up never sees these: they bound what a stopped one costs.
MAX_WAITING_FRAMES = 64
MAX_WAITING_BYTES = 256 * 1024**2
# Without a stated frame time the rate is measured. The cap keeps a stall noticed within a second (see `source_watch`).
_SLOWEST_FRAME_TIME_MS = 450.0
_SMOOTHING = 0.2


class Arrivals:
    """Numbers what arrives and keeps it in order, none lost, until the reader falls far behind.

    Then the oldest pictures are let go, so that the reader soon sees the newest; each is still told of, as a
    SkippedFrame with its number.

    Args:
        stream: pictures follow each other without end, so that one without a frame time gets the measured one.
    """

    def __init__(self, source_id: str, *, stream: bool) -> None:
        self.source_id = source_id
        self._stream = stream
        self._changed = threading.Condition()
        self._waiting: deque[Frame | CorruptFrame | SkippedFrame] = deque()
        self._frames = 0
        self._bytes = 0
        self._closed = False
        self._ended = ""
        self._received = 0
        self._last_ns: int | None = None
        self._frame_time_ms: float | None = None

    @property
    def received(self) -> int:
        """How many frames have arrived, shown or not."""
        with self._changed:
            return self._received

    def put(self, frame: Frame) -> None:
        with self._changed:
            if self._closed:
                return
            frame_time_ms = frame.frame_time_ms or self._measured_ms(frame.received_ns)
            self._waiting.append(replace(frame, index=self._received, frame_time_ms=frame_time_ms))
            self._received += 1
            self._frames += 1
            self._bytes += frame.pixels.nbytes
            self._let_go_of_old_ones()
            self._changed.notify_all()

    def put_corrupt(self, text: str, *, source_frame: int = 0, sop_instance_uid: str = "") -> None:
        with self._changed:
            if self._closed:
                return
            self._waiting.append(
                CorruptFrame(text, index=self._received, source_frame=source_frame, sop_instance_uid=sop_instance_uid)
            )
            self._received += 1
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame:
        """The next one in order, as `FrameSource.next_frame`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ended or self._waiting, timeout_s)
            if self._closed:
                raise SourceClosed(f"{self.source_id}: closed")
            if self._waiting:
                item = self._waiting.popleft()
                if not isinstance(item, Frame):
                    raise item
                self._frames -= 1
                self._bytes -= item.pixels.nbytes
                return item
            if self._ended:
                raise SourceClosed(self._ended)
        raise SourceTimeout(f"{self.source_id}: no frame within {timeout_s:g} s")

    def end(self, why: str) -> None:
        """Nothing more will come; waiting pictures are still handed out."""
        with self._changed:
            self._ended = f"{self.source_id}: {why}"
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def wait_until_closed(self, timeout_s: float) -> bool:
        """Sleep on the receiving side, which ends at once when the source is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def _let_go_of_old_ones(self) -> None:
        position = 0
        while self._frames > 1 and (self._frames > MAX_WAITING_FRAMES or self._bytes > MAX_WAITING_BYTES):
            item = self._waiting[position]
            if isinstance(item, Frame):
                self._waiting[position] = SkippedFrame(
                    f"{self.source_id}: a newer frame came before it was read",
                    index=item.index,
                    source_frame=item.source_frame,
                    sop_instance_uid=item.sop_instance_uid,
                )
                self._frames -= 1
                self._bytes -= item.pixels.nbytes
            position += 1

    def _measured_ms(self, received_ns: int) -> float | None:
        if not self._stream:
            return None
        if self._last_ns is not None:
            interval_ms = min(max((received_ns - self._last_ns) / 1e6, 1.0), _SLOWEST_FRAME_TIME_MS)
            before_ms = self._frame_time_ms or interval_ms
            self._frame_time_ms = before_ms + _SMOOTHING * (interval_ms - before_ms)
        self._last_ns = received_ns
        return self._frame_time_ms or _SLOWEST_FRAME_TIME_MS


def waited_until(arrivals: Arrivals, due_ns: int, clock_ns: Callable[[], int] = time.monotonic_ns) -> bool:
    """Wait for a moment on the monotonic clock; False when the source was closed meanwhile."""
    while (left_ns := due_ns - clock_ns()) > 0:
        if arrivals.wait_until_closed(left_ns / 1e9):
            return False
    return not arrivals.closed
