"""A recorded run as a source of frames: paced like the machine that took it, or as fast as it is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, runtime_checkable

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.angiography.run import FrameDecodeError, Run
from guidance_app.sources.kept_frames import KeptFrames
from guidance_app.sources.source import CorruptFrame, SourceClosed, SourceTimeout

MAX_FPS = 1000.0
_MOST_SPEED = 16.0
_UNTIMED_FPS = 15.0  # pictures without a frame time; a usual rate of cardiac cine
_TOO_LATE_NS = 1_000_000_000
_LONGEST_WAIT_NS = 5_000_000_000  # for an overlay: a picture must not stand still with a dead engine


@runtime_checkable
class Timed(Protocol):
    """A run that knows when each of its frames came, as a recording does."""

    def gap_ns(self, index: int) -> int:
        """Time from this frame to the next one."""
        ...


@runtime_checkable
class TimedByHeader(Protocol):
    """A run whose header states the time from each frame to the next."""

    @property
    def frame_times_ms(self) -> tuple[float, ...]:
        """() if it states none."""
        ...


class PacedFileSource:
    """Frames arrive when their time has come, whether or not anybody is ready for them.

    Has no thread: the reader waits inside `next_frame`. `received_ns` is the moment the frame was due, so that a slow
    decoder or reader shows in the latency instead of hiding in it. Only after more than a second of delay (a suspended
    machine, a decoder slower than the run) the clock starts anew.

    Args:
        fps: instead of the run's own frame times, or of a recording's times of arrival.
        loop: begin again at the end.
        hold_at_end: pause on the last frame instead of closing, so that a person can go back.

    Attributes:
        every_frame: while it plays, each frame waits until the one before was `answered`; a step or a seek never
            waits. See `WaitsForOverlay`.
    """

    def __init__(
        self,
        run: Run,
        *,
        fps: float | None = None,
        loop: bool = False,
        hold_at_end: bool = False,
        every_frame: bool = False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if fps is not None and not 0.0 < fps <= MAX_FPS:
            raise InputError(f"{run.source_id}: {fps:g} frames a second; give a rate above 0 and up to {MAX_FPS:g}")
        if run.frame_count < 1:
            raise InputError(f"{run.source_id}: the run has no frames")
        self.source_id = run.source_id
        self.sop_instance_uid = run.sop_instance_uid
        self.frame_count = run.frame_count
        own_period_ms = run.frame_time_ms or 1e3 / _UNTIMED_FPS
        self._timed = run if isinstance(run, Timed) and fps is None else None
        self._steps_ms = run.frame_times_ms if isinstance(run, TimedByHeader) and fps is None else ()
        self._period_ns = round((1e3 / fps if fps else own_period_ms) * 1e6)
        self._run = run
        self._loop = loop
        self._hold_at_end = hold_at_end
        self.every_frame = every_frame
        self._answered = -1
        self._taken_ns = 0
        self._waited = False
        self._clock_ns = clock_ns
        self._moved = threading.Condition()
        self._closed = False
        self._paused = False
        self._position = -1
        self._next: int | None = None  # asked for by seek or step; due at once
        self._due_ns: int | None = None
        self._index = 0
        self._damage = _Damage(run)
        self._kept = KeptFrames(run) if loop or hold_at_end else None  # a person goes back and forth
        self._speed = 1.0
        self._stretch: tuple[int, int] | None = None

    @property
    def run(self) -> Run:
        """What is played."""
        return self._run

    @property
    def fps(self) -> float:
        """The rate at which frames arrive."""
        return 1e9 / self._period_ns

    def geometry(self, source_frame: int) -> CArmGeometry:
        """Of one frame of the recording. Raises MissingGeometryError where the file does not state it."""
        return self._run.geometry(source_frame)

    def next_frame(self, timeout_s: float) -> Frame:
        if self._loop:
            self._damage.check()
        source_frame, due_ns = self._wait_until_due(timeout_s)
        index, self._index = self._index, self._index + 1
        with self._damage.counted():
            period_ms = None if self._timed is not None or self._steps_ms else self._period_ns / 1e6
            return _decoded(self._run, self._kept, source_frame, index, due_ns, period_ms=period_ms)

    def close(self) -> None:
        with self._moved:
            self._closed = True
            self._moved.notify_all()

    def answered(self, index: int) -> None:
        with self._moved:
            self._answered = max(self._answered, index)
            self._moved.notify_all()

    # Playback -------------------------------------------------------------------------------------------------------
    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def position(self) -> int:
        return self._position

    def pause(self) -> None:
        with self._moved:
            self._paused = True
            self._moved.notify_all()

    def resume(self) -> None:
        with self._moved:
            self._paused = False
            self._due_ns = None
            if self._next is None and self._position == self.frame_count - 1:
                self._next = 0
            self._moved.notify_all()

    def step(self, frames: int) -> None:
        with self._moved:
            self._paused = True
            start = self._position if self._next is None else self._next
            self._go_to(start + frames)

    def seek(self, source_frame: int) -> None:
        with self._moved:
            self._go_to(source_frame)

    def play_at(self, speed: float) -> None:
        if not 0.0 < speed <= _MOST_SPEED:
            raise InputError(f"{self.source_id}: {speed:g} times the pace; give one above 0 and up to {_MOST_SPEED:g}")
        with self._moved:
            self._speed, self._due_ns = speed, None
            self._moved.notify_all()

    def repeat(self, stretch: tuple[int, int] | None) -> None:
        with self._moved:
            if stretch is not None:
                first, last = sorted(min(max(frame, 0), self.frame_count - 1) for frame in stretch)
                stretch = (first, last)
            self._stretch = stretch

    # Inside ---------------------------------------------------------------------------------------------------------
    def _go_to(self, source_frame: int) -> None:
        self._next = min(max(source_frame, 0), self.frame_count - 1)
        self._due_ns = None
        self._moved.notify_all()

    def _wait_until_due(self, timeout_s: float) -> tuple[int, int]:
        """The recording's frame that is due now, and since when."""
        give_up_ns = self._clock_ns() + round(timeout_s * 1e9)
        with self._moved:
            while True:
                if self._closed:
                    raise SourceClosed(f"{self.source_id}: closed")
                now_ns = self._clock_ns()
                if self._next is None and not self._paused:
                    self._end_of_run()
                due_ns = self._when_due(now_ns)
                if due_ns is not None and due_ns <= now_ns:
                    return self._take(due_ns)
                wake_ns = give_up_ns if due_ns is None else min(due_ns, give_up_ns)
                if now_ns >= give_up_ns:
                    raise SourceTimeout(f"{self.source_id}: no frame within {timeout_s:g} s")
                self._moved.wait((wake_ns - now_ns) / 1e9)

    def _end_of_run(self) -> None:
        if self._stretch is not None and not self._stretch[0] <= self._position + 1 <= self._stretch[1]:
            self._position = self._stretch[0] - 1
            return
        if self._position < self.frame_count - 1:
            return
        if self._loop:
            self._position = -1
        elif self._hold_at_end:
            self._paused = True
        else:
            raise SourceClosed(f"{self.source_id}: end of the run")

    def _when_due(self, now_ns: int) -> int | None:
        if self._next is not None:
            return now_ns
        if self._paused:
            return None
        patience_ends_ns = self._taken_ns + _LONGEST_WAIT_NS
        if self.every_frame and self._answered < self._index - 1 and now_ns < patience_ends_ns:
            self._waited = True
            return patience_ends_ns
        if self._waited and self._due_ns is not None:
            self._waited, self._due_ns = (
                False,
                max(self._due_ns, now_ns),
            )  # an overlay's time is no delay of the picture
        if self._due_ns is None or now_ns - self._due_ns > _TOO_LATE_NS:
            self._due_ns = now_ns
        return self._due_ns

    def _take(self, due_ns: int) -> tuple[int, int]:
        source_frame = self._position + 1 if self._next is None else self._next
        self._position, self._next = source_frame, None
        self._taken_ns = due_ns
        self._due_ns = due_ns + round(self._gap_ns(source_frame) / self._speed)
        return source_frame, due_ns

    def _gap_ns(self, source_frame: int) -> int:
        """Time to the next frame, as the run states it for this one."""
        if self._timed is not None:
            return self._timed.gap_ns(source_frame)
        return round(self._steps_ms[source_frame] * 1e6) if self._steps_ms else self._period_ns


