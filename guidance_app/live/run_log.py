"""`frames.jsonl` and `events.jsonl`: what happened, line by line as it happens."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibration.carm import CArmGeometry
from calibration.errors import InputError
from engines.angiography.frame import Frame
from guidance_app.live.guidance import Overlay, OverlayState
from guidance_app.sources.source import CorruptFrame, SkippedFrame

FrameState = Literal["painted", "superseded", "dropped", "corrupt"]
EventKind = Literal[
    "source_stalled", "source_resumed", "source_frozen", "geometry_changed", "geometry_missing", "frame_corrupt",
    "worker_died", "worker_restarted", "worker_degraded", "recorder_full", "overlay_hidden", "overlay_stale",
    "overlay_valid", "registration_accepted", "registration_rejected", "client_refused", "source_connected",
    "source_disconnected", "message_ignored",
]  # fmt: skip
_KEPT_EVENTS = 200  # for the window's list; the file has them all
_WAITING_BYTES = 4 * 1024**2  # lines that a full disk does not take are kept until it does, up to here


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A rare thing that a person may want to know; `t_ns` is wall clock, `text` carries no patient text."""

    t_ns: int
    kind: EventKind
    frame: int | None
    text: str


class EventLog:
    """The newest events in memory, all of them in the file (if there is one).

    Args:
        heard: called with every event, outside any lock of this log.
        clock_ns: wall clock.
    """

    def __init__(
        self,
        path: Path | None,
        heard: Callable[[Event], None] | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._file = _open_for_lines(path)
        self._clock_ns = clock_ns
        self._heard = heard
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)

    def add(self, kind: EventKind, text: str, *, frame: int | None = None) -> None:
        event = Event(t_ns=self._clock_ns(), kind=kind, frame=frame, text=text)
        with self._lock:
            self._events.append(event)
            _write_line(self._file, {"t_ns": event.t_ns, "kind": event.kind, "frame": event.frame, "text": event.text})
        if self._heard is not None:
            self._heard(event)

    @property
    def last(self) -> Event | None:
        with self._lock:
            return self._events[-1] if self._events else None

    def newest(self) -> tuple[Event, ...]:
        with self._lock:
            return tuple(self._events)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


@dataclass(slots=True, kw_only=True)
class _Arrival:
    """One line to be; written once `state` is known and all earlier lines are written."""

    index: int
    sop_instance_uid: str
    source_frame: int
    geometry: CArmGeometry | None
    state: FrameState | None = None
    overlay: OverlayState = "hidden"
    overlay_age_ms: float | None = None
    overlay_geometry: CArmGeometry | None = None
    reason: str = ""


class FrameLog:
    """One line an arrived frame, in the order of arrival, each written as soon as its fate is known."""

    def __init__(self, path: Path | None) -> None:
        self._file = _open_for_lines(path)
        self._lock = threading.Lock()
        self._open: deque[_Arrival] = deque()
        self.counts: dict[FrameState, int] = {"painted": 0, "superseded": 0, "dropped": 0, "corrupt": 0}

    def arrived(self, frame: Frame) -> None:
        with self._lock:
            self._open.append(
                _Arrival(
                    index=frame.index,
                    sop_instance_uid=frame.sop_instance_uid,
                    source_frame=frame.source_frame,
                    geometry=frame.geometry,
                )
            )

    def corrupt(self, error: CorruptFrame) -> None:
        with self._lock:
            arrival = _Arrival(
                index=error.index,
                sop_instance_uid=error.sop_instance_uid,
                source_frame=error.source_frame,
                geometry=None,
                state="corrupt",
                reason=str(error),
            )
            self._open.append(arrival)
            self._flush()

    def skipped(self, frame: SkippedFrame) -> None:
        """It arrived, and the source let it go for newer ones before it was read."""
        with self._lock:
            self._open.append(
                _Arrival(
                    index=frame.index,
                    sop_instance_uid=frame.sop_instance_uid,
                    source_frame=frame.source_frame,
                    geometry=None,
                    state="superseded",
                    reason=str(frame),
                )
            )
            self._flush()

    def painted(
        self, index: int, *, overlay: Overlay | None, state: OverlayState, age_ms: float | None, reason: str
    ) -> None:
        """The frame has left the screen, or its own overlay is on it: this is what was shown with it."""
        with self._lock:
            arrival = self._find(index)
            if arrival is None:
                return
            for earlier in self._open:
                if earlier.index < index and earlier.state is None:
                    _supersede(earlier)  # the window was given it, but painted a newer one
            arrival.state = "painted"
            arrival.overlay, arrival.overlay_age_ms, arrival.reason = state, age_ms, reason
            arrival.overlay_geometry = overlay.geometry if overlay is not None else None
            self._flush()

    def superseded(self, index: int) -> None:
        with self._lock:
            arrival = self._find(index)
            if arrival is not None:
                _supersede(arrival)
                self._flush()

    def close(self) -> None:
        """Frames whose fate is still open count as dropped: nobody saw them."""
        with self._lock:
            for arrival in self._open:
                if arrival.state is None:
                    arrival.state, arrival.reason = "dropped", "the run ended before it was painted"
            self._flush()
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def arrivals(self) -> int:
        with self._lock:
            return sum(self.counts.values()) + len(self._open)

    def _find(self, index: int) -> _Arrival | None:
        return next((arrival for arrival in self._open if arrival.index == index and arrival.state is None), None)

    def _flush(self) -> None:
        while self._open and self._open[0].state is not None:
            arrival = self._open.popleft()
            assert arrival.state is not None
            self.counts[arrival.state] += 1
            _write_line(self._file, _line(arrival))


def _supersede(arrival: _Arrival) -> None:
    arrival.state, arrival.reason = "superseded", "a newer frame came before it was painted"


def _line(arrival: _Arrival) -> dict[str, object]:
    age_ms = arrival.overlay_age_ms
    return {
        "index": arrival.index,
        "sop_instance_uid": arrival.sop_instance_uid,
        "source_frame": arrival.source_frame,
        "state": arrival.state,
        "overlay": arrival.overlay,
        "overlay_age_ms": None if age_ms is None else round(age_ms, 3),
        "geometry": angles_content(arrival.geometry),
        "overlay_geometry": angles_content(arrival.overlay_geometry),
        "reason": arrival.reason,
    }


def angles_content(geometry: CArmGeometry | None) -> dict[str, float] | None:
    """A geometry as `frames.jsonl` has it."""
    if geometry is None:
        return None
    return {
        "primary_deg": round(math.degrees(geometry.primary_rad), 4),
        "secondary_deg": round(math.degrees(geometry.secondary_rad), 4),
        "sid_mm": round(geometry.sid_mm, 3),
    }


class _Lines:
    """Each line is on the disk when `write` returns, even if this process is killed then.

    A full disk ends no run: what it does not take waits for the next line, as it may have room again by then.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._waiting = bytearray()

    def write(self, line: str) -> None:
        if len(self._waiting) < _WAITING_BYTES:
            self._waiting += line.encode()
        with contextlib.suppress(OSError):
            while self._waiting:
                del self._waiting[: self._file.write(self._waiting) or 0]

    def close(self) -> None:
        self.write("")
        self._file.close()


def _open_for_lines(path: Path | None) -> _Lines | None:
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Lines(path)
    except OSError as error:
        raise InputError(f"{path}: cannot write here ({error.strerror}); choose another output folder") from error


def _write_line(file: _Lines | None, content: dict[str, object]) -> None:
    if file is not None:
        file.write(json.dumps(content, allow_nan=False) + "\n")
