"""`train pose`: the initialiser of registration."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.training.training_log import TrainingLog


def train_pose_network(
    out: Path, log: TrainingLog, *, steps: int, seed: int, width: int, paper: bool, device: str, threads: int
) -> None:
    """Write weights and card into `out`; goes on where an interrupted run of the same recipe stopped."""
    import torch

    from calibration.store import write_bytes
    from engines.registration.networks.pose_weights import save_pose_network
    from engines.training.pose.pose_export import pose_graph
    from engines.training.pose.pose_held_out import held_out_distances, model_card
    from engines.training.pose.pose_recipe import PoseRecipe, train_pose
    from engines.training.segmentation.segmentation_recipe import machine

    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"--device {device}: this torch finds no CUDA device; use --device cpu")
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # the far ends of drawn bells: a third of the time otherwise
    standard = PoseRecipe()
    recipe = PoseRecipe(steps=steps or standard.steps, seed=seed, width=width, loss="paper" if paper else standard.loss)
    began = time.monotonic()

    log.begin("invented patients", recipe.steps)

    def say(step: int, loss: float, apart_mm: float) -> None:
        log.tell(step, loss)
        if step % 25 == 0 or step == recipe.steps:
            minutes = (time.monotonic() - began) / 60
            line = f"step {step}/{recipe.steps}  loss {loss:.3f}  {apart_mm:.1f} mm off  {minutes:.1f} min"
            print(line, file=sys.stderr, flush=True)

    net, done = train_pose(recipe, out / "pose.checkpoint.pt", device=device, progress=say)
    effort = f"{(time.monotonic() - began) / 60:.0f} minutes on {machine()} ({device})"
    print("scoring on unseen patients", file=sys.stderr)
    held_out = held_out_distances(net.cpu(), seed=seed)
    save_pose_network(net, out / "pose.safetensors", steps=done, seed=seed, graph=pose_graph(net))
    card = model_card(recipe, done, effort, held_out)
    write_bytes(out / "pose.md", card.encode())
    print(card)