class SaturatedFileSource:
    """The next frame comes as soon as the one before has been shown and answered: as fast as the whole path can go."""

    def __init__(self, run: Run, *, loop: bool = False, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        if run.frame_count < 1:
            raise InputError(f"{run.source_id}: the run has no frames")
        self.source_id = run.source_id
        self.sop_instance_uid = run.sop_instance_uid
        self.frame_count = run.frame_count
        self._run = run
        self._loop = loop
        self._clock_ns = clock_ns
        self._moved = threading.Condition()
        self._closed = False
        self._index = 0
        self._shown = -1
        self._damage = _Damage(run)
        self._kept = KeptFrames(run) if loop else None

    @property
    def run(self) -> Run:
        """What is played."""
        return self._run

    def geometry(self, source_frame: int) -> CArmGeometry:
        """Of one frame of the recording. Raises MissingGeometryError where the file does not state it."""
        return self._run.geometry(source_frame)

    def next_frame(self, timeout_s: float) -> Frame:
        if self._loop:
            self._damage.check()
        with self._moved:
            if not self._moved.wait_for(lambda: self._closed or self._shown >= self._index - 1, timeout_s):
                raise SourceTimeout(f"{self.source_id}: frame {self._shown + 1} is not shown yet")
            if self._closed:
                raise SourceClosed(f"{self.source_id}: closed")
            if self._index >= self._run.frame_count and not self._loop:
                raise SourceClosed(f"{self.source_id}: end of the run")
            index, self._index = self._index, self._index + 1
        try:
            with self._damage.counted():
                source_frame = index % self._run.frame_count
                return _decoded(self._run, self._kept, source_frame, index, self._clock_ns(), period_ms=None)
        except CorruptFrame:
            self.acknowledge(index)  # nobody can show it
            raise

    def acknowledge(self, index: int) -> None:
        with self._moved:
            self._shown = max(self._shown, index)
            self._moved.notify_all()

    def close(self) -> None:
        with self._moved:
            self._closed = True
            self._moved.notify_all()


class _Damage:
    """Ends a loop in which nothing can be shown: without a pace it would fill the disk with its complaints."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._in_a_row = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        try:
            yield
        except CorruptFrame:
            self._in_a_row += 1
            raise
        self._in_a_row = 0

    def check(self) -> None:
        if self._in_a_row >= self._run.frame_count:
            raise InputError(
                f"{self._run.source_id}: not one of its {self._run.frame_count} frames can be decoded; export it again"
            )


def _decoded(
    run: Run, kept: KeptFrames | None, source_frame: int, index: int, received_ns: int, *, period_ms: float | None
) -> Frame:
    started_ns = time.perf_counter_ns()
    try:
        frame = (kept or run).frame(source_frame)
    except FrameDecodeError as error:
        # A recording says which frame of which object it was.
        raise CorruptFrame(
            str(error),
            index=index,
            source_frame=getattr(error, "source_frame", source_frame),
            sop_instance_uid=getattr(error, "sop_instance_uid", run.sop_instance_uid),
        ) from error
    decode_ms = (time.perf_counter_ns() - started_ns) / 1e6
    return replace(
        frame,
        index=index,
        received_ns=received_ns,
        decode_ms=decode_ms,
        frame_time_ms=frame.frame_time_ms if period_ms is None or frame.frame_time_ms is None else period_ms,
    )
