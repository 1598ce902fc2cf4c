"""`train cmr-wall` and its kin: the networks of CT-CMR fusion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.training.training_log import TrainingLog


def train_cmr_network(name: str, out: Path, log: TrainingLog, *, steps: int, seed: int, threads: int) -> None:
    """Write weights, list entry and card into `out`; goes on where an interrupted run of the same plan stopped."""
    import torch

    from engines.inference.model_files import BUNDLED_MODELS
    from engines.training.cmr.recipe import RECIPES, plan_of, train_cmr

    if name not in RECIPES:
        raise InputError(f"train {name}: no such recipe exists; choose one of {', '.join(sorted(RECIPES))}")
    if out.resolve() == BUNDLED_MODELS.resolve():
        raise InputError(f"--out {out}: these weights ship with the program; choose another folder")
    torch.set_num_threads(threads)
    plan = plan_of(name, steps=steps, seed=seed)
    log.begin("simulated patients", plan.steps)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def stepped(step: int, loss: float) -> None:
        log.tell(step, loss)
        if step % 50 == 0 or step == plan.steps:
            say(f"step {step}/{plan.steps}  loss {loss:.3f}")

    trained = train_cmr(name, plan, out, say=say, stepped=stepped)
    print(json.dumps({"steps": trained.steps, "held_out": trained.held_out}, indent=1))
