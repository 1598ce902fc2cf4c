"""`train ivus-landmarks`: what CCTA-IVUS registration learns."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def train_ivus_landmarks(out: Path, *, steps: int, seed: int, threads: int, resume: bool) -> None:
    """Write network, weights of evidence and their figures into `out`."""
    import torch

    from engines.training.ivus.recipe import IvusRecipe, train_ivus

    torch.set_num_threads(threads)
    recipe = IvusRecipe(steps=steps or IvusRecipe().steps, seed=seed)
    about = train_ivus(recipe, out, resume=resume, progress=lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(about, indent=1))
