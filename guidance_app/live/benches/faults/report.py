"""`bench faults` as figures: one row a fault, and whether each promise was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engines.inference.machine import Machine

ENGINE_BACK_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fault, done once. `complaints` says what else was not as it must be."""

    fault: str
    engine: bool
    began_ns: int
    ended_ns: int
    recovered: bool
    untold: tuple[str, ...]
    complaints: tuple[str, ...]
    engine_back_s: float | None
    overlay_back_s: float | None


class FaultRow(BaseModel):
    """Of one kind of fault.

    Args:
        invalid_as_valid: states of the screen that called an overlay valid which the picture did not support.
        late_pictures: painted more than 200 ms after the source sent them; `longest_ms` is the longest such wait.
        untold: repeats without the event (or without its reason) that the fault must leave.
        recovered: repeats after which a valid overlay was back by itself.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    repeats: int
    invalid_as_valid: int
    late_pictures: int
    longest_ms: float
    untold: int
    recovered: int
    engine_back_s_median: float | None
    engine_back_s_max: float | None
    overlay_back_s_median: float | None
    overlay_back_s_max: float | None
    complaints: tuple[str, ...]

    @property
    def kept(self) -> bool:
        in_time = self.engine_back_s_max is None or self.engine_back_s_max <= ENGINE_BACK_S
        return in_time and not (
            self.invalid_as_valid or self.late_pictures or self.untold or self.complaints
            or self.recovered < self.repeats
        )  # fmt: skip


class FaultReport(BaseModel):
    """The whole campaign.

    Args:
        invalid_as_valid: over the whole time, between the faults too; `invalid` are the first of them.
        wrong_lines: of `frames.jsonl`, judged by what was sent.
        pictures: that were sent.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/bench-faults/1"] = Field(default="guidance-app/bench-faults/1", alias="schema")
    machine: Machine
    seed: int
    repeats: int
    engine: str
    painted_by: str
    seconds: float
    faults: tuple[FaultRow, ...]
    invalid_as_valid: int
    invalid: tuple[str, ...]
    wrong_lines: tuple[str, ...]
    pictures: int
    passed: bool


def row_of(
    name: str, trials: Sequence[Trial], wrong_ns: Sequence[tuple[int, str]], delays_ms: Sequence[tuple[int, float]],
    late_ms: float,
) -> FaultRow:  # fmt: skip
    """The figures of one fault, of what happened while it was done."""

    def within(moment_ns: int) -> bool:
        return any(trial.began_ns <= moment_ns < trial.ended_ns for trial in trials)

    waits_ms = [delay for moment_ns, delay in delays_ms if within(moment_ns)]
    wrong = [why for moment_ns, why in wrong_ns if within(moment_ns)]
    engine_s = [trial.engine_back_s for trial in trials if trial.engine_back_s is not None]
    overlay_s = [trial.overlay_back_s for trial in trials if trial.overlay_back_s is not None]
    return FaultRow(
        name=name,
        repeats=len(trials),
        invalid_as_valid=len(wrong),
        late_pictures=sum(wait > late_ms for wait in waits_ms),
        longest_ms=round(max(waits_ms, default=0.0), 1),
        untold=sum(bool(trial.untold) for trial in trials),
        recovered=sum(trial.recovered for trial in trials),
        engine_back_s_median=_rounded(np.median, engine_s),
        engine_back_s_max=_rounded(np.max, engine_s),
        overlay_back_s_median=_rounded(np.median, overlay_s),
        overlay_back_s_max=_rounded(np.max, overlay_s),
        complaints=(*(text for trial in trials for text in (*trial.complaints, *trial.untold)), *wrong),
    )


def _rounded(figure, values: list[float]) -> float | None:
    return round(float(figure(values)), 3) if values else None
