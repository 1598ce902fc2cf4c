"""Records a run as it happens: lossless frames, poses, states, times and actions, in a thread of its own.

The picture never waits for the disk. What the disk cannot take is lost, and a `recorder_full` event and the banner say
so.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines.angiography.frame import Frame
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceResult, ScreenState
from guidance_app.live.recording.recorder_content import (
    action_content,
    event_content,
    guidance_content,
    pose_content,
    screen_content,
)
from guidance_app.live.recording.recorder_file import FLUSH_AFTER_S, RecordingFile
from guidance_app.live.run_log import Event
from guidance_app.sources.recording.recording_messages import (
    ACTIONS,
    EVENTS,
    FRAMES,
    GUIDANCE,
    REGISTRATIONS,
    SCREEN,
    FrameCoder,
    encode_corrupt,
)
from guidance_app.sources.source import CorruptFrame

QUEUE_BYTES = 256 * 1024**2  # four seconds of 1024x1024 16 bit pictures, 30 a second
_QUEUE_ITEMS = 8192
_ITEM_BYTES = 2048  # what a small message is taken to weigh
_REFILL = 0.5  # after a loss, frames are taken again once the queue is down to this share of its room


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One message to be; it becomes bytes in the recorder's thread. `time_ns` is monotonic."""

    topic: str
    time_ns: int
    weight: int
    encode: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """What became of a recording; `fault` is "" where it is whole."""

    path: Path
    frames: int
    lost_frames: int
    fault: str


class Recorder:
    """A `RunWitness` that writes everything down.

    Args:
        path: a file that does not exist yet.
        about: short texts on what is recorded (case, source, machine), for the reader.
        queue_bytes: what may wait for the disk.

    Raises:
        InputError: the file exists already or cannot be made.
    """

    def __init__(self, path: Path, about: Mapping[str, str], *, queue_bytes: int = QUEUE_BYTES) -> None:
        self.path = path
        # One offset for the whole recording: the wall clock may be set while it runs.
        self._wall_from_monotonic_ns = time.time_ns() - time.monotonic_ns()
        self._file = RecordingFile(path, {**about, "started_unix_ns": str(time.time_ns())})
        self._coder = FrameCoder()
        self._room = queue_bytes
        self._changed = threading.Condition()
        self._items: deque[_Item] = deque()
        self._waiting_bytes = 0
        self._losing = False
        self._ending = False
        self._stopped = False
        self._fault = ""
        self._newest = 0  # frame
        self._frames = self._lost_frames = 0
        self._written: dict[str, int] = {}
        self._tell: Callable[[str], None] = lambda _text: None
        self._thread = threading.Thread(target=self._run, name="guidance-recorder", daemon=True)

    # The run --------------------------------------------------------------------------------------------------------
    @property
    def fault(self) -> str:
        return self._fault

    @property
    def report(self) -> RecordingReport:
        return RecordingReport(path=self.path, frames=self._frames, lost_frames=self._lost_frames, fault=self._fault)

    def begin(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._thread.start()

    def end(self) -> None:
        """Write all that waits and the summary; twice is harmless."""
        with self._changed:
            again, self._ending = self._ending, True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        elif not again:
            self._file.discard()  # the run never began

    # What happens ---------------------------------------------------------------------------------------------------
    def frame(self, frame: Frame) -> None:
        self._newest = frame.index
        self._put(FRAMES, frame.received_ns, lambda: self._coder.encode(frame), frame.pixels.nbytes + _ITEM_BYTES)

    def corrupt(self, error: CorruptFrame) -> None:
        self._newest, now_ns = error.index, time.monotonic_ns()
        data = encode_corrupt(
            index=error.index,
            source_frame=error.source_frame,
            sop_instance_uid=error.sop_instance_uid,
            received_ns=now_ns,
            text=str(error),
        )
        self._put(FRAMES, now_ns, lambda: data)

    def guided(self, result: GuidanceResult, registration: Registration | None, *, used: bool) -> None:
        now_ns = time.monotonic_ns()
        self._put(GUIDANCE, now_ns, lambda: _json(guidance_content(result, used=used)))
        if registration is not None:
            content = pose_content(registration, frame_index=result.frame_index, cold_start=False)
            self._put(REGISTRATIONS, now_ns, lambda: _json(content()))

    def registered(self, registration: Registration, frame_index: int | None) -> None:
        content = pose_content(registration, frame_index=frame_index, cold_start=True)
        self._put(REGISTRATIONS, time.monotonic_ns(), lambda: _json(content()))

    def painted(self, screen: ScreenState, painted_ns: int) -> None:
        content = screen_content(screen, painted_ns)
        self._put(SCREEN, painted_ns, lambda: _json(content))

    def event(self, event: Event) -> None:
        self._put(EVENTS, time.monotonic_ns(), lambda: _json(event_content(event)))

    def action(self, name: str, value: int | None = None) -> None:
        self._put(ACTIONS, time.monotonic_ns(), lambda: _json(action_content(name, value)))

    # The queue ------------------------------------------------------------------------------------------------------
    def _put(self, topic: str, time_ns: int, encode: Callable[[], bytes], weight: int = _ITEM_BYTES) -> None:
        with self._changed:
            if self._stopped or self._ending:
                return  # the recording has ended, and that was said already
            room = self._room * (_REFILL if self._losing else 1.0)
            if self._waiting_bytes + weight <= room and len(self._items) < _QUEUE_ITEMS:
                self._losing = False
                self._items.append(_Item(topic=topic, time_ns=time_ns, weight=weight, encode=encode))
                self._waiting_bytes += weight
                self._changed.notify()
                return
            self._lost_frames += topic == FRAMES
            first, self._losing = not self._losing, True
            if first:
                self._fault = f"recording: the disk is too slow, frames from {self._newest} on are missing"
        if first:
            self._tell(f"the disk does not keep up: frames from {self._newest} on are missing in {self.path.name}")

    # The recorder's thread ------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            while self._write_some():
                self._file.settle()
            self._file.finish()
        except Exception as error:
            self._give_up(error)

    def _write_some(self) -> bool:
        """Wait for messages and write one; False once the run has ended and all are written."""
        with self._changed:
            if not self._items and not self._ending:
                self._changed.wait(FLUSH_AFTER_S / 2)
            if not self._items:
                return not self._ending
            item = self._items.popleft()
        sequence = self._written.get(item.topic, 0)
        self._file.add(item.topic, item.time_ns + self._wall_from_monotonic_ns, item.encode(), sequence)
        self._written[item.topic] = sequence + 1
        with self._changed:
            self._waiting_bytes -= item.weight
            self._frames += item.topic == FRAMES
        return True

    def _give_up(self, error: Exception) -> None:
        """The one event; what is on the disk stays readable, and guidance goes on."""
        why = (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__}: {error}"
        self._file.abandon()
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._waiting_bytes = 0
            self._frames = self._file.kept_frames
            self._fault = f"recording stopped: {why}"
        self._tell(f"recording stopped ({why}); {self.path.name} keeps what came before")


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
