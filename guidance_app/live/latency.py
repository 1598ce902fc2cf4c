"""How long things took: percentiles over a run, and `latency.json`."""

from __future__ import annotations

import math
import random
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from calibration.store import write_json
from engines.inference.machine import Machine, this_machine
from guidance_app.live.run_log import FrameState

StageName = Literal[
    "decode",
    "segment",
    "contrast",
    "track",
    "evidence",
    "motion",
    "render",
    "paint",
    "ingest_to_paint",
    "ingest_to_overlay",
]
_KEPT = 50_000  # of each stage
_RECENT = 75  # five seconds at 15 frames a second, for the figure in the window's corner


class Percentiles(BaseModel):
    """Of one stage, in milliseconds; None where the stage never ran."""

    model_config = ConfigDict(frozen=True)
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    count: int


class LatencyReport(BaseModel):
    """`latency.json`. Software cannot see the light leave the screen: ingest to paint, never glass to glass.

    Args:
        overlay_age_ms: of every overlay that was painted, against the frame that it was painted on.
        jitter_ms: how much the time between two frames on the screen differed from that between their arrivals.
        tick_ms: how long the window's timer held up everything else in the window; None where nobody measured it.
        tick_late_ms: how much later than 16 ms after the one before each tick began, because something else was at work
            in the window (a 3-D view, a panel); None as above.
        cold_starts: registrations from nothing that ended while a benchmark asked for one after the other.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/latency/1"] = Field(default="guidance-app/latency/1", alias="schema")
    machine: Machine
    source: str
    paced_fps: float | None
    seconds: float
    frames: int
    painted: int
    superseded: int
    dropped: int
    corrupt: int
    max_overlay_age_ms: float | None
    stages_ms: dict[StageName, Percentiles]
    overlay_age_ms: Percentiles
    jitter_ms: Percentiles
    tick_ms: Percentiles | None = None
    tick_late_ms: Percentiles | None = None
    cold_starts: int | None = None

    def write(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json", by_alias=True))


class Durations:
    """Any number of durations in a bounded room: exact for the first hour, then a fair sample of all (Vitter 1985, R).

    Count and largest one stay exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.kept_ms = array("d")
        self._max_ms = -math.inf
        self._random = random.Random(0)

    def add(self, duration_ms: float) -> None:
        self.count += 1
        self._max_ms = max(self._max_ms, duration_ms)
        if len(self.kept_ms) < _KEPT:
            self.kept_ms.append(duration_ms)
        elif (place := self._random.randrange(self.count)) < _KEPT:
            self.kept_ms[place] = duration_ms

    def percentiles(self) -> Percentiles:
        if not self.count:
            return Percentiles(p50=None, p90=None, p95=None, p99=None, max=None, count=0)
        p50, p90, p95, p99 = (round(float(value), 3) for value in np.percentile(self.kept_ms, [50, 90, 95, 99]))
        return Percentiles(p50=p50, p90=p90, p95=p95, p99=p99, max=round(self._max_ms, 3), count=self.count)


@dataclass(slots=True)
class LatencyBook:
    """Collects durations; one writing thread at a time (the session's lock; for ticks the window's thread)."""

    stages: dict[StageName, Durations]
    overlay_age: Durations
    jitter: Durations
    tick: Durations
    tick_late: Durations
    _recent_paint_ms: deque[float]
    _tick_began_ms: float | None
    _last_ns: tuple[int, int] | None  # arrival and painting of the frame painted last
    recent_p95_ms: float  # of ingest to paint over the newest frames; 0 before the first

    def __init__(self) -> None:
        self.stages = {name: Durations() for name in get_args(StageName)}
        self.overlay_age, self.jitter, self.tick, self.tick_late = (Durations() for _ in range(4))
        self._tick_began_ms: float | None = None
        self._last_ns = None
        self._recent_paint_ms = deque(maxlen=_RECENT)
        self.recent_p95_ms = 0.0

    def add(self, stage: StageName, duration_ms: float | None) -> None:
        if duration_ms is None:
            return
        self.stages[stage].add(duration_ms)
        if stage == "ingest_to_paint":
            self._recent_paint_ms.append(duration_ms)
            self.recent_p95_ms = float(np.percentile(self._recent_paint_ms, 95))

    def ticked(self, duration_ms: float, *, every_ms: float, now_ms: float) -> None:
        """The window's timer, set to fire `every_ms`, was called until `now_ms` (any monotonic clock)."""
        self.tick.add(duration_ms)
        began_ms, before_ms = now_ms - duration_ms, self._tick_began_ms
        if before_ms is not None:
            self.tick_late.add(max(0.0, began_ms - before_ms - every_ms))
        self._tick_began_ms = began_ms

    def painted(self, received_ns: int, painted_ns: int) -> None:
        """A frame is on the screen for the first time."""
        self.add("ingest_to_paint", (painted_ns - received_ns) / 1e6)
        if self._last_ns is not None:
            arrived_after_ns, painted_after_ns = received_ns - self._last_ns[0], painted_ns - self._last_ns[1]
            self.jitter.add(abs(painted_after_ns - arrived_after_ns) / 1e6)
        self._last_ns = received_ns, painted_ns

    def percentiles(self) -> dict[StageName, Percentiles]:
        return {name: durations.percentiles() for name, durations in self.stages.items()}


def report_of(
    book: LatencyBook, counts: Mapping[FrameState, int], *, source: str, paced_fps: float | None, seconds: float
) -> LatencyReport:
    """What `latency.json` says of a run on this machine."""
    return LatencyReport(
        machine=this_machine(),
        source=source,
        paced_fps=paced_fps,
        seconds=round(seconds, 3),
        frames=sum(counts.values()),
        painted=counts["painted"],
        superseded=counts["superseded"],
        dropped=counts["dropped"],
        corrupt=counts["corrupt"],
        max_overlay_age_ms=book.overlay_age.percentiles().max,
        stages_ms=book.percentiles(),
        overlay_age_ms=book.overlay_age.percentiles(),
        jitter_ms=book.jitter.percentiles(),
        tick_ms=book.tick.percentiles() if book.tick.count else None,
        tick_late_ms=book.tick_late.percentiles() if book.tick_late.count else None,
    )
