"""`frames.jsonl` and `events.jsonl`: what happened, line by line as it happens.

Lines are handed to a thread that writes them (see `LineFile`): who adds one never waits for the disk.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibration.carm import CArmGeometry
from engines.angiography.frame import Frame
from guidance_app.live.evidence import Evidence
from guidance_app.live.guidance import Overlay, OverlayState
from guidance_app.live.line_file import LineFile
from guidance_app.sources.source import CorruptFrame, SkippedFrame

FrameState = Literal["painted", "superseded", "dropped", "corrupt"]
EventKind = Literal[
    "source_stalled", "source_resumed", "source_frozen", "geometry_changed", "geometry_missing", "frame_corrupt",
    "worker_died", "worker_restarted", "worker_degraded", "recorder_full", "overlay_hidden", "overlay_stale",
    "overlay_valid", "registration_accepted", "registration_rejected", "client_refused", "source_connected",
    "source_disconnected", "message_ignored", "patient_unknown", "pose_by_hand",
    "pose_by_hand_withdrawn", "wire_declared",
]  # fmt: skip
_KEPT_EVENTS = 200  # for the window's list; the file has them all
_MOST_OPEN = 128  # frames: a window that is hidden or hangs paints none of them, however many come


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
        self._file = _line_file(path)
        self._clock_ns = clock_ns
        self._heard = heard
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)

    def add(self, kind: EventKind, text: str, *, frame: int | None = None) -> None:
        event = Event(t_ns=self._clock_ns(), kind=kind, frame=frame, text=text)
        with self._lock:
            self._events.append(event)
            if self._file is not None:
                self._file.add({"t_ns": event.t_ns, "kind": event.kind, "frame": event.frame, "text": event.text})
        if self._heard is not None:
            self._heard(event)

    @property
    def last(self) -> Event | None:
        with self._lock:
            return self._events[-1] if self._events else None

    def newest(self) -> tuple[Event, ...]:
        with self._lock:
            return tuple(self._events)

    def settle(self) -> None:
        """Wait until all events so far are in the file."""
        if self._file is not None:
            self._file.settle()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


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
    evidence: Evidence | None = None
    reason: str = ""


class FrameLog:
    """One line an arrived frame, in the order of arrival, each written as soon as its fate is known.

    Of frames whose fate is open the newest 128 are kept. An older one was given to a window that does not paint, and
    counts as superseded.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = _line_file(path)
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
            self._bound()

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
            self._bound()

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
            self._bound()

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
            arrival.evidence = overlay.evidence if overlay is not None else None
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

    def settle(self) -> None:
        """Wait until all lines so far are in the file."""
        if self._file is not None:
            self._file.settle()

    @property
    def open_frames(self) -> int:
        """Frames whose fate is not known yet, and those that wait behind one of them for their line."""
        with self._lock:
            return len(self._open)

    @property
    def lost_lines(self) -> int:
        """Lines that a full or hanging disk had no room for."""
        return 0 if self._file is None else self._file.lost

    def _bound(self) -> None:
        while len(self._open) > _MOST_OPEN:
            _supersede(self._open[0])  # its fate is open: it would have been written otherwise
            self._flush()

    def _find(self, index: int) -> _Arrival | None:
        return next((arrival for arrival in self._open if arrival.index == index and arrival.state is None), None)

    def _flush(self) -> None:
        while self._open and self._open[0].state is not None:
            arrival = self._open.popleft()
            assert arrival.state is not None
            self.counts[arrival.state] += 1
            if self._file is not None:
                self._file.add(_line(arrival))


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
        **_evidence_content(arrival.evidence, age_ms),
        "reason": arrival.reason,
    }


def _evidence_content(evidence: Evidence | None, overlay_age_ms: float | None) -> dict[str, object]:
    """What was drawn rests on; nulls where nothing was. The age counts to the frame that it was drawn on."""
    if evidence is None:
        return {"evidence": None, "evidence_age_s": None}
    return {"evidence": evidence.kind, "evidence_age_s": round(evidence.age_s + (overlay_age_ms or 0.0) / 1e3, 3)}


def angles_content(geometry: CArmGeometry | None) -> dict[str, float] | None:
    """A geometry as `frames.jsonl` has it."""
    if geometry is None:
        return None
    return {
        "primary_deg": round(math.degrees(geometry.primary_rad), 4),
        "secondary_deg": round(math.degrees(geometry.secondary_rad), 4),
        "sid_mm": round(geometry.sid_mm, 3),
    }


def _line_file(path: Path | None) -> LineFile | None:
    return None if path is None else LineFile(path)
