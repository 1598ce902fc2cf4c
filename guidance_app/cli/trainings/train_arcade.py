"""`train coronary --arcade DIR`: on real angiograms whose main vessels are marked, and synthetic ones."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import InputError

if TYPE_CHECKING:
    from engines.training.arcade.arcade_recipe import ArcadeRecipe
    from engines.training.training_log import TrainingLog


def train_on_arcade(
    name: str,
    arcade: Path,
    out: Path,
    log: TrainingLog,
    *,
    steps: int,
    seed: int,
    rate: float,
    initial: str,
    budget_min: float,
    trim: bool,
    cases: str,
    threads: int,
) -> None:
    """Train, or go on where an interrupted run of the same recipe stopped; writes a model folder.

    In two parts. The first leaves unmarked branches out; the second takes what its outcome and the weights at the
    start both see of them for vessel. With simulated cases in one part, from the shipped weights of those two.

    Raises:
        InputError: another network than coronary; no such pictures; a checkpoint of another recipe.
    """
    import torch

    from engines.inference.model_files import BUNDLED_MODELS
    from engines.segmentation.scenes import SCENES
    from engines.training.arcade.arcade_model import write_arcade_model
    from engines.training.arcade.arcade_opinions import with_agreed_branches
    from engines.training.arcade.arcade_pictures import arcade_names, read_arcade
    from engines.training.arcade.arcade_recipe import FIRST, FURTHER, SECOND, train_arcade
    from engines.training.arcade.arcade_validation import synthetic_lessons, validate, validation_lessons
    from engines.training.segmentation.segmentation_recipe import fast_precision, load_weights
    from engines.training.segmentation.simulated_cases import load_simulated
    from engines.training.segmentation.site_weights import check_folder

    if name != "coronary":
        raise InputError(f"--arcade: its masks are of coronaries; train {name} without it")
    check_folder(out)
    arcade_names(arcade, "val")
    simulation = str(BUNDLED_MODELS / "coronary-sim.safetensors")
    initial = initial or (str(BUNDLED_MODELS / "coronary.safetensors") if cases else simulation)
    frames = load_simulated(Path(cases), SCENES[name]) if cases else None
    first_file, second_file = out / f"{name}.first.checkpoint.pt", out / f"{name}.checkpoint.pt"
    precision = fast_precision("cpu")
    first = replace(FIRST, initial=initial, seed=seed, precision=precision, trim=trim)
    second = replace(
        SECOND, initial=str(first_file), opinions=(initial, str(first_file)), steps=steps or SECOND.steps,
        seed=seed + 1, precision=precision, trim=trim,
    )  # fmt: skip
    if frames is not None:
        second = replace(
            FURTHER, initial=initial, opinions=(simulation, initial), steps=steps or FURTHER.steps, seed=seed,
            cases=frames.cases, precision=precision, trim=trim,
        )  # fmt: skip
    if rate:
        first, second = replace(first, rate=rate), replace(second, rate=rate)
    torch.set_num_threads(threads)
    pictures = read_arcade(arcade, "train", trim=trim, progress=_counting("reading training pictures"))
    held_out = read_arcade(arcade, "val", trim=trim, progress=_counting("reading validation pictures"))
    real = validation_lessons(held_out)
    drawn = synthetic_lessons(SCENES[name], 24)

    def say(recipe: ArcadeRecipe) -> Callable:
        began = time.monotonic()

        def line(step: int, loss: float, net) -> None:
            log.tell(step, loss)
            if step % 50 and step != recipe.steps:
                return
            text = f"step {step}/{recipe.steps}  loss {loss:.3f}  {(time.monotonic() - began) / 60:.1f} min"
            if step % 500 == 0:
                now = validate(net(), real[:40], drawn)
                log.tell(step, log.loss, validation_dice=now.dice, synthetic_dice=now.synthetic_dice)
                text += (
                    f"  marked pictures: Dice {now.dice:.3f}, catheters called vessel {now.catheter_share:.1%}; "
                    f"synthetic: Dice {now.synthetic_dice:.3f}, recall {now.synthetic_recall:.3f}"
                )
            print(text, file=sys.stderr, flush=True)

        return line

    if frames is None:
        log.begin("marked pictures, part one", first.steps)
        train_arcade(first, pictures, first_file, progress=say(first))
    opinions = [load_weights(Path(path)) for path in second.opinions]
    pictures = with_agreed_branches(pictures, opinions, progress=_counting("looking for branches in pictures"))
    budget_s = 60 * budget_min or math.inf
    log.begin("marked pictures, part two", second.steps)
    net, done = train_arcade(second, pictures, second_file, frames=frames, budget_s=budget_s, progress=say(second))
    print("choosing the threshold, scoring", file=sys.stderr)
    write_arcade_model(net, second, out, steps=done, learnt_from=len(pictures), real=real)
    print(f"{out / name}.onnx, .safetensors, .md and manifest.json written; load them with --models {out}")


def _counting(what: str) -> Callable[[int, int], None]:
    def say(done: int, of: int) -> None:
        if done % 100 == 0 or done == of:
            print(f"{what} {done}/{of}", file=sys.stderr, flush=True)

    return say
