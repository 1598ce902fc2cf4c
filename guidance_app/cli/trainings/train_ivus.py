"""`train ivus-landmarks`: what CCTA-IVUS registration learns."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.training.training_log import TrainingLog


def train_ivus_landmarks(out: Path, log: TrainingLog, *, steps: int, seed: int, threads: int) -> None:
    """Write networks, weights of evidence and their figures into `out`; goes on where an interrupted run stopped."""
    import torch

    from engines.training.ivus.recipe import IvusRecipe, train_ivus

    torch.set_num_threads(threads)
    recipe = IvusRecipe(steps=steps or IvusRecipe().steps, seed=seed)
    log.begin("simulated pullbacks and CT", 3 * recipe.steps)
    about = train_ivus(recipe, out, resume=True, stepped=log.tell,
                       progress=lambda line: print(line, file=sys.stderr, flush=True))  # fmt: skip
    print(json.dumps(about, indent=1))
