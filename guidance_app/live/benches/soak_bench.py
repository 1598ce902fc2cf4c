"""`bench soak`: runs the live path for minutes or hours and tells whether memory, threads or files grow."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict, Field

from calibration.errors import InputError
from engines.anatomy.cases.case import Case
from engines.inference.machine import Machine, this_machine
from guidance_app.live.benches.latency_bench import LOADING_S, LatencyBench, bench_run
from guidance_app.live.engine.case_pipeline import case_recipe
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource, SaturatedFileSource

GROWTH_LIMIT = 0.05
_MOST_SAMPLES = 300
_SHORTEST_PERIOD_S = 0.5
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the screen process and the engine held at one moment."""

    seconds: float
    window_bytes: int
    engine_bytes: int
    threads: int
    files: int
    shared_memories: int
    processes: int


class Growth(BaseModel):
    """Median over the second fifth of the run (warm) and over the last."""

    model_config = ConfigDict(frozen=True)
    warm: float
    last: float

    @property
    def share(self) -> float:
        return self.last / self.warm - 1.0 if self.warm else 0.0


class SoakReport(BaseModel):
    """Sizes in MiB. `samples` are rows of seconds, window MiB, engine MiB, threads, files."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/bench-soak/1"] = Field(default="guidance-app/bench-soak/1", alias="schema")
    machine: Machine
    source: str
    engine: str
    paced_fps: float | None
    seconds: float
    frames: int
    painted: int
    superseded: int
    dropped: int
    engines_lost: int
    window_mib: Growth
    engine_mib: Growth
    threads: Growth
    files: Growth
    shared_memories: Growth
    processes: Growth
    samples: tuple[tuple[float, float, float, int, int], ...]
    passed: bool


def run_soak_bench(
    bench: LatencyBench, *, saturated: bool, show: Callable[[LiveSession, Case, float], object]
) -> SoakReport:
    """Play the bench's recording in a loop for its seconds, as `run_latency_bench` does, and look on.

    Raises:
        InputError: no such case, no recording in it, a value out of range, or no engine.
    """
    case, run = bench_run(bench)
    source = SaturatedFileSource(run, loop=True) if saturated else PacedFileSource(run, fps=bench.fps, loop=True)
    session = LiveSession(
        source=source,
        recipe=case_recipe(case, backend=bench.backend, models=bench.models),
        paced_fps=None if saturated else bench.fps,
        run_for_s=bench.seconds,
    )
    watch = _Watch(session, max(bench.seconds / _MOST_SAMPLES, _SHORTEST_PERIOD_S))
    watch.start()
    try:
        show(session, case, bench.seconds + LOADING_S)
    finally:
        watch.stop()
    if session.source_error:
        raise InputError(session.source_error)
    return _report(session, watch.samples, source.source_id, None if saturated else bench.fps)


class _Watch:
    """Takes samples from a thread of its own, from the first frame on."""

    def __init__(self, session: LiveSession, period_s: float) -> None:
        self.samples: list[Sample] = []
        self._session = session
        self._period_s = period_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="guidance-soak", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        own = psutil.Process()
        begun_s = None
        while not self._ended.wait(self._period_s):
            pid = self._session.engine_pid
            if pid is None or not self._session.at_rest:
                continue  # loading, or between two engines
            begun_s = begun_s or time.monotonic()
            try:
                self.samples.append(_sample(own, psutil.Process(pid), time.monotonic() - begun_s))
            except psutil.NoSuchProcess:
                continue


def _sample(own: psutil.Process, engine: psutil.Process, seconds: float) -> Sample:
    return Sample(
        seconds=seconds,
        window_bytes=own.memory_info().rss,
        engine_bytes=engine.memory_info().rss,
        threads=own.num_threads() + engine.num_threads(),
        files=_open_files(own) + _open_files(engine),
        shared_memories=_shared_memories(),
        processes=len(own.children(recursive=True)),
    )


def _open_files(process: psutil.Process) -> int:
    if os.name == "nt":
        return process.num_handles()  # type: ignore[attr-defined]
    return process.num_fds()


def _shared_memories() -> int:
    """How many shared memories this process maps; known on Linux only."""
    maps = Path(f"/proc/{os.getpid()}/maps")
    if not maps.exists():
        return 0
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    return len({line.split()[-1] for line in lines if "/dev/shm/" in line})


def growth(values: Sequence[float]) -> Growth:
    """Of samples in the order of time."""
    fifth = max(1, len(values) // 5)
    return Growth(
        warm=round(float(np.median(values[fifth : 2 * fifth] or values)), 2),
        last=round(float(np.median(values[-fifth:])), 2),
    )


def _report(session: LiveSession, samples: Sequence[Sample], source_id: str, fps: float | None) -> SoakReport:
    if len(samples) < 5:
        raise InputError(f"{source_id}: the run was too short to say what grows; give more minutes")
    latency = session.report()
    sizes = [growth([sample.window_bytes / _MIB for sample in samples])]
    sizes.append(growth([sample.engine_bytes / _MIB for sample in samples]))
    counts = [growth([getattr(sample, name) for sample in samples])
              for name in ("threads", "files", "shared_memories", "processes")]  # fmt: skip
    lost = sum(event.kind == "worker_died" for event in session.events)
    steady = all(size.share < GROWTH_LIMIT for size in sizes) and all(count.last <= count.warm for count in counts)
    return SoakReport(
        machine=this_machine(),
        source=source_id,
        engine=session.engine_description,
        paced_fps=fps,
        seconds=latency.seconds,
        frames=latency.frames,
        painted=latency.painted,
        superseded=latency.superseded,
        dropped=latency.dropped,
        engines_lost=lost,
        window_mib=sizes[0],
        engine_mib=sizes[1],
        threads=counts[0],
        files=counts[1],
        shared_memories=counts[2],
        processes=counts[3],
        samples=tuple(
            (
                round(sample.seconds, 1),
                round(sample.window_bytes / _MIB, 1),
                round(sample.engine_bytes / _MIB, 1),
                sample.threads,
                sample.files,
            )
            for sample in samples
        ),
        # A frame that the window passes over for a newer one is seen by nobody: on a paced run it counts as lost.
        passed=steady and not latency.dropped and not latency.superseded and not lost,
    )
