"""Heart rate and beats found in simulated pullbacks that were not gated."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from engines.ivus.features.gating import gate
from engines.ivus.files.pullback import Pullback
from engines.simulation.ivus.ultrasound import PIXEL_MM
from engines.simulation.ivus.ungated import FRAMES_PER_S, draw_ungated

_QUIET = 0.3  # of a beat, on either side of the middle of its quiet phase


class GatingRecord(BaseModel):
    """Args:
    found, missed: beats with and without a chosen frame in their quiet phase.
    unquiet: chosen frames in no beat's quiet phase, or in one that has another.
    """

    model_config = ConfigDict(frozen=True)
    split: str
    seed: int
    frames: int
    true_per_minute: float
    found_per_minute: float | None
    rate_error: float | None
    found: int
    missed: int
    unquiet: int
    doubtful: bool


def gating_record(split: str, seed: int) -> GatingRecord:
    """Draw a run, choose its frames, compare with its beats."""
    run = draw_ungated(split, seed)
    middle = run.frames.shape[1] // 2
    chosen = gate(Pullback(frames=run.frames, pixel_mm=PIXEL_MM, centre_px=(middle, middle), z_mm=run.z_mm,
                           gated=False, frame_time_ms=1000.0 / FRAMES_PER_S, source=f"{split}-{seed}"))  # fmt: skip
    apart = np.abs(chosen.frames[:, None] / FRAMES_PER_S - run.quiet_s[None, :]) < _QUIET * run.period_s[None, :]
    found = int(apart.any(axis=0).sum())
    true = 60.0 / float(run.period_s.mean())
    known = np.isfinite(chosen.beats_per_minute)
    return GatingRecord(
        split=split, seed=seed, frames=len(run.frames), true_per_minute=true,
        found_per_minute=chosen.beats_per_minute if known else None,
        rate_error=abs(chosen.beats_per_minute / true - 1.0) if known else None,
        found=found, missed=len(run.quiet_s) - found, unquiet=len(chosen.frames) - found, doubtful=chosen.doubtful,
    )  # fmt: skip
