"""`bench latency --compare`: two backends or two versions of the networks over the same recording, in turns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from calibration.errors import InputError
from calibration.store import write_json
from engines.anatomy.cases.case import Case
from engines.inference.machine import Machine, this_machine
from engines.inference.model_files import BUNDLED_MODELS
from guidance_app.live.benches.latency_bench import LOADING_S, LatencyBench, bench_run, bench_session
from guidance_app.live.latency import Durations, Percentiles
from guidance_app.live.session.session import LiveSession

_TURNS = "ABBA"  # so that a machine that grows warm or busy favours neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the two: a backend on a folder of networks."""

    name: str
    backend: str
    models: Path


def parse_arm(text: str, backend: str) -> Arm:
    """`BACKEND`, `FOLDER` or `FOLDER@BACKEND`; `backend` where a folder comes without one.

    Raises:
        InputError: neither a known backend nor a folder with networks.
    """
    from engines.inference.factory import BACKENDS

    if text in BACKENDS:
        return Arm(name=text, backend=text, models=BUNDLED_MODELS)
    folder_text, at, named = text.rpartition("@")
    folder, chosen = (Path(folder_text), named) if at else (Path(text), backend)
    if not (folder / "manifest.json").is_file() or chosen not in BACKENDS:
        raise InputError(
            f"--compare {text}: expected a backend ({', '.join(BACKENDS)}), "
            "a folder with manifest.json, or FOLDER@BACKEND"
        )
    return Arm(name=text, backend=chosen, models=folder)


class ArmReport(BaseModel):
    """One arm over all its turns. `models_sha256` is of its `manifest.json`, which names that of every weight."""

    model_config = ConfigDict(frozen=True)
    name: str
    engine: str
    models_sha256: str
    frames: int
    painted: int
    superseded: int
    dropped: int
    stages_ms: dict[str, Percentiles]
    overlay_age_ms: Percentiles
    jitter_ms: Percentiles


class LatencyComparison(BaseModel):
    """Both arms, and B's median over A's for each stage."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/latency-comparison/1"] = Field(
        default="guidance-app/latency-comparison/1", alias="schema"
    )
    machine: Machine
    source: str
    paced_fps: float
    seconds_per_arm: float
    turns: str
    arms: tuple[ArmReport, ArmReport]
    b_over_a: dict[str, float]

    def write(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json", by_alias=True))


def run_comparison(
    bench: LatencyBench,
    arms: tuple[Arm, Arm],
    show: Callable[[LiveSession, Case, float], object],
    *,
    progress: Callable[[str], None] = lambda _line: None,
) -> LatencyComparison:
    """Every arm for the bench's seconds, half of them in each of two turns, through `show` (see `run_latency_bench`).

    Raises:
        InputError: as `run_latency_bench`.
    """
    case, run = bench_run(bench)
    turns = {letter: _Pooled(arm) for letter, arm in zip("AB", arms, strict=True)}
    seconds = bench.seconds / _TURNS.count("A")
    for number, letter in enumerate(_TURNS, start=1):
        arm = turns[letter].arm
        turn = replace(bench, backend=arm.backend, models=arm.models, seconds=seconds)
        session = bench_session(turn, case, run)
        show(session, case, seconds + LOADING_S)
        if session.source_error:
            raise InputError(session.source_error)
        turns[letter].take(session)
        progress(f"turn {number} of {len(_TURNS)}: {arm.name}, {session.engine_description or 'no engine'}")
    reports = turns["A"].report(), turns["B"].report()
    return LatencyComparison(
        machine=this_machine(),
        source=run.source_id,
        paced_fps=bench.fps,
        seconds_per_arm=bench.seconds,
        turns=_TURNS,
        arms=reports,
        b_over_a=_ratios(*reports),
    )


class _Pooled:
    """All turns of one arm."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self._engine = ""
        self._counts = dict.fromkeys(("frames", "painted", "superseded", "dropped"), 0)
        self._stages: dict[str, Durations] = {}
        self._age, self._jitter = Durations(), Durations()

    def take(self, session: LiveSession) -> None:
        if not session.engine_description:
            raise InputError(f"--compare {self.arm.name}: its engine never answered ({session.screen().banner})")
        self._engine = session.engine_description
        report = session.report()
        for name in self._counts:
            self._counts[name] += getattr(report, name)
        for name, durations in session.latency.stages.items():
            _add(self._stages.setdefault(name, Durations()), durations.kept_ms)
        _add(self._age, session.latency.overlay_age.kept_ms)
        _add(self._jitter, session.latency.jitter.kept_ms)

    def report(self) -> ArmReport:
        return ArmReport(
            name=self.arm.name,
            engine=self._engine,
            models_sha256=hashlib.sha256((self.arm.models / "manifest.json").read_bytes()).hexdigest(),
            stages_ms={name: durations.percentiles() for name, durations in self._stages.items()},
            overlay_age_ms=self._age.percentiles(),
            jitter_ms=self._jitter.percentiles(),
            **self._counts,
        )


def _add(pool: Durations, more_ms: Sequence[float]) -> None:
    for duration_ms in more_ms:
        pool.add(duration_ms)


def _ratios(first: ArmReport, second: ArmReport) -> dict[str, float]:
    medians = {name: (stage.p50, second.stages_ms[name].p50) for name, stage in first.stages_ms.items()}
    return {name: round(b / a, 3) for name, (a, b) in medians.items() if a and b is not None}
