"""`train affine`: the network of model-to-image matching."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.training.training_log import TrainingLog


def train_affine_network(
    out: Path, log: TrainingLog, *, steps: int, seed: int, paper: bool, device: str, threads: int
) -> None:
    """Write weights and card into `out`, going on from a checkpoint there.

    Args:
        paper: train the published size on pictures of 256 px (hours on a GPU).
    """
    from dataclasses import replace

    import torch

    from calibration.store import write_bytes
    from engines.registration.networks.pose_weights import save_affine_network
    from engines.training.pose.affine_recipe import PAPER, AffineRecipe, affine_card, held_out_dice, train_affine
    from engines.training.segmentation.segmentation_recipe import machine

    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"--device {device}: this torch finds no CUDA device; use --device cpu")
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    standard = PAPER if paper else AffineRecipe()
    recipe = replace(standard, steps=steps or standard.steps, seed=seed)
    began = time.monotonic()

    log.begin("invented aortas", recipe.steps)

    def say(step: int, loss: float) -> None:
        log.tell(step, loss)
        if step % 25 == 0 or step == recipe.steps:
            minutes = (time.monotonic() - began) / 60
            print(f"step {step}/{recipe.steps}  1 - Dice {loss:.3f}  {minutes:.1f} min", file=sys.stderr, flush=True)

    net, done = train_affine(recipe, out / "affine.checkpoint.pt", device=device, progress=say)
    net = net.cpu()
    effort = f"{(time.monotonic() - began) / 60:.0f} minutes on {machine()} ({device})"
    save_affine_network(net, out / "affine.safetensors", steps=done, seed=seed)
    card = affine_card(recipe, done, effort, held_out_dice(net, seed=seed))
    write_bytes(out / "affine.md", card.encode())
    print(card)
