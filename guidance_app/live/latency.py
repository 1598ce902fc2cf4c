"""How long things took: percentiles over a run, and `latency.json`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from calibration.store import write_json
from engines.evaluation.machine import Machine

StageName = Literal["decode", "segment", "track", "render", "paint", "ingest_to_paint", "ingest_to_overlay"]
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
    """`latency.json`. Software cannot see the light leave the screen: ingest to paint, never glass to glass."""

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

    def write(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json", by_alias=True))


@dataclass(slots=True)
class LatencyBook:
    """Collects durations; one writing thread at a time (the session's lock)."""

    _stages: dict[StageName, list[float]]
    _recent_paint_ms: deque[float]
    max_overlay_age_ms: float | None
    recent_p95_ms: float  # of ingest to paint over the newest frames; 0 before the first

    def __init__(self) -> None:
        self._stages = {name: [] for name in get_args(StageName)}
        self._recent_paint_ms = deque(maxlen=_RECENT)
        self.max_overlay_age_ms = None
        self.recent_p95_ms = 0.0

    def add(self, stage: StageName, duration_ms: float | None) -> None:
        if duration_ms is None:
            return
        self._stages[stage].append(duration_ms)
        if stage == "ingest_to_paint":
            self._recent_paint_ms.append(duration_ms)
            self.recent_p95_ms = float(np.percentile(self._recent_paint_ms, 95))

    def overlay_shown(self, age_ms: float) -> None:
        self.max_overlay_age_ms = max(age_ms, self.max_overlay_age_ms or 0.0)

    def percentiles(self) -> dict[StageName, Percentiles]:
        return {name: _percentiles(durations) for name, durations in self._stages.items()}


def _percentiles(durations_ms: list[float]) -> Percentiles:
    if not durations_ms:
        return Percentiles(p50=None, p90=None, p95=None, p99=None, max=None, count=0)
    values = np.percentile(durations_ms, [50, 90, 95, 99, 100])
    p50, p90, p95, p99, top = (round(float(value), 3) for value in values)
    return Percentiles(p50=p50, p90=p90, p95=p95, p99=p99, max=top, count=len(durations_ms))
