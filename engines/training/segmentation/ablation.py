"""Measure the effect of each part of the recipe: short trainings that differ in one thing, scored on equal pictures.

    python -m engines.training.segmentation.ablation coronary [--steps 300] [--seed 1] [--json ablation.json]

Short trainings rank the parts early in training; they do not show what long trainings reach.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from calibration.store import write_json
from engines.inference.machine import this_machine
from engines.segmentation.scenes import Scene, scene_named
from engines.training.segmentation.held_out import HeldOut, hold_out
from engines.training.segmentation.segmentation_recipe import Recipe, fast_precision, train


def arms(base: Recipe, scene: Scene) -> dict[str, Recipe]:
    """The recipe itself, and the recipe with one thing changed."""
    return {
        "Dice + cross-entropy (ours)": base,
        f"the paper's loss alone ({scene.paper_loss})": replace(base, loss=scene.paper_loss),
        "with soft clDice": replace(base, loss="dice+bce+cldice"),
        "half the width (8-16-32-64)": replace(base, width=base.width // 2),
        "half as wide again (24-48-96-192)": replace(base, width=base.width * 3 // 2),
        "every patch shown once": replace(base, repeats=1),
        "one imaging chain for all patches": replace(base, randomised=False),
    }


def run(base: Recipe, scene: Scene, pictures: int, wanted: Sequence[str] = ()) -> dict[str, tuple[HeldOut, float]]:
    """Held-out figures and seconds of every arm, or of those whose name contains one of the `wanted` words."""
    outcome: dict[str, tuple[HeldOut, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, recipe) in enumerate(arms(base, scene).items()):
            if wanted and not any(word in name for word in wanted):
                continue
            started = time.perf_counter()
            net = train(recipe, Path(folder) / f"{number}.pt")
            seconds = time.perf_counter() - started
            outcome[name] = (hold_out(net, scene, pictures=pictures), seconds)
            print(f"{name}: {_line(outcome[name][0], scene)}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return outcome


def _line(held_out: HeldOut, scene: Scene) -> str:
    figures = held_out.figures[scene.classes[0]]
    return f"{scene.classes[0]} Dice {figures['dice'].median:.3f}, clDice {figures['cl_dice'].median:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--arm", action="append", default=[], help="only arms whose name holds this; may be repeated")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    scene = scene_named(chosen.scene)
    base = Recipe(
        scene=scene.name, steps=chosen.steps, seed=chosen.seed, patch_px=chosen.patch, precision=fast_precision("cpu")
    )
    outcome = run(base, scene, chosen.pictures, chosen.arm)
    if chosen.json is not None:
        rows = [
            {
                "arm": name, "seconds": seconds, "threshold": held_out.threshold,
                "figures": {
                    kind: {key: asdict(spread) for key, spread in figures.items()}
                    for kind, figures in held_out.figures.items()
                },
            }
            for name, (held_out, seconds) in outcome.items()
        ]  # fmt: skip
        write_json(
            chosen.json,
            {
                "schema": "guidance-app/ablation/1", "machine": this_machine().model_dump(), "scene": scene.name,
                "steps": chosen.steps, "seed": chosen.seed, "patch_px": chosen.patch, "pictures": chosen.pictures,
                "rows": rows,
            },
        )  # fmt: skip


if __name__ == "__main__":
    main()
